"""A till shows what it asks for; the phone approves just that; the scan says what was approved."""

import secrets
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from crypto.healthcode.layout import Purpose
from crypto.keyring import KeyRing
from service.kernel.database import connection
from tests.support.bound_phone import BoundPhone
from tests.support.identity_rig import IdentityRig, an_identity_rig
from tests.support.tills import ATill


@pytest.fixture
async def rig(fresh_database: str) -> AsyncIterator[IdentityRig]:
    async with an_identity_rig(fresh_database) as opened:
        yield opened


@pytest.fixture
async def phone(rig: IdentityRig) -> BoundPhone:
    phone = BoundPhone(await rig.resident(1), rig.clock)
    await phone.enrol()
    return phone


async def test_the_scan_tells_and_keeps_what_was_approved(
    rig: IdentityRig, phone: BoundPhone
) -> None:
    till = ATill(rig, rig.kiosk)
    text, key = phone.show(Purpose.PAY, context=till.asked.context()), secrets.token_hex(8)
    answer = await rig.scan(text, purpose="pay", offer=till.offer(), key=key)
    body = answer.json()
    assert answer.status_code == 200
    assert body["bound_to"] == {"bill_id": bytes(range(16)).hex(), "amount_fen": 12_345}
    _, scan_id = rig.ctx.public_ids.parse(body["scan_id"])
    async with connection(rig.ctx.pool) as conn:
        row = await conn.fetchrow(
            "select bound_bill_id, bound_amount_fen from scan where scan_id = $1", scan_id
        )
    assert tuple(row) == (bytes(range(16)), 12_345)
    unbound = await rig.scan(phone.show(Purpose.PAY, seq=1), purpose="pay")
    assert "bound_to" not in unbound.json()


async def test_a_changed_approval_is_noticed(rig: IdentityRig, phone: BoundPhone) -> None:
    till = ATill(rig, rig.kiosk)
    text = phone.show(Purpose.PAY, context=till.asked.context())
    scan = (await rig.scan(text, purpose="pay", offer=till.offer())).json()
    _, scan_id = rig.ctx.public_ids.parse(scan["scan_id"])
    async with connection(rig.ctx.pool) as conn:
        change = "update scan set bound_bill_id = null, bound_amount_fen = null where scan_id = $1"
        await conn.execute(change, scan_id)
    answer = await rig.kiosk.send("GET", f"/v1/terminal/scans/{scan['scan_id']}/bills")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal-error")


@pytest.mark.parametrize("changes", [{"amount_fen": 12_346}, {"bill_id": bytes(16)}])
async def test_approved_for_another_bill_or_amount(
    rig: IdentityRig, phone: BoundPhone, changes: dict
) -> None:
    till = ATill(rig, rig.kiosk)
    text = phone.show(Purpose.PAY, context=replace(till.asked, **changes).context())
    await rig.refused(text, "code-context-mismatch", 422, purpose="pay", offer=till.offer())


async def test_bound_without_an_offer_or_unbound_with_one(
    rig: IdentityRig, phone: BoundPhone
) -> None:
    till = ATill(rig, rig.kiosk)
    bound = phone.show(Purpose.PAY, context=till.asked.context())
    await rig.refused(bound, "code-purpose-mismatch", 422, purpose="pay")
    unbound = phone.show(Purpose.PAY, seq=1)
    await rig.refused(unbound, "code-purpose-mismatch", 422, purpose="pay", offer=till.offer())


async def test_an_offer_is_this_terminals_open_and_vouched_for(
    rig: IdentityRig, phone: BoundPhone
) -> None:
    till = ATill(rig, rig.kiosk)
    text = phone.show(Purpose.PAY, context=till.asked.context())
    offer = till.offer()
    elsewhere = ATill(rig, rig.desk).offer()
    await rig.refused(text, "offer-elsewhere", 422, purpose="pay", offer=elsewhere)
    await rig.refused(text, "offer-elsewhere", 422, purpose="identify", offer=offer)
    stranger = KeyRing.generate_for_development(rig.clock.now())
    forged = await rig.refused(
        text, "till-not-trusted", 422, purpose="pay", offer=till.offer(stranger)
    )
    assert forged["reason"] == "TILL_SIGNATURE"
    changed = offer[:5] + ("1" if offer[5] == "0" else "0") + offer[6:]
    await rig.refused(text, "offer-invalid", 422, purpose="pay", offer=changed)
    await rig.refused(text, "offer-invalid", 422, purpose="pay", offer="YMO1:")
    till.asked = replace(till.asked, amount_fen=10**11 + 1)
    await rig.refused(text, "offer-invalid", 422, purpose="pay", offer=till.offer())
    rig.clock.advance(timedelta(seconds=330))
    late = await rig.refused(text, "offer-not-open", 410, purpose="pay", offer=offer)
    assert late["reason"] == "OFFER_EXPIRED"
