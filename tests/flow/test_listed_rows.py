"""Rows behind lists and reports, changed by SQL: refused, alarmed, and no revocation is lost."""

import secrets
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from tests.support.bound_phone import BoundPhone
from tests.support.changed_rows import a_lost_phone, newest_list, sql, tampered
from tests.support.identity_rig import IdentityRig, an_identity_rig
from tests.support.readers import CutOffReader, revoke


@pytest.fixture
async def rig(postgres: object, migrated: str) -> AsyncIterator[IdentityRig]:
    async with (
        postgres.database(migrated) as dsn,  # type: ignore[attr-defined]
        an_identity_rig(dsn) as opened,
    ):
        yield opened


@pytest.mark.parametrize(
    ("statement", "was_listed"),
    [
        ("delete from revoked_code where code_id = $1", False),
        ("delete from revoked_code where code_id = $1", True),
        ("update revoked_code set expires_at = revoked_at where code_id = $1", False),
        ("update revoked_code set code_id = set_byte(code_id, 3, 7) where code_id = $1", True),
        ("update revoked_code set scope = 2 where code_id = $1", True),
    ],
    ids=["gone before", "gone after", "expired", "another code", "another list"],
)
async def test_a_revocation_survives_whatever_is_done_to_its_row(
    rig: IdentityRig, statement: str, was_listed: bool
) -> None:
    lost = await a_lost_phone(rig)
    if was_listed:
        assert (await newest_list(rig)).holds(lost)
    assert await tampered(rig) == []
    await sql(rig, statement, lost)
    assert (await newest_list(rig)).holds(lost)
    (item,) = await tampered(rig)
    assert (item.kind, item.evidence["table"]) == ("revoked_code", "revoked_code")
    assert (await newest_list(rig)).holds(lost)
    assert len(await tampered(rig)) == 1
    rig.clock.advance(timedelta(hours=22))
    assert (await newest_list(rig)).holds(lost)
    rig.clock.advance(timedelta(days=1, hours=3))
    assert not (await newest_list(rig)).holds(lost)


async def test_with_every_row_gone_the_last_list_still_says_it(rig: IdentityRig) -> None:
    lost, other = await a_lost_phone(rig), await a_lost_phone(rig)
    assert (await newest_list(rig)).holds(lost)
    await sql(rig, "delete from revoked_code where code_id = $1", lost)
    await sql(rig, "delete from holder_credential where code_id = $1", lost)
    for _ in range(3):
        listed = await newest_list(rig)
        assert listed.holds(lost)
        assert listed.holds(other)
    (item,) = await tampered(rig)
    assert item.evidence["entries_without_a_row"] == 1


async def test_nobody_is_revoked_by_sql(rig: IdentityRig) -> None:
    phone = BoundPhone(await rig.resident(7), rig.clock)
    await phone.enrol()
    mine = bytes.fromhex(phone.code_id)
    await sql(
        rig,
        "insert into revoked_code (record_id, code_id, scope, code_class, expires_at, revoked_at,"
        " row_mac) select record_id, code_id, 1, 0, expires_at, issued_at, row_mac"
        " from holder_credential where code_id = $1",
        mine,
    )
    assert not (await newest_list(rig)).holds(mine)
    assert len(await tampered(rig)) == 1
    await sql(rig, "delete from revoked_code where code_id = $1", mine)
    await sql(rig, "update holder_credential set state = 'REVOKED' where code_id = $1", mine)
    assert not (await newest_list(rig)).holds(mine)


async def test_an_honest_list_alarms_nobody(rig: IdentityRig) -> None:
    for life in (6, 12, 60):
        await revoke(rig.ctx, secrets.token_bytes(16), life=timedelta(minutes=life))
    sizes = [len((await newest_list(rig)).entries) for _ in range(4)]
    assert sizes == [3, 2, 1, 1]
    rig.clock.advance(timedelta(days=3))
    assert len((await newest_list(rig)).entries) == 0
    assert await tampered(rig) == []


@pytest.mark.parametrize("column", ["next_number = 0", "head = set_byte(head, 0, 1)"])
async def test_a_log_that_was_put_back_is_refused(rig: IdentityRig, column: str) -> None:
    phone = await rig.resident(9)
    reader = CutOffReader(rig.desk)
    reader.accept(await phone.code(), rig.clock.now())
    await reader.deliver()
    await sql(rig, f"update shown_log set {column}")  # noqa: S608 - the test's own words
    reader.accept(await phone.code(), rig.clock.now())
    refused = await reader.send()
    assert (refused.status_code, refused.json()["code"]) == (500, "internal-error")


@pytest.mark.parametrize(
    "change",
    [
        "terminal_id = terminal_id + 2",
        "shown_at = shown_at + interval '1 s'",
        "terminal_id = (select max(terminal_id) from terminal where not public_place)",
    ],
)
async def test_a_first_place_that_was_changed_holds_nobody_up(
    rig: IdentityRig, change: str
) -> None:
    """One work item for that showing; everything else of the log is taken."""
    phone = BoundPhone(await rig.resident(11), rig.clock)
    await phone.enrol()
    copied = phone.show()
    assert (await rig.scan(copied)).status_code == 200
    await sql(rig, f"update shown_code set {change}")  # noqa: S608 - the test's own words
    reader = CutOffReader(rig.desk)
    reader.accept(copied, rig.clock.now())
    reader.accept(await (await rig.resident(13)).code(), rig.clock.now())
    taken = await reader.deliver()
    assert (taken["taken"], taken["work_items"], taken["refused"]) == (2, 1, [])
    (item,) = await tampered(rig)
    assert (item.kind, item.evidence["table"]) == ("shown_code", "shown_code")
    page = (await rig.his.send("GET", "/v1/institution/scans")).json()
    assert [one["read_offline"] for one in page["scans"]].count(True) == 2
