"""A hospital whose merchant account is Alipay's: orders, notices, refunds, through HTTP and worker.

The real adapter stands before Alipay's twin. Residents' pages do not offer Alipay yet, so payers
scan what the kiosk shows; payment inside the mini-program goes through the feature's own door.
"""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from service.kernel.database import transaction
from service.payment import actions as payment
from service.payment.model import ClientCall, NewAttempt, PaymentAttempt
from service.payment.states import AttemptState
from tests.contract import alipay_rig
from tests.support.database import DatabaseServer
from tests.support.settlement_street import SINGLE_FEN, AlipayTill, Street, a_street

MINUTE = timedelta(minutes=1)


@pytest.fixture
async def street(postgres: DatabaseServer, migrated: str) -> AsyncIterator[Street]:
    async with postgres.database(migrated) as dsn, a_street(dsn, till=AlipayTill()) as made:
        yield made


async def shown_at_the_kiosk(street: Street) -> tuple[str, dict[str, Any]]:
    """A settlement without insurance whose QR the kiosk shows: its path, and the answer."""
    bill_id = await street.push_bill()
    base = f"/v1/terminal/scans/{street.scan['scan_id']}/settlements"
    body = {"bill_id": bill_id, "use_account": False, "insured": False}
    started = await street.ask(street.kiosk, "POST", base, body)
    await street.work()
    path = f"{base}/{started['settlement_id']}"
    shown = await street.ask(
        street.kiosk, "POST", f"{path}/payment", {"provider": "alipay", "way": "native"}
    )
    assert shown["payment"]["qr_text"].startswith("https://qr.alipay.com/")
    return path, shown


async def later(street: Street, path: str, span: timedelta = 2 * MINUTE) -> dict[str, Any]:
    await street.run_for(span)
    return await street.ask(street.kiosk, "GET", path)


async def test_a_bill_is_paid_at_the_kiosk_posted_and_on_the_books(street: Street) -> None:
    path, shown = await shown_at_the_kiosk(street)
    cashier = shown["payment"]["cashier_url"]
    assert cashier.startswith("http://street.test/alipay/sandbox/cashier?code_url=")
    page = await street.till.client.get(cashier.removeprefix("http://street.test/alipay"))
    assert "¥100.00" in page.text
    await street.till.control("pay", qr_code=shown["payment"]["qr_text"])
    settled = await later(street, path)
    assert settled["paid_fen"] == SINGLE_FEN
    settlement_id = settled["settlement_id"]
    await street.ask(
        street.his,
        "POST",
        f"/v1/institution/settlements/{settlement_id}/posting",
        {"hospital_ref": "HIS-1"},
    )
    await street.work()
    (trade,) = (await street.till.book())["trades"]
    seen = await street.ask(street.his, "GET", f"/v1/institution/settlements/{settlement_id}")
    assert (seen["state"], seen["provider_ref"]) == ("POSTED", trade["trade_no"])
    assert (await street.balances(settlement_id))["provider:alipay"] == SINGLE_FEN
    receipt = await street.ask(street.kiosk, "GET", f"{path}/receipt")
    assert receipt["paid_by"] == "alipay"


async def test_a_lost_notice_is_made_good_by_asking(street: Street) -> None:
    await street.till.fault("notice-lost")
    path, shown = await shown_at_the_kiosk(street)
    await street.till.control("pay", qr_code=shown["payment"]["qr_text"])
    assert (await later(street, path))["paid_fen"] == SINGLE_FEN


async def test_doubled_and_wrong_notices_move_nothing_twice(street: Street) -> None:
    await street.till.fault("notice-doubled")
    path, shown = await shown_at_the_kiosk(street)
    await street.till.control("pay", qr_code=shown["payment"]["qr_text"])
    settled = await later(street, path)
    assert settled["paid_fen"] == SINGLE_FEN
    (notice,) = (await street.till.book())["notices"]
    assert notice["state"] == "TAKEN"

    await street.till.fault("notice-wrong-amount")
    path, shown = await shown_at_the_kiosk(street)
    await street.till.control("pay", qr_code=shown["payment"]["qr_text"])
    doubtful = await later(street, path)
    assert doubtful["state"] == "NEEDS_REVIEW"
    assert doubtful["paid_fen"] == 0


