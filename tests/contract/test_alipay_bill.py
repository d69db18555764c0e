"""A day's bill from the twin's own book, through the adapter: days, differences, and damage."""

from datetime import date
from typing import Any

import pytest

from integrations.alipay.statements import BillRefused, BillRow, TradeBill
from integrations.ports.outcomes import Accepted, Unknown
from tests.contract.alipay_rig import SELLER_ID, Rig, a_refund

DAY, NEXT_DAY = date(2026, 11, 21), date(2026, 11, 22)


async def rows_of(rig: Rig, day: date) -> list[BillRow]:
    fetched = await rig.gateway.fetch_bill(day)
    assert isinstance(fetched, Accepted), fetched
    return list(TradeBill(fetched.value, account=SELLER_ID).rows())


@pytest.mark.parametrize("protocol", ["gateway", "v3"])
async def test_a_bill_holds_what_was_paid_and_given_back_that_day(protocol: str) -> None:
    rig = Rig(protocol=protocol)
    await rig.paid("TRADE0001")
    await rig.paid("TRADE0002", amount_fen=100_000_00)
    assert isinstance(await rig.gateway.refund(a_refund(amount_fen=345)), Accepted)
    await rig.placed("TRADE0003")
    rig.clock.forward(days=1)
    second = a_refund(refund_no="REFUND0002", amount_fen=1000)
    assert isinstance(await rig.gateway.refund(second), Accepted)
    assert await rig.gateway.fetch_bill(NEXT_DAY) == Unknown("not-ready")

    first = await rows_of(rig, DAY)
    assert [(row.trade_no, row.refund_no, row.amount_fen) for row in first] == [
        ("TRADE0001", "", 12_345),
        ("TRADE0002", "", 100_000_00),
        ("TRADE0001", "REFUND0001", -345),
    ]
    assert [row.fee_fen for row in first] == [74, 60_000, -2]
    assert first[0].cells[3] == '门诊缴费/内科, "sign"'
    rig.clock.forward(days=1)
    assert [row.refund_no for row in await rows_of(rig, NEXT_DAY)] == ["REFUND0002"]


async def test_a_days_bill_comes_at_ten_and_its_link_lives_thirty_seconds() -> None:
    rig = Rig()
    await rig.paid()
    rig.clock.forward(hours=23, minutes=59)
    assert await rig.gateway.fetch_bill(DAY) == Unknown("not-ready")
    rig.clock.forward(minutes=1)
    assert len(await rows_of(rig, DAY)) == 1
    (token,) = rig.app.state.twin.downloads
    path = f"/downloadBillFile.resource?fileId={token}"
    assert (await rig.client.get(path)).status_code == 200
    rig.clock.forward(seconds=31)
    assert (await rig.client.get(path)).status_code == 404
    assert await rig.gateway.fetch_bill(date(2026, 11, 20)) == Unknown("not-ready")


async def test_a_bill_may_differ_from_the_book_on_request() -> None:
    rig = Rig()
    await rig.paid("TRADE0001")
    await rig.paid("TRADE0002")
    extra = ["2026112122001499999999999999", "TRADE0009", "交易", "x", "", "", *[""] * 5]
    extra += ["1.00", "1.00", *["0.00"] * 5, "", "0.00", "0.00", "", "0.01", "0.00", ""]
    edit: dict[str, Any] = {"seller_id": SELLER_ID, "day": "2026-11-21"}
    await rig.control("bill-edits", **edit, omit="TRADE0001", extra=extra)
    rig.clock.forward(days=1)
    assert [row.trade_no for row in await rows_of(rig, DAY)] == ["TRADE0002", "TRADE0009"]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("bill-cut", "one cell for each column"),
        ("bill-doubled", "totals"),
        ("bill-grouped", "no such amount"),
        ("bill-no-footer", "closing lines"),
        ("bill-wrong-seller", "another merchant"),
    ],
)
async def test_a_damaged_bill_is_refused_and_the_next_one_is_good(fault: str, said: str) -> None:
    rig = Rig()
    await rig.paid(amount_fen=123_456)
    rig.clock.forward(days=1)
    await rig.fault(fault)
    with pytest.raises(BillRefused, match=said):
        await rows_of(rig, DAY)
    assert len(await rows_of(rig, DAY)) == 1
