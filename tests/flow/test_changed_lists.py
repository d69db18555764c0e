"""Lists and their rows, changed by SQL: the numbers stay sound, nothing revoked leaves unseen."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from crypto.healthcode.revocation import RevocationList
from service.casework import actions as casework
from service.healthcode import rules_lists, store_lists
from service.healthcode.actions import lists
from service.healthcode.model import RevokedScope
from service.healthcode.model_lists import ListPlace
from service.kernel.database import connection
from tests.support.bound_phone import BoundPhone
from tests.support.changed_rows import STEP, a_lost_phone, newest_list, sql, tampered
from tests.support.identity_rig import IdentityRig, an_identity_rig
from tests.support.readers import issue, make_lists

BOUND = ListPlace(RevokedScope.BOUND, 0)


@pytest.fixture
async def rig(postgres: object, migrated: str) -> AsyncIterator[IdentityRig]:
    async with (
        postgres.database(migrated) as dsn,  # type: ignore[attr-defined]
        an_identity_rig(dsn) as opened,
    ):
        yield opened


async def found(rig: IdentityRig) -> list[Any]:
    """What the work items about lists say was wrong."""
    items = await casework.list_open(rig.ctx, 20)
    return [one.evidence["found"] for one in items if one.kind == "code_list"]


async def lose_every_row(rig: IdentityRig, code_id: bytes) -> None:
    await sql(rig, "delete from revoked_code where code_id = $1", code_id)
    await sql(rig, "delete from holder_credential where code_id = $1", code_id)


def minutes(rig: IdentityRig) -> int:
    return int(rig.clock.now().timestamp()) // 60


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("sequence = 4294967294, content = '\\x00'", {"changed", "content"}),
        ("sequence = 4294967294", {"changed"}),
        ("sequence = sequence + 7", {"changed"}),
        ("sequence = 1", {"changed"}),
        ("made_at = made_at + interval '10 years'", {"changed"}),
        ("content = '\\x00'", {"content"}),
        ("code_class = 9", {"changed", "content", "missing"}),
    ],
)
async def test_a_number_put_by_sql_is_never_counted_on_from(
    rig: IdentityRig, change: str, told: set[str]
) -> None:
    lost = await a_lost_phone(rig)
    first = await newest_list(rig)
    await sql(rig, f"update code_list set {change} where scope = 1")  # noqa: S608 - ours
    for _ in range(2):
        listed = await newest_list(rig)
        assert first.sequence < listed.sequence <= minutes(rig)
        assert listed.holds(lost)
    assert set(await found(rig)) == told
    other = await a_lost_phone(rig)
    assert (await newest_list(rig)).holds(other)


async def test_a_number_far_above_the_time_is_refused_and_told(rig: IdentityRig) -> None:
    """Even with every seal in order: whoever signs it stops every reader for good."""
    last = await newest_list(rig)
    far = 0xFFFFFFF0
    parts = [BOUND.scope.value, BOUND.code_class, far, b""]
    await sql(
        rig,
        "update code_list_mark set sequence = $1, digest = '', row_mac = $2 where scope = 1",
        far,
        rig.ctx.sealer.row_mac("code_list_mark", parts),
    )
    for _ in range(2):
        assert (await newest_list(rig)).sequence == last.sequence
    assert (await newest_list(rig, "printed/0")).sequence == minutes(rig)
    items = await casework.list_open(rig.ctx, 20)
    assert [one.reason for one in items] == ["row-tampered", "code-list-number-ahead"]
    assert 'alarms_total{kind="code-list-number-ahead"} 1.0' in rig.ctx.metrics.text().decode()


def test_numbers_may_run_ahead_by_a_year() -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    at = rules_lists.next_sequence(0, now)
    assert not rules_lists.is_far_ahead(at + 300 * 24 * 60, now)
    assert rules_lists.is_far_ahead(at + 400 * 24 * 60, now)


async def a_clash(rig: IdentityRig, *, sealed: bool) -> tuple[bytes, RevocationList]:
    """A code that the last list alone still revokes, and a live code beside another revoked one;
    its id and the list made then."""
    lost, other = await a_lost_phone(rig), await a_lost_phone(rig)
    assert (await newest_list(rig)).width == 48
    await lose_every_row(rig, lost)
    await issue(rig.ctx, other[:6] + bytes(x ^ 1 for x in other[6:]), sealed=sealed)
    listed = await newest_list(rig)
    assert listed.holds(other)
    return lost, listed


@pytest.mark.parametrize("sealed", [True, False], ids=["genuine", "by SQL"])
async def test_a_clash_drops_no_entry_that_nothing_else_knows(
    rig: IdentityRig, sealed: bool
) -> None:
    lost, listed = await a_clash(rig, sealed=sealed)
    assert listed.holds(lost)
    assert listed.width == 48
    assert (await newest_list(rig)).holds(lost)
    tables = {one.evidence["table"] for one in await tampered(rig)}
    assert tables == ({"revoked_code"} if sealed else {"revoked_code", "holder_credential"})


async def test_a_neighbour_put_by_sql_widens_nothing(rig: IdentityRig) -> None:
    lost = await a_lost_phone(rig)
    await issue(rig.ctx, lost[:8] + bytes(8), sealed=False)
    listed = await newest_list(rig)
    assert listed.width == 48
    assert listed.holds(lost)
    (item,) = await tampered(rig)
    assert item.evidence["table"] == "holder_credential"


async def test_a_list_that_was_taken_away_is_told(rig: IdentityRig) -> None:
    lost = await a_lost_phone(rig)
    before = await newest_list(rig)
    await lose_every_row(rig, lost)
    await sql(rig, "delete from code_list where scope = 1")
    await newest_list(rig)
    assert await found(rig) == ["missing"]
    assert (await newest_list(rig)).sequence > before.sequence
    assert len(await tampered(rig)) == 1


async def test_an_older_list_put_back_is_told(rig: IdentityRig) -> None:
    await newest_list(rig)
    async with connection(rig.ctx.pool) as conn:
        old = await store_lists.find_list(conn, BOUND)
    assert old is not None
    lost = await a_lost_phone(rig)
    newest = await newest_list(rig)
    assert newest.holds(lost)
    await lose_every_row(rig, lost)
    async with connection(rig.ctx.pool) as conn:
        assert await store_lists.put_list(conn, old, newest.sequence)
    after = await newest_list(rig)
    assert await found(rig) == ["older"]
    assert after.sequence > newest.sequence
    async with connection(rig.ctx.pool) as conn:
        assert await store_lists.find_step(conn, BOUND, newest.sequence) is None


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("delete from code_list_mark where scope = 1", "mark missing"),
        ("update code_list_mark set sequence = 1 where scope = 1", "mark changed"),
    ],
)
async def test_nor_is_the_mark_changed_unseen(rig: IdentityRig, statement: str, told: str) -> None:
    lost = await a_lost_phone(rig)
    await newest_list(rig)
    await sql(rig, statement)
    for _ in range(2):
        assert (await newest_list(rig)).holds(lost)
    assert await found(rig) == [told]


async def test_a_place_whose_list_and_revocations_are_gone_is_looked_at_again(
    rig: IdentityRig,
) -> None:
    await newest_list(rig)
    await sql(rig, "update code_list_mark set code_class = 9 where scope = 1")
    rig.clock.advance(STEP)
    await make_lists(rig.ctx)
    assert sorted(await found(rig)) == ["mark changed", "mark missing"]


async def test_a_revocation_while_a_list_is_made_alarms_nobody(
    rig: IdentityRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between any two statements of the maker."""
    for name in ("list_revoked", "list_said_revoked"):
        phone = BoundPhone(await rig.resident(3), rig.clock)
        await phone.enrol()
        read, done = getattr(store_lists, name), []

        async def between(
            *args: Any, phone: BoundPhone = phone, read: Any = read, done: list[int] = done
        ) -> Any:
            if not done and args[1] == BOUND:
                done.append(1)
                gone = await phone.owner.ask("DELETE", f"/v1/me/phones/{phone.phone_id}")
                assert gone.is_success
            return await read(*args)

        with monkeypatch.context() as patched:
            patched.setattr(store_lists, name, between)
            await newest_list(rig)
        assert done
        assert (await newest_list(rig)).holds(bytes.fromhex(phone.code_id))
        assert await tampered(rig) == []


async def test_rivals_making_lists_alarm_nobody(rig: IdentityRig) -> None:
    """Each reads list and mark while the other puts them."""
    await a_lost_phone(rig)
    for _ in range(4):
        rig.clock.advance(STEP)
        due = await lists.list_due(rig.ctx)
        await _together(rig, due * 3)
    assert await casework.list_open(rig.ctx, 20) == []


async def _together(rig: IdentityRig, due: list[Any]) -> None:
    made = await asyncio.gather(*(lists.make_list(rig.ctx, one) for one in due))
    assert sum(made) == len(due) // 3