@pytest.mark.parametrize("fault", [None, "notice-lost", "notice-wrong-seller"])
async def test_a_code_nobody_scanned_is_closed_and_a_late_payment_goes_back(
    street: Street, fault: str | None
) -> None:
    """At once where the notice tells of it; else when the code's time is over."""
    path, shown = await shown_at_the_kiosk(street)
    await street.ask(street.kiosk, "POST", f"{path}/abandonment", {})
    await street.run_for(2 * MINUTE)
    if fault:
        await street.till.fault(fault)
    # The code on the photo still works at Alipay: it cannot be closed before it is scanned.
    await street.till.control("pay", qr_code=shown["payment"]["qr_text"])
    await street.run_for(20 * MINUTE if fault else 5 * MINUTE)
    (refund,) = (await street.till.book())["refunds"]
    assert (refund["refund_fen"], refund["status"]) == (SINGLE_FEN, "DONE")
    assert (await street.balances(shown["settlement_id"])).get("provider:alipay", 0) == 0


async def test_a_lost_answer_places_once(street: Street) -> None:
    await street.till.fault("drop-after", path="alipay.trade.precreate")
    bill_id = await street.push_bill()
    base = f"/v1/terminal/scans/{street.scan['scan_id']}/settlements"
    body = {"bill_id": bill_id, "use_account": False, "insured": False}
    started = await street.ask(street.kiosk, "POST", base, body)
    await street.work()
    path = f"{base}/{started['settlement_id']}"
    await street.ask(
        street.kiosk, "POST", f"{path}/payment", {"provider": "alipay", "way": "native"}
    )
    seen = await later(street, path)
    await street.till.control("pay", qr_code=seen["payment"]["qr_text"])
    assert (await later(street, path))["paid_fen"] == SINGLE_FEN
    assert len((await street.till.book())["trades"]) == 1


async def paid_in_the_mini_program(street: Street, settlement_id: int) -> PaymentAttempt:
    """An attempt as a settlement makes it for a payer inside the mini-program, paid and told."""
    ctx = street.ctx
    record_id, _ = ctx.public_ids.parse(await street.push_bill())
    place = street.callers.hospital
    async with transaction(ctx.pool) as conn:
        attempt = await payment.create(
            conn,
            ctx,
            NewAttempt(
                record_id=record_id,
                settlement_id=settlement_id,
                institution_id=place.institution_id,
                provider="alipay",
                way="jsapi",
                purpose="MAIN",
                amount_fen=12_345,
                payer=alipay_rig.PAYER,
                expires_at=ctx.clock.now() + 15 * MINUTE,
            ),
        )
    placed = await payment.place(ctx, record_id, attempt.attempt_id)
    assert placed.state is AttemptState.AWAITING_PAYER
    shown = await payment.present(ctx, record_id, attempt.attempt_id)
    assert isinstance(shown, ClientCall)
    await street.till.control("pay", trade_no=shown.parameters["tradeNO"])
    await street.till.deliver()
    paid = await payment.read(ctx, record_id, attempt.attempt_id)
    assert paid.state is AttemptState.PAID
    return paid


@pytest.mark.parametrize("fault", ["drop-after", "error-after", "refund-pending", "balance-short"])
async def test_a_refund_in_doubt_goes_back_exactly_once(street: Street, fault: str) -> None:
    ctx = street.ctx
    paid = await paid_in_the_mini_program(street, 7)
    where = {} if fault in {"refund-pending", "balance-short"} else {"path": "alipay.trade.refund"}
    await street.till.fault(fault, delay_ms=60_000, **where)
    async with transaction(ctx.pool) as conn:
        await payment.refund(conn, ctx, paid.record_id, paid.attempt_id, 345, "test")
    await street.run_for(10 * MINUTE)
    after = await payment.read(ctx, paid.record_id, paid.attempt_id)
    assert (after.refunded_fen, after.refunding_fen) == (345, 0)
    (refund,) = (await street.till.book())["refunds"]
    assert (refund["refund_fen"], refund["status"]) == (345, "DONE")
