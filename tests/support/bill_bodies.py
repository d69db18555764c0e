"""Bills as a hospital pushes them."""

import secrets
from datetime import timedelta
from typing import Any

from tests.support.identity_rig import IdentityRig


def a_body(rig: IdentityRig, patient_id: str, **changes: Any) -> dict[str, Any]:
    """Two boxes at 12.345 yuan."""
    now = rig.clock.now()
    line = {
        "line_no": "1",
        "catalogue_code": "XA01AB",
        "local_code": "D1",
        "name": "试验药片",
        "quantity_e4": 20000,
        "unit_price_e6": 12345000,
        "amount_fen": 2469,
        "charged_at": now.isoformat(),
    }
    visit = {
        "visit_no": "V1",
        "began_at": now.isoformat(),
        "visit_type": "11",
        "department_no": "01",
        "department_name": "内科",
        "speciality": "A03",
        "doctor_no": "D990001",
        "doctor_name": "试医生",
        "diagnoses": [{"code": "J00.x00", "name": "急性鼻咽炎", "main": True}],
    }
    body = {
        "bill_no": f"B-{secrets.token_hex(4)}",
        "patient_id": patient_id,
        "visit": visit,
        "lines": [line],
        "total_fen": 2469,
        "pay_until": (now + timedelta(days=1)).isoformat(),
    }
    return body | changes
