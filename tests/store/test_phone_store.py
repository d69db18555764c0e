"""Phones and showings on a real database: who comes first where two come at once."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from service.healthcode import actions as healthcode
from service.healthcode.model import CodeUse, RevokedCode, RevokedScope
from service.healthcode.problems import CodeAlreadyUsed
from service.healthcode.store import find_use, spend_use
from service.healthcode.store_phones import insert_revoked
from service.kernel.database import connection, transaction
from tests.flow.test_scan_codes import record_of
from tests.support.bound_phone import BoundPhone
from tests.support.identity_rig import IdentityRig, an_identity_rig


@pytest.fixture
async def rig(fresh_database: str) -> AsyncIterator[IdentityRig]:
    async with an_identity_rig(fresh_database) as opened:
        yield opened


def use(rig: IdentityRig, code_id: bytes, rise: int) -> CodeUse:
    return CodeUse(
        code_id=code_id,
        record_id=1,
        scan_id=rig.ctx.ids.new(),
        terminal_id=rig.ctx.ids.new(),
        request_key=secrets.token_hex(8),
        used_at=rig.clock.now(),
        rise=rise,
    )


async def listed_ids(rig: IdentityRig, record_id: int) -> set[str]:
    async with connection(rig.ctx.pool) as conn:
        select = "select code_id from revoked_code where record_id = $1"
        return {row["code_id"].hex() for row in await conn.fetch(select, record_id)}


@pytest.mark.parametrize(
    ("rises", "taken"),
    [
        ([0, 0], [True, False]),
        ([7, 7], [True, False]),
        ([7, 6, 8, 7, 9], [True, False, True, False, True]),
    ],
)
async def test_one_statement_takes_what_is_used_once_and_what_rises(
    rig: IdentityRig, rises: list[int], taken: list[bool]
) -> None:
    code_id = secrets.token_bytes(16)
    async with connection(rig.ctx.pool) as conn:
        assert [await spend_use(conn, use(rig, code_id, rise)) for rise in rises] == taken
        kept = await find_use(conn, code_id)
    assert kept is not None
    assert kept.rise == max(rises)


async def test_the_second_of_two_open_transactions_waits_and_loses(rig: IdentityRig) -> None:
    code_id = secrets.token_bytes(16)
    async with connection(rig.ctx.pool) as second:
        async with transaction(rig.ctx.pool) as first:
            assert await spend_use(first, use(rig, code_id, 5))
            waiting = asyncio.create_task(spend_use(second, use(rig, code_id, 5)))
            await asyncio.sleep(0.05)
            assert not waiting.done()
        assert await waiting is False


async def test_two_terminals_with_one_showing_at_once(rig: IdentityRig) -> None:
    phone = BoundPhone(await rig.resident(1), rig.clock)
    await phone.enrol()
    text = phone.show()
    answers = await asyncio.gather(
        *(rig.scan(text, terminal=terminal) for terminal in (rig.kiosk, rig.desk) * 3)
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [410] * 5
    refused = {answer.json()["code"] for answer in answers if answer.status_code == 410}
    assert refused == {CodeAlreadyUsed.code}


WAITING = """
select count(*) from pg_stat_activity
where wait_event_type = 'Lock' and datname = current_database()
"""


async def test_a_scan_that_waited_hears_of_a_revocation_meanwhile(rig: IdentityRig) -> None:
    phone = BoundPhone(await rig.resident(1), rig.clock)
    await phone.enrol()
    async with connection(rig.ctx.pool) as conn:
        given_up = conn.transaction()
        await given_up.start()
        assert await spend_use(conn, use(rig, bytes.fromhex(phone.code_id), 1 << 40))
        scan = asyncio.create_task(rig.scan(phone.show()))
        async with connection(rig.ctx.pool) as watching, asyncio.timeout(10):
            while True:
                if await watching.fetchval(WAITING):
                    break
                await asyncio.sleep(0.01)
        revoked = await phone.owner.ask("DELETE", f"/v1/me/phones/{phone.phone_id}")
        assert revoked.status_code == 204
        rig.clock.advance(timedelta(seconds=2))
        await given_up.rollback()
    answer = await scan
    assert (answer.status_code, answer.json()["code"]) == (410, "code-revoked")


async def test_of_two_renewals_at_once_one_is_written(rig: IdentityRig) -> None:
    phone = BoundPhone(await rig.resident(3), rig.clock)
    await phone.enrol()
    answers = await asyncio.gather(phone.try_enrol(), phone.try_enrol())
    codes = sorted(answer.status_code for answer in answers)
    async with connection(rig.ctx.pool) as conn:
        live = await conn.fetchval(
            "select count(*) from holder_credential where record_id = $1 and state = 'LIVE'",
            await record_of(rig, phone.owner),
        )
    assert live == 1
    assert codes in ([201, 201], [201, 409])


async def test_of_many_phones_at_once_five_are_enrolled(rig: IdentityRig) -> None:
    owner = await rig.resident(5)
    phones = [BoundPhone(owner, rig.clock) for _ in range(8)]
    for phone in phones:
        phone.next = await phone.challenge()
    await asyncio.gather(*(phone.try_enrol() for phone in phones))
    for phone in phones:
        if phone.phone_id is None:
            await phone.try_enrol()
    async with connection(rig.ctx.pool) as conn:
        active = await conn.fetchval(
            "select count(*) from phone where record_id = $1 and state = 'ACTIVE'",
            await record_of(rig, owner),
        )
    assert active == 5


async def test_what_a_revocation_of_all_does_not_list_still_resolves(rig: IdentityRig) -> None:
    """An enrolment at the same moment is either listed and refused, or neither."""
    owner = await rig.resident(7)
    record_id = await record_of(rig, owner)
    await BoundPhone(owner, rig.clock).enrol()
    for _ in range(4):
        phones = [BoundPhone(owner, rig.clock) for _ in range(3)]
        for phone in phones:
            phone.next = await phone.challenge()
        enrolling = [phone.try_enrol() for phone in phones]
        await asyncio.gather(
            *enrolling[:2], healthcode.void_codes(rig.ctx, record_id), enrolling[2]
        )
        listed = await listed_ids(rig, record_id)
        for phone in phones:
            if phone.credential:
                refused = (await rig.scan(phone.show())).status_code == 410
                assert refused == (phone.code_id in listed)
        await healthcode.void_codes(rig.ctx, record_id)
        rig.clock.advance(timedelta(seconds=20))


async def test_revoking_twice_lists_once(rig: IdentityRig) -> None:
    record_id, now = rig.ctx.ids.new(), rig.clock.now()
    rows = [
        RevokedCode(
            record_id=record_id,
            code_id=secrets.token_bytes(16),
            scope=scope,
            code_class=3,
            expires_at=now,
            revoked_at=now,
            row_mac=b"sealed",
        )
        for scope in (RevokedScope.BOUND, RevokedScope.PRINTED)
    ]
    async with connection(rig.ctx.pool) as conn:
        for _ in range(2):
            await insert_revoked(conn, rows)
        await insert_revoked(conn, [])
        kept = await conn.fetch(
            "select scope, code_class from revoked_code where record_id = $1 order by scope",
            record_id,
        )
    assert [tuple(row) for row in kept] == [(1, 3), (2, 3)]


async def test_what_has_long_expired_is_forgotten(rig: IdentityRig) -> None:
    phone = BoundPhone(await rig.resident(9), rig.clock)
    await phone.enrol()
    await phone.owner.ask("DELETE", f"/v1/me/phones/{phone.phone_id}")
    record_id = await record_of(rig, phone.owner)
    counts = (
        "select (select count(*) from holder_key where record_id = $1),"
        " (select count(*) from holder_credential where record_id = $1),"
        " (select count(*) from revoked_code where record_id = $1)"
    )
    seen = []
    for days in (0, 4, 30, 370):
        rig.clock.advance(timedelta(days=days))
        await healthcode.forget_codes(rig.ctx)
        async with connection(rig.ctx.pool) as conn:
            seen.append(tuple(await conn.fetchrow(counts, record_id)))
    assert seen == [(1, 1, 1), (1, 1, 0), (1, 0, 0), (0, 0, 0)]
