"""Keys that ended stay ended, lists are made of rows that hold, and enrolment is whole."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from crypto.certificates import make_name, make_request
from crypto.sm2 import PrivateKey
from service.institution import actions as institution
from service.institution import caller_keys, certificates, store
from service.institution.model import HeldCertificate, HolderKind, RevocationReason
from service.institution.problems import (
    CertificateKeyEnded,
    CertificateKeyTaken,
    TooManyCertificates,
)
from service.kernel.database import transaction
from service.kernel.problems import RowTampered, StateConflict
from tests.support.callers import ApplicationCaller
from tests.support.certificate_rig import (
    TARGET,
    Rig,
    certificate_rig,
    crl_of,
    refused,
    renewed,
    works,
)
from tests.support.database import DatabaseServer
from tests.unit.crypto.certificate_parts import ROOT, a_crl, authority, certify

WAITING = """
select count(*) from pg_stat_activity
where datname = current_database() and wait_event_type = 'Lock'
"""


@pytest.fixture
async def rig(postgres: DatabaseServer, migrated: str, tmp_path: Path) -> AsyncIterator[Rig]:
    async with certificate_rig(postgres, migrated, tmp_path) as made:
        yield made


def wish_of(key: PrivateKey) -> certificates.Wish:
    return certificates.Wish(csr=make_request(make_name("any"), key))


def application_of(rig: Rig, his: ApplicationCaller) -> certificates.Holder:
    institution_id, application_id = rig.ctx.public_ids.parse(his.caller_id)
    return certificates.Holder(
        institution_id=institution_id,
        holder_kind=HolderKind.APPLICATION,
        holder_id=application_id,
    )


async def revoked(rig: Rig, held: HeldCertificate, reason: RevocationReason) -> None:
    await certificates.revoke(rig.ctx, held.institution_id, held.certificate_id, reason)


async def enrolled_by(rig: Rig, key: PrivateKey) -> HeldCertificate:
    return await certificates.enrol_application(
        rig.ctx,
        rig.hospital.institution_id,
        name="测试系统",
        scopes=frozenset({"bill"}),
        wish=wish_of(key),
    )


async def enrolled_bare(rig: Rig, key: PrivateKey) -> None:
    await institution.enrol_application(
        rig.ctx,
        rig.hospital.institution_id,
        name="测试系统",
        public_key=key.public.to_bytes(),
        scopes=frozenset({"bill"}),
    )


@pytest.mark.parametrize(
    "reason",
    [
        RevocationReason.KEY_COMPROMISE,
        RevocationReason.UNSPECIFIED,
        RevocationReason.AFFILIATION_CHANGED,
    ],
)
async def test_a_revoked_key_never_comes_back(rig: Rig, reason: RevocationReason) -> None:
    his, held = await rig.certified()
    stolen = his.key
    await revoked(rig, held, reason)
    with pytest.raises(CertificateKeyEnded):
        await certificates.add(rig.ctx, application_of(rig, his), wish_of(stolen))
    assert not await works(his)
    other, _ = await rig.certified()
    refused(await renewed(other, stolen), 409, "certificate-key-ended")
    with pytest.raises(CertificateKeyEnded):
        await enrolled_bare(rig, stolen)
    his.key = PrivateKey.generate()
    await certificates.add(rig.ctx, application_of(rig, his), wish_of(his.key))
    assert await works(his), "a new key is the way back"


async def test_a_superseded_certificate_says_nothing_against_its_key(rig: Rig) -> None:
    his, held = await rig.certified()
    await revoked(rig, held, RevocationReason.SUPERSEDED)
    assert not await works(his)
    await certificates.add(rig.ctx, application_of(rig, his), wish_of(his.key))
    assert await works(his)


async def test_a_bare_key_that_was_taken_away_is_never_certified(rig: Rig) -> None:
    his = await rig.application(rig.hospital, "bill")
    holder = application_of(rig, his)
    reason = RevocationReason.KEY_COMPROMISE
    await certificates.revoke_all(rig.ctx, holder.institution_id, holder.holder_id, reason)
    with pytest.raises(CertificateKeyEnded):
        await certificates.add(rig.ctx, holder, wish_of(his.key))
    with pytest.raises(CertificateKeyEnded):
        await enrolled_bare(rig, his.key)


async def test_a_reason_softened_by_sql_brings_no_key_back(rig: Rig) -> None:
    his, held = await rig.certified()
    await revoked(rig, held, RevocationReason.KEY_COMPROMISE)
    async with rig.ctx.pool.acquire() as conn:
        await conn.execute("update certificate set reason = 'superseded'")
    with pytest.raises(RowTampered):
        await certificates.add(rig.ctx, application_of(rig, his), wish_of(his.key))


async def test_a_refused_enrolment_leaves_nothing_behind(rig: Rig) -> None:
    his = await rig.application(rig.hospital, "bill")
    key = PrivateKey.generate()
    async with rig.ctx.pool.acquire() as conn:
        before = await conn.fetchval("select count(*) from application")
        with pytest.raises(CertificateKeyTaken):
            await enrolled_by(rig, his.key)
        await conn.execute(
            "alter table certificate add constraint none_yet check (false) not valid"
        )
        with pytest.raises(asyncpg.CheckViolationError):
            await enrolled_by(rig, key)
        assert await conn.fetchval("select count(*) from application") == before
        await conn.execute("alter table certificate drop constraint none_yet")
    his.key = key
    await certificates.add(rig.ctx, application_of(rig, his), wish_of(key))
    assert await works(his), "the key was not used up by the failure"


async def test_many_renewals_at_once_keep_to_four(rig: Rig) -> None:
    his, _ = await rig.certified()
    holder = application_of(rig, his)
    done = await asyncio.gather(
        *(certificates.add(rig.ctx, holder, wish_of(PrivateKey.generate())) for _ in range(7)),
        return_exceptions=True,
    )
    assert sum(isinstance(one, HeldCertificate) for one in done) == 3
    assert sum(isinstance(one, TooManyCertificates) for one in done) == 4


async def test_a_renewal_beside_a_revocation_of_everything_comes_to_nothing(rig: Rig) -> None:
    his, _ = await rig.certified()
    holder = application_of(rig, his)
    thiefs = PrivateKey.generate()
    ids = (holder.institution_id, holder.holder_id)
    async with transaction(rig.ctx.pool) as conn:
        await store.lock_application(conn, *ids)
        taking = asyncio.create_task(
            certificates.revoke_all(rig.ctx, *ids, RevocationReason.KEY_COMPROMISE)
        )
        await waiting(rig, 1)
        asking = asyncio.create_task(certificates.renew(rig.ctx, *ids, wish_of(thiefs)))
        await waiting(rig, 2)
    assert (await taking).certificates == 1
    with pytest.raises(StateConflict):
        await asking
    his.key = thiefs
    assert not await works(his)


async def waiting(rig: Rig, count: int) -> None:
    """Until so many statements wait for a lock."""
    async with rig.ctx.pool.acquire() as conn:
        for _ in range(500):
            if await conn.fetchval(WAITING) >= count:
                return
            await asyncio.sleep(0.02)
    raise AssertionError("nobody waits for a lock")


def alarms(rig: Rig) -> float:
    labels = {"kind": "certificate-list-stopped"}
    return rig.ctx.metrics.registry.get_sample_value("yimatong_alarms_total", labels) or 0


FREED = "update certificate set state = 'ACTIVE', reason = null, revoked_at = null"


async def test_a_row_freed_by_sql_stops_the_list_and_the_last_good_one_stays(rig: Rig) -> None:
    his, held = await rig.certified()
    serial = int.from_bytes(held.serial_no)
    await revoked(rig, held, RevocationReason.KEY_COMPROMISE)
    good = await crl_of(rig)
    assert good.find(serial) is not None
    async with rig.ctx.pool.acquire() as conn:
        await conn.execute(FREED)
    rig.clock.advance(timedelta(minutes=6))
    assert (await crl_of(rig)).encoded == good.encoded
    assert alarms(rig) == 1
    with pytest.raises(RowTampered):
        await certificates.ending_within(rig.ctx, timedelta(days=400))
    _, application_id = rig.ctx.public_ids.parse(his.caller_id)
    async with rig.ctx.pool.acquire() as conn:
        row = await store.find_application(conn, held.institution_id, application_id)
        assert row is not None
        with pytest.raises(RowTampered):
            await caller_keys.accepted_keys(rig.ctx, conn, row)
    rig.clock.advance(timedelta(days=8))
    answer = await rig.client.get("/v1/lists/certificates.crl")
    refused(answer, 500, "internal-error")


async def test_no_list_is_signed_over_a_row_that_was_never_listed_and_freed(rig: Rig) -> None:
    _, held = await rig.certified()
    await revoked(rig, held, RevocationReason.KEY_COMPROMISE)
    async with rig.ctx.pool.acquire() as conn:
        await conn.execute(FREED)
    answer = await rig.client.get("/v1/lists/certificates.crl")
    refused(answer, 500, "internal-error")
    assert alarms(rig) == 1


@pytest.mark.parametrize("away", ["put back", "deleted"])
async def test_what_a_list_named_stays_named_though_its_row_is_gone(rig: Rig, away: str) -> None:
    _, held = await rig.certified()
    await revoked(rig, held, RevocationReason.KEY_COMPROMISE)
    good = await crl_of(rig)
    async with rig.ctx.pool.acquire() as conn:
        if away == "put back":
            await conn.execute(f"{FREED}, row_mac = $1", held.row_mac)
        else:
            await conn.execute("delete from certificate")
    rig.clock.advance(timedelta(minutes=6))
    assert (await crl_of(rig)).encoded == good.encoded
    assert alarms(rig) == 1


async def test_a_revoked_certificate_leaves_the_list_a_week_after_its_end(rig: Rig) -> None:
    _, held = await rig.certified()
    await revoked(rig, held, RevocationReason.SUPERSEDED)
    serial = int.from_bytes(held.serial_no)
    rig.clock.advance(held.not_after - rig.clock.now() + timedelta(days=6))
    assert (await crl_of(rig)).find(serial) is not None
    rig.clock.advance(timedelta(days=2))
    assert (await crl_of(rig)).find(serial) is None
    assert alarms(rig) == 0


async def test_a_list_that_is_not_ours_is_not_given_out(rig: Rig) -> None:
    await rig.certified()
    foreign = a_crl(certify(ROOT, ROOT, authority()), ROOT.key, 7)
    await crl_of(rig)
    async with rig.ctx.pool.acquire() as conn:
        await conn.execute("update certificate_authority set crl = $1", foreign.encoded)
    refused(await rig.client.get("/v1/lists/certificates.crl"), 500, "internal-error")


async def test_every_act_is_in_the_audit_log(rig: Rig) -> None:
    his, _ = await rig.certified()
    holder = application_of(rig, his)
    answer = await renewed(his, PrivateKey.generate())
    path = f"{TARGET}/{answer.json()['certificate_id']}/revocation"
    for _ in range(2):
        assert (await his.send("POST", path, {"reason": "superseded"})).status_code == 200
    refused(
        await renewed(his, PrivateKey.generate(), csr="x" * 64), 422, "certificate-request-refused"
    )
    ids = (holder.institution_id, holder.holder_id)
    await certificates.revoke_all(rig.ctx, *ids, RevocationReason.KEY_COMPROMISE)
    async with rig.ctx.pool.acquire() as conn:
        rows = await conn.fetch(
            "select record_id, action, actor_kind, actor_id, institution_id from audit_entry"
        )
    assert {(row["record_id"], row["institution_id"]) for row in rows} == {(0, ids[0])}
    assert sorted((row["action"], row["actor_kind"], row["actor_id"]) for row in rows) == [
        ("application.keys-revoked", "operator", 0),
        ("certificate.added", "application", ids[1]),
        ("certificate.enrolled", "operator", 0),
        ("certificate.revoked", "application", ids[1]),
        ("certificate.revoked", "operator", 0),
    ]
