"""A phone is stopped while it acts: by itself, with all others, or with a request under way.

A request under way is one whose login was proved before the stop and that is served after it.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from crypto.sm2 import PrivateKey
from service.account import actions as account
from service.healthcode import actions as healthcode
from service.healthcode.model import EnrolRequest
from service.kernel.database import connection
from service.kernel.principals import Resident
from service.kernel.problems import NotAuthenticated
from tests.flow.test_scan_codes import record_of
from tests.support.bound_phone import BoundPhone
from tests.support.identity_rig import IdentityRig, Phone, an_identity_rig


@pytest.fixture
async def rig(fresh_database: str) -> AsyncIterator[IdentityRig]:
    async with an_identity_rig(fresh_database) as opened:
        yield opened


async def another_login(rig: IdentityRig, owner: Phone) -> Phone:
    phone = Phone(rig.client, owner.subject)
    await phone.log_in()
    return phone


async def proved(rig: IdentityRig, phone: Phone) -> Resident:
    """Who a request of this phone is known to be from, once its token is read."""
    return await account.authenticate(rig.ctx, phone.token)


async def enrolment(thief: BoundPhone) -> EnrolRequest:
    """As the phone would send it, of a new phone."""
    body = thief.body(await thief.challenge(), PrivateKey.generate(), phone_id=None)
    return EnrolRequest(
        challenge=bytes.fromhex(body["challenge"]),
        holder_key=bytes.fromhex(body["holder_key"]),
        proof=bytes.fromhex(body["proof"]),
        phone_id=None,
        label=None,
    )


async def states(rig: IdentityRig, owner: Phone) -> list[str]:
    async with connection(rig.ctx.pool) as conn:
        select = "select state from phone where record_id = $1 order by state"
        return [row["state"] for row in await conn.fetch(select, await record_of(rig, owner))]


async def audited(rig: IdentityRig, owner: Phone, action: str) -> int:
    async with connection(rig.ctx.pool) as conn:
        count = "select count(*) from audit_entry where record_id = $1 and action = $2"
        return int(await conn.fetchval(count, await record_of(rig, owner), action))


@pytest.mark.parametrize("had_a_phone", [True, False], ids=["with a card", "without"])
async def test_what_was_under_way_when_all_was_stopped_enrols_and_prints_nothing(
    rig: IdentityRig, had_a_phone: bool
) -> None:
    owner = await rig.resident(1)
    thief = BoundPhone(await another_login(rig, owner), rig.clock)
    if had_a_phone:
        await thief.enrol()
    resident, request = await proved(rig, thief.owner), await enrolment(thief)
    assert (await owner.ask("DELETE", "/v1/me/phones")).status_code == 204
    with pytest.raises(NotAuthenticated):
        await healthcode.enrol(rig.ctx, resident, request)
    with pytest.raises(NotAuthenticated):
        await healthcode.issue_printed(rig.ctx, resident, 1_827)
    assert await states(rig, owner) == ["REVOKED"] * had_a_phone
    listed = (await owner.ask("GET", "/v1/me/printed-codes")).json()["printed_codes"]
    assert listed == []


async def test_of_many_at_once_none_outlives_the_stop(rig: IdentityRig) -> None:
    owner = await rig.resident(3)
    for _ in range(8):
        rig.clock.advance(timedelta(minutes=40))
        thief = BoundPhone(await another_login(rig, owner), rig.clock)
        challenge = await thief.challenge()
        bodies = [thief.body(challenge, PrivateKey.generate()) for _ in range(6)]

        async def fire(at: int, asks: Phone = thief.owner, bodies: list = bodies) -> int:
            await asyncio.sleep(0.002 * at)
            return (await asks.ask("POST", "/v1/me/phones", bodies[at])).status_code

        fired = asyncio.gather(*(fire(at) for at in range(len(bodies))))
        answer = await owner.ask("DELETE", "/v1/me/phones")
        assert set(await fired) <= {201, 401, 409}
        assert answer.status_code == 204
        assert "ACTIVE" not in await states(rig, owner)


async def test_ending_the_other_logins_is_audited_once(rig: IdentityRig) -> None:
    owner = await rig.resident(5)
    await another_login(rig, owner)
    for _ in range(2):
        assert (await owner.ask("DELETE", "/v1/me/phones")).status_code == 204
    assert await audited(rig, owner, "account.logged_out_elsewhere") == 1


async def test_stopping_another_phone_ends_its_login_and_no_other(rig: IdentityRig) -> None:
    owner = await rig.resident(7)
    mine = BoundPhone(owner, rig.clock)
    await mine.enrol()
    lost = BoundPhone(await another_login(rig, owner), rig.clock)
    await lost.enrol()
    third = await another_login(rig, owner)
    resident, request = await proved(rig, lost.owner), await enrolment(lost)
    for _ in range(2):
        answer = await owner.ask("DELETE", f"/v1/me/phones/{lost.phone_id}")
        assert answer.status_code == 204
    assert (await lost.owner.ask("GET", "/v1/me")).status_code == 401
    assert (await owner.ask("GET", "/v1/me")).status_code == 200
    assert (await third.ask("GET", "/v1/me")).status_code == 200
    with pytest.raises(NotAuthenticated):
        await healthcode.enrol(rig.ctx, resident, request)
    assert await states(rig, owner) == ["ACTIVE", "REVOKED"]
    assert await audited(rig, owner, "account.logged_out_elsewhere") == 1
    # Logged in again it learns that a person stopped it.
    await lost.owner.log_in()
    answer = await lost.try_enrol()
    assert (answer.status_code, answer.json()["code"]) == (410, "phone-revoked")


@pytest.mark.parametrize("alone", [True, False], ids=["one phone", "all"])
async def test_a_stopped_phone_is_told_so_and_one_that_logged_out_is_not(
    rig: IdentityRig, alone: bool
) -> None:
    owner = await rig.resident(19)
    lost = BoundPhone(await another_login(rig, owner), rig.clock)
    await lost.enrol()
    left = await another_login(rig, owner)
    assert (await left.ask("DELETE", "/v1/me/session")).status_code == 204
    path = f"/v1/me/phones/{lost.phone_id}" if alone else "/v1/me/phones"
    assert (await owner.ask("DELETE", path)).status_code == 204
    told = []
    for phone in (lost.owner, left):
        answer = await phone.ask("GET", "/v1/me")
        told.append((answer.status_code, answer.json()["code"]))
    assert told == [(401, "login-stopped"), (401, "not-authenticated")]
    # The next login of that phone is told nothing of the former one.
    await lost.owner.log_in()
    assert (await lost.owner.ask("GET", "/v1/me")).status_code == 200


async def test_the_login_that_ends_is_the_one_that_renewed_last(rig: IdentityRig) -> None:
    owner = await rig.resident(9)
    lost = BoundPhone(await another_login(rig, owner), rig.clock)
    await lost.enrol()
    former = lost.owner
    lost.owner = await another_login(rig, owner)
    await lost.enrol()
    assert (await owner.ask("DELETE", f"/v1/me/phones/{lost.phone_id}")).status_code == 204
    assert (await lost.owner.ask("GET", "/v1/me")).status_code == 401
    assert (await former.ask("GET", "/v1/me")).status_code == 200


async def test_whatever_a_stopped_phones_login_enrolled_goes_with_it(rig: IdentityRig) -> None:
    owner = await rig.resident(11)
    login = await another_login(rig, owner)
    first, second = BoundPhone(login, rig.clock), BoundPhone(login, rig.clock)
    await first.enrol()
    await second.enrol()
    assert (await owner.ask("DELETE", f"/v1/me/phones/{first.phone_id}")).status_code == 204
    assert await states(rig, owner) == ["REVOKED", "REVOKED"]
    await rig.refused(second.show(), "code-revoked", 410)


async def test_a_phone_that_stops_itself_stays_logged_in(rig: IdentityRig) -> None:
    phone = BoundPhone(await rig.resident(13), rig.clock)
    await phone.enrol()
    other = BoundPhone(phone.owner, rig.clock)
    await other.enrol()
    assert (await phone.owner.ask("DELETE", f"/v1/me/phones/{phone.phone_id}")).status_code == 204
    assert await states(rig, phone.owner) == ["ACTIVE", "REVOKED"]
    assert (await phone.owner.ask("GET", "/v1/me")).status_code == 200


async def test_a_replaced_phone_can_still_be_stopped(rig: IdentityRig) -> None:
    """Else it would come back by itself as soon as it has a network."""
    owner = await rig.resident(15)
    lost = BoundPhone(await another_login(rig, owner), rig.clock)
    await lost.enrol()
    rig.clock.advance(timedelta(minutes=1))
    for _ in range(4):
        await BoundPhone(owner, rig.clock).enrol()
    rig.clock.advance(timedelta(hours=48))
    await owner.log_in()
    await lost.owner.log_in()
    await BoundPhone(owner, rig.clock).enrol()
    answer = await lost.try_enrol()
    assert (answer.status_code, answer.json()["code"]) == (410, "phone-replaced")
    assert (await owner.ask("DELETE", f"/v1/me/phones/{lost.phone_id}")).status_code == 204
    answer = await lost.try_enrol()
    assert (answer.status_code, answer.json()["code"]) == (410, "phone-revoked")


async def test_a_login_changed_in_a_phones_row_is_noticed(rig: IdentityRig) -> None:
    owner = await rig.resident(17)
    lost = BoundPhone(await another_login(rig, owner), rig.clock)
    await lost.enrol()
    for changed in (None, "another"):
        async with connection(rig.ctx.pool) as conn:
            await conn.execute("update phone set session_id = $1", changed)
        answer = await owner.ask("DELETE", f"/v1/me/phones/{lost.phone_id}")
        assert answer.status_code == 500
