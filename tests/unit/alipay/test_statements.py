"""The trade bill: exact amounts, the tie between rows and totals, and every way it may be bad."""

import base64
import io
import json
import zipfile
from pathlib import Path

import pytest

from integrations.alipay.statements import BillRefused, BillRow, RowKind, TradeBill
from integrations.sandbox.alipay.bill import zip_of

FILE = json.loads((Path(__file__).parents[2] / "vectors" / "payments.json").read_bytes())
CASE = next(case for case in FILE["vectors"] if case["id"] == "alipay-trade-bill-zip")
ZIP = base64.b64decode(CASE["zip_base64"])
NAME = CASE["member_name"]
with zipfile.ZipFile(io.BytesIO(ZIP)) as _archive:
    TEXT = _archive.read(_archive.namelist()[0]).decode("gbk")
SELLER = "2088000000000001"


def rows(content: bytes, account: str | None = SELLER) -> list[BillRow]:
    return list(TradeBill(content, account=account).rows())


def zipped(text: str, name: str = NAME) -> bytes:
    return zip_of({name: text.encode("gb18030")})


def test_the_published_sample_is_read_exactly() -> None:
    bill = TradeBill(ZIP, account=SELLER)
    trade, refund = list(bill.rows())
    assert (trade.kind, trade.trade_no, trade.amount_fen, trade.fee_fen) == (
        RowKind.TRADE,
        "MZ20261120A1",
        15_050,
        90,
    )
    assert (refund.kind, refund.refund_no, refund.received_fen, refund.fee_fen) == (
        RowKind.REFUND,
        "RF20261120A1",
        -2050,
        -12,
    )
    assert (bill.totals.trade_received_fen, bill.totals.refund_received_fen) == (15_050, -2050)
    assert bill.totals.tied == 2


def test_the_summary_file_beside_it_is_passed_over() -> None:
    both = zip_of({NAME: TEXT.encode("gbk"), NAME.replace("明细", "明细(汇总)"): b"#x"})
    assert len(rows(both)) == 2


def test_a_comma_and_quotes_may_stand_in_a_quoted_name() -> None:
    changed = TEXT.replace("门诊缴费\t", '"门诊,缴费""二""\t"', 1)
    assert rows(zipped(changed))[0].cells[3] == '门诊,缴费"二"'


def test_columns_go_by_their_names_and_totals_by_words_we_know() -> None:
    lines = TEXT.split("\r\n") if "\r\n" in TEXT else TEXT.split("\n")
    turned = "\n".join(
        ",".join(reversed(line.split(","))) if line and not line.startswith("#") else line
        for line in lines
    )
    assert [row.amount_fen for row in rows(zipped(turned))] == [15_050, -2050]
    bill = TradeBill(zipped(TEXT.replace("商家实收共150.50元", "实收 999 元")), account=None)
    assert len(list(bill.rows())) == 2
    assert bill.totals.tied == 1


FIRST_ROW = next(line for line in TEXT.split("\n") if line.startswith("2026"))
BAD = {
    "the bill of another merchant": zipped(TEXT.replace(f"[{SELLER}", "[2088000000000009")),
    "not a trade bill": zipped(TEXT.replace("业务明细查询", "账务明细查询")),
    "no header line": zipped(TEXT.replace("支付宝交易号,商户订单号", "商户订单号,商户订单号")),
    "the closing lines are missing": zipped(TEXT[: TEXT.index("#", TEXT.index(FIRST_ROW))]),
    "a row has not one cell": zipped(TEXT[: TEXT.index(FIRST_ROW) + 60]),
    "the totals are not": zipped(TEXT.replace(FIRST_ROW, f"{FIRST_ROW}\n{FIRST_ROW}")),
    "no such amount": zipped(TEXT.replace(",150.50\t", ',"1,150.50\t"')),
    "a row of an unlisted kind": zipped(TEXT.replace(",交易\t", ",转账\t")),
    "a row's sign is not": zipped(TEXT.replace(",-20.50\t", ",20.50\t")),
    "a column is missing": zipped(TEXT.replace("订单金额（元）", "金额")),
    "mixed with rows": zipped(TEXT.rstrip() + "\n" + FIRST_ROW),
    "a line is too long": zipped(TEXT.replace("门诊缴费", "费" * 9000, 1)),
    "a line of the head is missing": zipped(TEXT.replace("#账号", "账号")),
    "not a ZIP": b"PK no",
    "not exactly one file of rows": zipped(TEXT, "other.csv"),
    "not GBK": zip_of({NAME: TEXT.encode("gbk") + b"#\xff\xff"}),
    "too many members": zip_of({f"{n}.csv": b"" for n in range(17)}),
    "damaged": ZIP.replace(ZIP[120:140], bytes(20), 1),
}


@pytest.mark.parametrize(("said", "content"), BAD.items(), ids=BAD.keys())
def test_a_bad_bill_is_refused(said: str, content: bytes) -> None:
    with pytest.raises(BillRefused, match=said):
        rows(content)


def test_a_bill_that_claims_to_be_huge_is_not_opened() -> None:
    directory = ZIP.rindex(b"PK\x01\x02")
    grown = bytearray(ZIP)
    grown[directory + 24 : directory + 28] = (0x80000001).to_bytes(4, "little")
    with pytest.raises(BillRefused, match="too large"):
        rows(bytes(grown))
