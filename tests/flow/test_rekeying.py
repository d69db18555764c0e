"""Keys are rotated under a running hospital, and the old ones destroyed: nobody is lost."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from datetime import date, timedelta

import pytest

from crypto.keyring import KeyKind, KeyRing
from service import features
from service.account import actions as account
from service.healthcode import actions as healthcode
from service.kernel.context import Context
from service.kernel.database import connection
from service.kernel.problems import RowTampered
from service.person import actions as person
from service.person.model import Registration, Source
from service.rekeying import actions as rekeying
from service.rekeying.actions import KINDS
from service.rekeying.model import JobState, Remaining
from service.settlement.states import SettlementState
from tests.support.clock import FakeClock
from tests.support.fakes_identity import NOON, citizen_number
from tests.support.identity_rig import BORN, IdentityRig, Phone, an_identity_rig
from tests.support.rings import OVERLAP, RingInHand, rekey
from tests.support.settlement_rig import Rig, a_rig

PAST_OVERLAP = OVERLAP + timedelta(minutes=6)
A_DAY = timedelta(days=1, minutes=1)


@pytest.fixture
def hand() -> RingInHand:
    return RingInHand(KeyRing.generate_for_development(NOON - timedelta(days=200)))


@pytest.fixture
async def rig(fresh_database: str, hand: RingInHand) -> AsyncIterator[IdentityRig]:
    async with an_identity_rig(fresh_database, hand.live()) as opened:
        async with connection(opened.ctx.pool) as conn:
            # Earlier tests had other rings: their rows are not this one's.
            await conn.execute(
                "truncate rekeying, idempotency, data_key, golden, match_key, match_key_count,"
                " match_claim, account_login, real_name_attempt, credential, code_use, code, scan,"
                " link, record, person, account, account_record, work_item cascade"
            )
            await conn.execute(
                "delete from terminal where institution_id <> $1", opened.hospital.institution_id
            )
            await conn.execute(
                "delete from application where institution_id <> $1",
                opened.hospital.institution_id,
            )
            await conn.execute(
                "delete from merchant_account where institution_id <> $1",
                opened.hospital.institution_id,
            )
            await conn.execute(
                "delete from institution where institution_id <> $1",
                opened.hospital.institution_id,
            )
        yield opened


async def left(ctx: Context, kind: KeyKind, version: int = 1) -> Remaining:
    return await rekeying.remaining(ctx, features.KEYED_ROWS, kind, version)


async def assert_nothing_left(ctx: Context, version: int = 1) -> None:
    for kind in KINDS:
        found = await left(ctx, kind, version)
        assert found.nothing, (kind, found)
        assert not found.refused


def follow(hand: RingInHand, *contexts: Context) -> None:
    for ctx in contexts:
        assert ctx.ring.refresh()


async def own_record(rig: IdentityRig, phone: Phone) -> int:
    await phone.log_in()
    return account.own_record(await account.authenticate(rig.ctx, phone.token))


async def at_a_desk(rig: IdentityRig, serial: int, name: str = "测试甲") -> int:
    """The person whom a desk finds for a number."""
    given = Registration(
        source=Source.WINDOW,
        institution_id=rig.hospital.institution_id,
        name=name,
        id_type="01",
        id_no=citizen_number(BORN, serial),
        phone=None,
    )
    return (await person.register(rig.ctx, given)).person_id


async def test_every_look_up_finds_the_same_person_after_the_old_keys_are_destroyed(
    rig: IdentityRig, hand: RingInHand
) -> None:
    phones = {serial: await rig.resident(serial) for serial in (601, 603, 605)}
    records = {serial: await own_record(rig, phone) for serial, phone in phones.items()}
    persons = {
        serial: (await person.read(rig.ctx, record)).person_id for serial, record in records.items()
    }
    text = "28" + f"{secrets.randbelow(10**26):026d}"
    rig.bureau.give_credential(text, "测试甲", citizen_number(BORN, 603))
    assert (await rig.scan(text)).status_code == 200

    hand.rotate(rig.clock.now())
    follow(hand, rig.ctx)
    # Business goes on between the turns of the job: on rows of both versions.
    for turn in range(8):
        await rekey(rig.ctx, turns=1)
        serial = (601, 603, 605)[turn % 3]
        assert await own_record(rig, phones[serial]) == records[serial]
        assert await at_a_desk(rig, serial) == persons[serial]
        scanned = await rig.scan(await phones[serial].code())
        assert scanned.status_code == 200, scanned.text
    newcomer = await rig.resident(607)
    await rig.refused(text, "code-already-used", 410, terminal=rig.desk)
    records[607] = await own_record(rig, newcomer)
    persons[607] = (await person.read(rig.ctx, records[607])).person_id
    phones[607] = newcomer

    await rekey(rig.ctx)
    for kind in KINDS:
        assert (await left(rig.ctx, kind)).in_use, "some process may still write with it"
    rig.clock.advance(PAST_OVERLAP)
    await rekey(rig.ctx)
    waiting = await left(rig.ctx, KeyKind.BLIND_INDEX)
    assert set(waiting.rows) == {"real_name_attempt", "code_use"}
    rig.clock.advance(A_DAY)
    await healthcode.forget_uses(rig.ctx)
    await rekey(rig.ctx)
    await assert_nothing_left(rig.ctx)
    assert {job.state for kind in KINDS for job in await rekeying.progress(rig.ctx, kind)} == {
        JobState.DONE
    }

    hand.destroy(1)
    rig.ctx.sealer._open.clear()
    follow(hand, rig.ctx)
    for serial, phone in phones.items():
        assert await own_record(rig, phone) == records[serial]
        view = await person.read(rig.ctx, records[serial])
        assert view.id_no.reveal() == citizen_number(BORN, serial)
        assert await at_a_desk(rig, serial) == persons[serial]
        assert (await person.golden(rig.ctx, persons[serial])).facts.id_no == view.id_no.reveal()
        scanned = await rig.scan(await phone.code())
        assert scanned.json()["insurance"]["status"] == "LINKED", scanned.text
    async with connection(rig.ctx.pool) as conn:
        counted = await conn.fetch(
            "select c.members, count(k.record_id) as keys from match_key_count c"
            " join match_key k on k.blind_key = c.blind_key and k.kind = c.kind"
            " group by c.blind_key, c.kind, c.members"
        )
        linked = await conn.fetch("select count(*) from credential where state = 'LINKED'")
    assert counted
    assert all(row["members"] == row["keys"] for row in counted)
    assert linked[0]["count"] == len(phones)


async def test_a_settlement_goes_on_through_rotation_and_destruction(
    fresh_database: str, hand: RingInHand
) -> None:
    async with a_rig(fresh_database, ring=hand.live()) as money:
        done = await money.settled(await money.to_paid(30_00, 70_00))
        done = await money.post(done)
        half_way = await money.start(await money.push_bill(50_00))
        await money.work()
        await clear_others(money)
        hand.rotate(money.clock.now())
        follow(hand, money.ctx)
        await rekey(money.ctx, turns=1)
        half_way = await money.pay(await money.read(half_way))
        await rekey(money.ctx)
        money.clock.advance(PAST_OVERLAP)
        await rekey(money.ctx)
        money.clock.advance(timedelta(seconds=1))
        await assert_nothing_left(money.ctx)
        hand.destroy(1)
        money.ctx.sealer._open.clear()
        follow(hand, money.ctx)
        assert (await money.read(done)).state is SettlementState.POSTED
        assert await money.balances(done) == {
            "provider:wechatpay": 40_00,
            "insurer": 60_00,
            "hospital": -100_00,
        }
        assert await money.attempts(half_way)
        await money.run_for(timedelta(minutes=5))
        undone = await money.read(half_way)
        assert undone.state is SettlementState.REVERSED, "it was not paid in time"
        again = await money.settled(await money.to_paid(50_00))
        async with connection(money.ctx.pool) as conn:
            posted_before = await conn.fetchval("select count(*) from posting")
        assert posted_before > 0
        assert (await money.post(again)).state is SettlementState.POSTED


async def clear_others(money: Rig) -> None:
    """Rows of other tests in this database were made under other rings."""
    keep = money.record_id
    async with connection(money.ctx.pool) as conn:
        for table in ("data_key", "link", "record", "credential", "match_key", "code", "scan"):
            await conn.execute(f"delete from {table} where record_id <> $1", keep)  # noqa: S608
        await conn.execute(
            "truncate rekeying, idempotency, match_key_count, match_claim, account_login,"
            " real_name_attempt, account, account_record, work_item, code_use, terminal,"
            " application"
        )
        for table in ("golden", "person"):
            await conn.execute(
                f"delete from {table} where person_id not in"  # noqa: S608
                " (select person_id from link)"
            )
        for table in ("merchant_account", "institution"):
            await conn.execute(
                f"delete from {table} where institution_id <> $1",  # noqa: S608
                money.place.institution_id,
            )


async def test_a_tampered_row_is_reported_and_never_blessed(
    rig: IdentityRig, hand: RingInHand
) -> None:
    phone, other = await rig.resident(611), await rig.resident(613)
    record, stranger = await own_record(rig, phone), await own_record(rig, other)
    async with connection(rig.ctx.pool) as conn:
        await conn.execute(
            "update link set person_id = (select person_id from link where record_id = $2)"
            " where record_id = $1",
            record,
            stranger,
        )
        await conn.execute("update data_key set wrapped = overlay(wrapped placing '\\x00' from 20)")
        await conn.execute(
            "update match_key set record_id = $2 where record_id = $1 and kind = 1",
            record,
            stranger,
        )
    hand.rotate(rig.clock.now())
    follow(hand, rig.ctx)
    await rekey(rig.ctx)
    rig.clock.advance(PAST_OVERLAP)
    await rekey(rig.ctx)
    macs = await left(rig.ctx, KeyKind.ROW_MAC)
    assert (macs.rows, macs.refused) == ({"link": 1}, {"link": 1})
    seals = await left(rig.ctx, KeyKind.COLUMN)
    assert seals.rows["data_key"] == seals.refused["data_key"] == 2
    async with connection(rig.ctx.pool) as conn:
        version = await conn.fetchval(
            "select get_byte(row_mac, 0) from link where record_id = $1", record
        )
        items = {
            (row["kind"], row["record_id"])
            for row in await conn.fetch(
                "select kind, record_id from work_item where reason = 'row-tampered'"
            )
        }
    assert version == 1
    assert {("link", record), ("data_key", record), ("data_key", stranger)} <= items
    with pytest.raises(RowTampered):
        await person.read(rig.ctx, record)


async def test_a_forged_match_key_leads_nobody_to_a_stranger(
    rig: IdentityRig, hand: RingInHand
) -> None:
    phone, other = await rig.resident(615), await rig.resident(617)
    record, stranger = await own_record(rig, phone), await own_record(rig, other)
    async with connection(rig.ctx.pool) as conn:
        await conn.execute(
            "update match_key set record_id = $2 where record_id = $1 and kind = 1",
            record,
            stranger,
        )
    hand.rotate(rig.clock.now())
    follow(hand, rig.ctx)
    await rekey(rig.ctx)
    rig.clock.advance(PAST_OVERLAP)
    await rekey(rig.ctx)
    found = await left(rig.ctx, KeyKind.BLIND_INDEX)
    assert found.refused == {"match_key": 1}
    async with connection(rig.ctx.pool) as conn:
        forged = await conn.fetchval(
            "select count(*) from match_key where record_id = $1 and kind = 1"
            " and get_byte(blind_key, 0) = 2",
            stranger,
        )
    assert forged == 1, "its own key only"


async def test_a_business_update_that_comes_between_wins(
    rig: IdentityRig, hand: RingInHand
) -> None:
    phone = await rig.resident(621)
    record = await own_record(rig, phone)
    who = (await person.read(rig.ctx, record)).person_id
    hand.rotate(rig.clock.now())
    follow(hand, rig.ctx)
    tables = {(rows.table, rows.kind): rows for rows in features.KEYED_ROWS}
    rows = tables["person", KeyKind.ROW_MAC]
    async with connection(rig.ctx.pool) as conn:
        found = await conn.fetch(rows.page, -1, 100)
    stale = next(rows.row(**dict(row)) for row in found if row["person_id"] == who)
    await person.freeze(rig.ctx, who, "reported-lost")
    assert await rows.rekey(rig.ctx, stale) == "lost"
    assert (await person.read(rig.ctx, record)).frozen


async def test_a_job_that_is_not_resumed_by_its_holder_is_by_another(
    rig: IdentityRig, hand: RingInHand, fresh_database: str
) -> None:
    await rig.resident(631)
    hand.rotate(rig.clock.now(), KeyKind.ROW_MAC)
    follow(hand, rig.ctx)
    await rekeying.start_jobs(rig.ctx, features.KEYED_ROWS)
    async with connection(rig.ctx.pool) as conn:
        await conn.execute(
            "update rekeying set lease_token = 'dead', lease_until = $1",
            rig.clock.now() + timedelta(seconds=30),
        )
    assert await rekey(rig.ctx) == 0, "its lease lasts"
    rig.clock.advance(timedelta(seconds=31))
    assert await rekey(rig.ctx) > 0
    rig.clock.advance(PAST_OVERLAP)
    await rekey(rig.ctx)
    assert (await left(rig.ctx, KeyKind.ROW_MAC)).nothing


async def test_two_processes_on_both_sides_of_a_rotation_make_one_of_one(
    rig: IdentityRig, hand: RingInHand, fresh_database: str
) -> None:
    """Their clocks differ: one stores under the new key already, the other does not yet."""
    change_at = rig.clock.now() + timedelta(seconds=2)
    hand.rotate(change_at, KeyKind.BLIND_INDEX)
    follow(hand, rig.ctx)
    async with an_identity_rig(fresh_database, hand.live()) as ahead:
        assert isinstance(ahead.clock, FakeClock)
        ahead.clock.advance(timedelta(seconds=4))
        now = {rig.ctx.sealer.blind("x", "y")[0], ahead.ctx.sealer.blind("x", "y")[0]}
        assert now == {1, 2}
        for serial in range(641, 661, 2):
            found = await asyncio.gather(
                at_a_desk(rig, serial), at_a_desk(ahead, serial), at_a_desk(rig, serial)
            )
            assert len(set(found)) == 1
        for _ in range(10):
            subject = secrets.token_hex(8)
            behind_phone, ahead_phone = Phone(rig.client, subject), Phone(ahead.client, subject)
            await asyncio.gather(behind_phone.log_in(), ahead_phone.log_in())
            one = await account.authenticate(rig.ctx, behind_phone.token)
            two = await account.authenticate(ahead.ctx, ahead_phone.token)
            assert one.account_id == two.account_id
        for serial in range(661, 671, 2):
            text = "28" + f"{secrets.randbelow(10**26):026d}"
            for side in (rig, ahead):
                side.bureau.insure("测试乙", citizen_number(BORN, serial), f"P{serial}", "310")
                side.bureau.give_credential(text, "测试乙", citizen_number(BORN, serial))
            scans = await asyncio.gather(rig.scan(text), ahead.scan(text))
            assert sorted(scan.status_code for scan in scans) == [200, 410]


async def test_a_rotation_gives_nobody_more_attempts_of_a_day(
    rig: IdentityRig, hand: RingInHand
) -> None:
    phone = Phone(rig.client, secrets.token_hex(8))
    await phone.log_in()

    async def attempt(serial: int) -> str:
        answer = await phone.register("测试丙", citizen_number(date(1981, 1, 1), serial))
        return str(answer.json()["code"])

    assert [await attempt(serial) for serial in (701, 703, 705)] == [
        "name-and-number-do-not-match"
    ] * 3
    hand.rotate(rig.clock.now())
    follow(hand, rig.ctx)
    assert await attempt(707) == "name-and-number-do-not-match"
    rig.clock.advance(PAST_OVERLAP)
    await rekey(rig.ctx)
    assert await attempt(709) == "name-and-number-do-not-match"
    assert await attempt(711) == "real-name-attempts-used-up"


async def test_what_a_late_writer_left_behind_is_found_and_re_keyed(
    rig: IdentityRig, hand: RingInHand
) -> None:
    phone = await rig.resident(721)
    record = await own_record(rig, phone)
    async with connection(rig.ctx.pool) as conn:
        before = await conn.fetchrow("select * from data_key where record_id = $1", record)
    hand.rotate(rig.clock.now(), KeyKind.COLUMN)
    follow(hand, rig.ctx)
    rig.clock.advance(PAST_OVERLAP)
    await rekey(rig.ctx)
    assert (await left(rig.ctx, KeyKind.COLUMN)).nothing
    async with connection(rig.ctx.pool) as conn:
        # A backup brought the row back as it was.
        await conn.execute(
            "update data_key set wrapped = $2 where record_id = $1", record, before["wrapped"]
        )
    assert (await left(rig.ctx, KeyKind.COLUMN)).rows == {"data_key": 1}
    await rekey(rig.ctx)
    assert (await left(rig.ctx, KeyKind.COLUMN)).nothing


async def test_nothing_is_done_while_there_is_one_version(rig: IdentityRig) -> None:
    await rig.resident(731)
    assert await rekey(rig.ctx) == 0
    assert not (await left(rig.ctx, KeyKind.COLUMN)).nothing
    assert await assert_no_jobs(rig.ctx) == []


async def assert_no_jobs(ctx: Context) -> list[object]:
    return [job for kind in KINDS for job in await rekeying.progress(ctx, kind)]
