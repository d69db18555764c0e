"""From a revoked row to a reader that refuses: lists, deltas, and what readers may ask."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

import httpx
import pytest

from crypto.healthcode.layout import code_id
from crypto.healthcode.refusal import ListRefusal, ListRefused, Mark, Refusal
from crypto.healthcode.revocation import (
    RevocationDelta,
    RevocationList,
    apply_delta,
    open_revocation_chain,
    open_revocation_list,
)
from crypto.healthcode.revocation_set import RevocationSet
from crypto.healthcode.verify import CodeVerifier, Reader
from crypto.keyring import KeyKind, KeyRing
from service.app import create_app
from service.healthcode import actions as healthcode
from service.healthcode import rules
from service.healthcode.actions import lists
from service.healthcode.model import RevokedScope
from service.kernel.context import Context
from tests.support.app import a_client, a_context
from tests.support.clock import FakeClock
from tests.support.identity_rig import CIPHER, PAGES
from tests.support.readers import a_holder, fetch_list, issue, make_lists, revoke

STEP = timedelta(minutes=5)


@dataclass
class Rig:
    ctx: Context
    client: httpx.AsyncClient
    dsn: str

    @property
    def clock(self) -> FakeClock:
        assert isinstance(self.ctx.clock, FakeClock)
        return self.ctx.clock

    def open(self, blob: bytes) -> RevocationList | RevocationDelta:
        trust = rules.trust_of(self.ctx.ring.snapshot)
        return open_revocation_list(blob, trust, self.clock.now())

    async def full(self, place: str = "bound/0") -> RevocationList:
        listed = self.open(await fetch_list(self.client, place=place))
        assert isinstance(listed, RevocationList)
        return listed

    async def next_list(self) -> RevocationList:
        self.clock.advance(STEP)
        assert await make_lists(self.ctx) >= 2
        return await self.full()


@pytest.fixture
async def rig(postgres: object, migrated: str) -> AsyncIterator[Rig]:
    async with (
        postgres.database(migrated) as dsn,  # type: ignore[attr-defined]
        a_context(dsn) as ctx,
        a_client(create_app(ctx, CIPHER, PAGES)) as client,
    ):
        yield Rig(ctx, client, dsn)


async def test_a_revoked_phone_is_refused_by_a_reader_without_a_network(rig: Rig) -> None:
    lost, kept = a_holder(rig.ctx), a_holder(rig.ctx)
    shown = lost.show(rig.clock.now()).issued
    await revoke(rig.ctx, code_id(shown.code))
    assert await make_lists(rig.ctx) == 2
    held = RevocationSet([await rig.full(), await rig.full("printed/0")])
    verifier = CodeVerifier(rules.trust_of(rig.ctx.ring.snapshot))
    refused = verifier.verify(shown.text, Reader(), rig.clock.now(), held)
    taken = verifier.verify(kept.show(rig.clock.now()).issued.text, Reader(), rig.clock.now(), held)
    assert refused.refusal is Refusal.REVOKED
    assert taken.holds
    assert Mark.LIST_OLD not in taken.marks


async def test_deltas_from_every_earlier_list_lead_to_the_full_one(rig: Rig) -> None:
    ids = [secrets.token_bytes(16) for _ in range(40)]
    for one in ids[:30]:
        await revoke(rig.ctx, one, life=timedelta(minutes=12))
    await make_lists(rig.ctx)
    seen = [await rig.full()]
    for one in ids[30:]:
        await revoke(rig.ctx, one)
        seen.append(await rig.next_list())
    newest = seen[-1]
    assert [len(listed.entries) for listed in seen] == [30, 31, 32, *range(3, 11)]
    for old in seen[:-1]:
        told = rig.open(await fetch_list(rig.client, old.sequence))
        if isinstance(told, RevocationDelta):
            assert told.base == old.sequence
            assert apply_delta(old, told) == newest
        else:
            assert told == newest
    step = await fetch_list(rig.client, seen[-2].sequence)
    full = await fetch_list(rig.client)
    assert isinstance(rig.open(step), RevocationDelta)
    assert len(step) < len(full)


async def test_the_chain_of_steps_equals_the_full_list(rig: Rig) -> None:
    for _ in range(60):
        await revoke(rig.ctx, secrets.token_bytes(16))
    await make_lists(rig.ctx)
    first, blobs = await rig.full(), [await fetch_list(rig.client)]
    sequence = first.sequence
    for _ in range(6):
        await revoke(rig.ctx, secrets.token_bytes(16))
        newest = await rig.next_list()
        blobs.append(await fetch_list(rig.client, sequence))
        sequence = newest.sequence
    trust = rules.trust_of(rig.ctx.ring.snapshot)
    assert all(isinstance(rig.open(blob), RevocationDelta) for blob in blobs[1:])
    assert open_revocation_chain(blobs, trust, rig.clock.now()) == newest
    joined = rig.open(await fetch_list(rig.client, first.sequence))
    assert isinstance(joined, RevocationDelta)
    assert apply_delta(first, joined) == newest
    assert await fetch_list(rig.client, first.sequence) == await fetch_list(
        rig.client, first.sequence
    )
    with pytest.raises(ListRefused) as refused:
        open_revocation_chain([blobs[0], blobs[2]], trust, rig.clock.now())
    assert refused.value.refusal is ListRefusal.LIST_WRONG_BASE


async def test_a_reader_may_go_step_by_step_in_few_bytes(rig: Rig) -> None:
    """As on the worst day, scaled: every step adds what two minutes of it add."""
    for _ in range(60):
        await revoke(rig.ctx, secrets.token_bytes(16))
    await make_lists(rig.ctx)
    held, url = await rig.full(), "/v1/lists/revoked/bound/0"
    for _ in range(4):
        for _ in range(70):
            await revoke(rig.ctx, secrets.token_bytes(16))
        newest = await rig.next_list()
    sizes = []
    tag = ""
    while True:
        answer = await rig.client.get(
            f"{url}?since={held.sequence}&step=true", headers={"if-none-match": tag}
        )
        if answer.status_code == 304:
            break
        delta = rig.open(answer.content)
        assert isinstance(delta, RevocationDelta)
        held, tag = apply_delta(held, delta), answer.headers["etag"]
        sizes.append(len(answer.content))
    assert held == newest
    assert len(sizes) == 4
    assert max(sizes) <= 2_000
    gone = await rig.client.get(f"{url}?since=1&step=true")
    assert isinstance(rig.open(gone.content), RevocationList)


async def test_a_reader_behind_by_more_than_a_day_gets_the_full_list(rig: Rig) -> None:
    for _ in range(20):
        await revoke(rig.ctx, secrets.token_bytes(16))
    await make_lists(rig.ctx)
    old = await rig.full()
    for _ in range(5):
        rig.clock.advance(timedelta(hours=7))
        assert await make_lists(rig.ctx) == 2
    assert isinstance(rig.open(await fetch_list(rig.client, old.sequence)), RevocationList)
    async with rig.ctx.pool.acquire() as conn:
        assert await conn.fetchval("select count(*) from code_list_step where scope = 1") == 4


async def test_a_list_is_made_every_five_minutes_and_for_a_revocation_after_two(rig: Rig) -> None:
    assert await make_lists(rig.ctx) == 2
    assert await make_lists(rig.ctx) == 0
    rig.clock.advance(timedelta(minutes=1))
    await revoke(rig.ctx, secrets.token_bytes(16))
    assert await make_lists(rig.ctx) == 0
    rig.clock.advance(timedelta(minutes=1))
    assert await make_lists(rig.ctx) == 1
    assert len((await rig.full()).entries) == 1
    rig.clock.advance(timedelta(minutes=2))
    assert await make_lists(rig.ctx) == 0
    rig.clock.advance(timedelta(minutes=3))
    assert await make_lists(rig.ctx) == 2


async def test_two_workers_make_one_list(rig: Rig) -> None:
    await revoke(rig.ctx, secrets.token_bytes(16))
    due = await lists.list_due(rig.ctx)
    for _ in range(3):
        made = await asyncio.gather(*(lists.make_list(rig.ctx, one) for one in due * 3))
        assert sum(made) == 2
        rig.clock.advance(STEP)
        due = await lists.list_due(rig.ctx)
    async with rig.ctx.pool.acquire() as conn:
        rows = await conn.fetch("select sequence, base from code_list_step where scope = 1")
    assert len(rows) == 2
    assert all(row["sequence"] > row["base"] for row in rows)


async def test_a_clash_with_a_live_code_widens_the_entries(rig: Rig) -> None:
    innocent = secrets.token_bytes(16)
    await revoke(rig.ctx, innocent[:6] + secrets.token_bytes(10))
    await issue(rig.ctx, innocent)
    await make_lists(rig.ctx)
    wide = await rig.full()
    assert wide.width == 64
    assert not wide.holds(innocent)
    rig.clock.advance(timedelta(days=1, minutes=2))
    await make_lists(rig.ctx)
    narrow = await rig.full()
    assert narrow.width == 48
    assert isinstance(rig.open(await fetch_list(rig.client, wide.sequence)), RevocationList)


async def test_a_revoked_neighbour_is_no_clash(rig: Rig) -> None:
    one = secrets.token_bytes(16)
    other = one[:6] + secrets.token_bytes(10)
    now = rig.clock.now()
    for code in (one, other):
        await revoke(rig.ctx, code, scope=RevokedScope.PRINTED)
    async with rig.ctx.pool.acquire() as conn:
        await conn.execute(
            "insert into printed_code (record_id, printed_code_id, code_id, code_class, state,"
            " issued_at, expires_at, row_mac) values (1, 1, $1, 0, 'LIVE', $2, $3, '')",
            other,
            now,
            now + timedelta(days=300),
        )
    await make_lists(rig.ctx)
    listed = await rig.full("printed/0")
    assert (listed.width, len(listed.entries)) == (48, 1)
    assert listed.holds(one)
    assert listed.holds(other)


async def test_a_class_has_its_own_list_and_stands_in_that_of_the_province(rig: Rig) -> None:
    mine, other = secrets.token_bytes(16), secrets.token_bytes(16)
    await revoke(rig.ctx, mine, code_class=7)
    await revoke(rig.ctx, other)
    assert await make_lists(rig.ctx) == 3
    own, whole = await rig.full("bound/7"), await rig.full()
    assert (own.holds(mine), own.holds(other)) == (True, False)
    assert (whole.holds(mine), whole.holds(other)) == (True, True)
    rig.clock.advance(timedelta(days=3))
    assert await make_lists(rig.ctx) == 3
    assert len((await rig.full("bound/7")).entries) == 0


async def test_a_code_leaves_the_list_when_its_own_life_is_over(rig: Rig) -> None:
    await revoke(rig.ctx, secrets.token_bytes(16), life=timedelta(minutes=7))
    await make_lists(rig.ctx)
    assert len((await rig.next_list()).entries) == 1
    assert await healthcode.forget_codes(rig.ctx) == 0
    assert len((await rig.next_list()).entries) == 0
    rig.clock.advance(timedelta(days=1))
    assert await healthcode.forget_codes(rig.ctx) == 1


async def test_an_entity_tag_spares_the_second_fetch(rig: Rig) -> None:
    await revoke(rig.ctx, secrets.token_bytes(16))
    await make_lists(rig.ctx)
    url = "/v1/lists/revoked/bound/0"
    first = await rig.client.get(url)
    assert first.headers["cache-control"] == "public, max-age=60"
    held = {"if-none-match": first.headers["etag"]}
    again = await rig.client.get(url, headers=held)
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    newest = await rig.next_list()
    assert (await rig.client.get(url, headers=held)).status_code == 200
    by_delta = await rig.client.get(f"{url}?since={newest.sequence - 5}", headers=held)
    assert by_delta.status_code == 200
    held = {"if-none-match": by_delta.headers["etag"]}
    no_newer = await rig.client.get(f"{url}?since={newest.sequence}", headers=held)
    assert (no_newer.status_code, no_newer.content) == (304, b"")


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("bound/0?since=-1", 400, "malformed-request"),
        ("bound/0?since=4294967296", 400, "malformed-request"),
        ("bound/0?since=x", 400, "malformed-request"),
        ("bound/256", 400, "malformed-request"),
        ("bound/-1", 400, "malformed-request"),
        ("bound/99", 404, "code-list-not-made"),
        ("one-time/0", 400, "malformed-request"),
        ("BOUND/0", 400, "malformed-request"),
        ("bound/zero", 404, "not-found"),
        ("bound/" + "9" * 400, 400, "malformed-request"),
    ],
)
async def test_hostile_questions_are_refused(rig: Rig, path: str, status: int, code: str) -> None:
    await make_lists(rig.ctx)
    answer = await rig.client.get(f"/v1/lists/revoked/{path}")
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("since", [1, 4294967295])
async def test_a_sequence_that_never_was_gets_the_full_list(rig: Rig, since: int) -> None:
    await make_lists(rig.ctx)
    assert isinstance(rig.open(await fetch_list(rig.client, since)), RevocationList)


async def test_after_a_restore_from_backup_the_numbers_go_on_above(rig: Rig) -> None:
    await make_lists(rig.ctx)
    before = (await rig.next_list()).sequence
    async with rig.ctx.pool.acquire() as conn:
        await conn.execute("delete from code_list_step")
        await conn.execute("delete from code_list")
    assert (await rig.next_list()).sequence > before


async def test_a_stored_list_that_was_changed_is_made_anew_without_a_step(rig: Rig) -> None:
    await make_lists(rig.ctx)
    async with rig.ctx.pool.acquire() as conn:
        await conn.execute(
            "update code_list set content = set_byte(content, 30, 99) where scope = 1"
        )
    await rig.next_list()
    async with rig.ctx.pool.acquire() as conn:
        assert await conn.fetchval("select count(*) from code_list_step where scope = 1") == 0


async def test_a_list_is_signed_by_the_key_of_the_day(rig: Rig) -> None:
    await make_lists(rig.ctx)
    was = await fetch_list(rig.client)
    ring = rig.ctx.ring.snapshot.rotated(
        KeyKind.CODE_LIST, rig.clock.now(), life=timedelta(days=30), overlap=timedelta(0)
    )
    async with a_context(rig.dsn, clock=rig.clock, ring=ring) as ctx:
        rig.clock.advance(STEP)
        assert await make_lists(ctx) == 2
    blob = await fetch_list(rig.client)
    listed = open_revocation_list(blob, rules.trust_of(ring), rig.clock.now())
    assert listed.sequence > 0
    assert blob[1:3] != was[1:3]
    assert int.from_bytes(blob[1:3]) == _list_key(ring, rig)


def _list_key(ring: KeyRing, rig: Rig) -> int | None:
    return ring.current(KeyKind.CODE_LIST, rig.clock.now()).code_key_id


async def test_metrics_tell_age_and_size_and_that_the_maker_is_late(rig: Rig) -> None:
    await revoke(rig.ctx, secrets.token_bytes(16))
    await make_lists(rig.ctx)
    rig.clock.advance(timedelta(minutes=4))
    text = (await rig.client.get("/metrics")).text
    place = 'code_class="0",scope="bound"'
    assert f'yimatong_revocation_list{{{place},value="age_seconds"}} 240.0' in text
    assert f'yimatong_revocation_list{{{place},value="entries"}} 1.0' in text
    assert f'yimatong_revocation_list{{{place},value="late"}} 0.0' in text
    rig.clock.advance(timedelta(minutes=7))
    text = (await rig.client.get("/metrics")).text
    assert f'yimatong_revocation_list{{{place},value="late"}} 1.0' in text
    await make_lists(rig.ctx)
    text = (await rig.client.get("/metrics")).text
    assert f'yimatong_revocation_list{{{place},value="late"}} 0.0' in text
    assert 'yimatong_alarms_total{kind="code-list-late"} 2.0' in text
