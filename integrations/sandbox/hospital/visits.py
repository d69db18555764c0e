"""The bills this hospital charges: a few invented outpatient visits, taken in turn."""

from datetime import datetime, timedelta
from typing import Any

PAY_WITHIN = timedelta(hours=4)

_LINES: list[list[tuple[str, str, int, int]]] = [
    [
        ("TESTMED000007", "普通门诊诊察费", 10_000, 25_000_000),
        ("TESTMED000001", "测试片（甲类）", 30_000, 12_500_000),
        ("TESTMED000002", "测试胶囊（乙类）", 20_000, 36_800_000),
    ],
    [
        ("TESTMED000007", "普通门诊诊察费", 10_000, 25_000_000),
        ("TESTMED000006", "血常规（测试）", 10_000, 48_000_000),
        ("TESTMED000008", "彩超检查（测试）", 10_000, 160_000_000),
        ("TESTMED000003", "自费测试贴", 10_000, 33_340_000),
    ],
    [
        ("TESTMED000007", "专家门诊诊察费", 10_000, 60_000_000),
        ("TESTMED000005", "测试颗粒", 35_000, 18_900_000),
    ],
]
"""(national code, name, quantity times 10^4, unit price in yuan times 10^6)."""

_DIAGNOSES = [("J06.900", "急性上呼吸道感染"), ("K29.500", "慢性胃炎"), ("I10.x00", "高血压病")]


def line_fen(quantity_e4: int, unit_price_e6: int) -> int:
    """Quantity times unit price, rounded half up to the fen."""
    return (quantity_e4 * unit_price_e6 + 50_000_000) // 100_000_000


def a_bill(bill_no: str, patient_id: str, at: datetime, turn: int) -> dict[str, Any]:
    """The body of ``POST /v1/institution/bills``."""
    code, name = _DIAGNOSES[turn % len(_DIAGNOSES)]
    lines = [
        {
            "line_no": str(number),
            "catalogue_code": item,
            "local_code": f"L{item[-4:]}",
            "name": text,
            "quantity_e4": quantity_e4,
            "unit_price_e6": unit_price_e6,
            "amount_fen": line_fen(quantity_e4, unit_price_e6),
            "charged_at": _text(at),
        }
        for number, (item, text, quantity_e4, unit_price_e6) in enumerate(
            _LINES[turn % len(_LINES)], start=1
        )
    ]
    return {
        "bill_no": bill_no,
        "patient_id": patient_id,
        "visit": {
            "visit_no": f"V{bill_no}",
            "began_at": _text(at),
            "visit_type": "11",
            "department_no": "A03",
            "department_name": "内科",
            "speciality": "A03",
            "doctor_no": "D00000000001",
            "doctor_name": "测试医师",
            "diagnoses": [{"code": code, "name": name, "main": True}],
        },
        "lines": lines,
        "total_fen": sum(int(str(line["amount_fen"])) for line in lines),
        "pay_until": _text(at + PAY_WITHIN),
    }


def _text(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
