"""A terminal's till gets a certificate that a phone opens with the trust list alone."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from crypto.healthcode.offer import open_till_certificate
from crypto.healthcode.refusal import OfferRefusal, OfferRefused
from crypto.sm2 import PrivateKey
from service.healthcode import rules
from tests.support.identity_rig import IdentityRig, an_identity_rig

PATH = "/v1/terminal/till-certificate"


@pytest.fixture
async def rig(postgres: object, migrated: str) -> AsyncIterator[IdentityRig]:
    async with (
        postgres.database(migrated) as dsn,  # type: ignore[attr-defined]
        an_identity_rig(dsn) as opened,
    ):
        yield opened


async def test_a_phone_learns_whose_till_it_is(rig: IdentityRig) -> None:
    key, now = PrivateKey.generate(), rig.clock.now()
    answer = await rig.kiosk.send("POST", PATH, {"public_key": key.public.compressed().hex()})
    assert answer.status_code == 200
    blob = bytes.fromhex(answer.json()["certificate"])
    trust = rules.trust_of(rig.ctx.ring.snapshot)
    opened = open_till_certificate(blob, trust, now + timedelta(days=29))
    _, terminal_id = rig.ctx.public_ids.parse(rig.kiosk.caller_id)
    assert opened.till.name == "测试医院"
    assert opened.till.institution == rig.hospital.code.encode().ljust(18, b"\0")
    assert opened.till.terminal == terminal_id.to_bytes(8)
    assert opened.till.public.compressed() == key.public.compressed()
    assert answer.json()["valid_until"] == "2026-07-30T04:00:00Z"
    with pytest.raises(OfferRefused) as refused:
        open_till_certificate(blob, trust, now + timedelta(days=31))
    assert refused.value.refusal is OfferRefusal.TILL_EXPIRED


async def test_each_certificate_is_audited_though_it_concerns_no_record(rig: IdentityRig) -> None:
    for _ in range(2):
        key = PrivateKey.generate().public.compressed().hex()
        assert (await rig.desk.send("POST", PATH, {"public_key": key})).status_code == 200
    _, terminal_id = rig.ctx.public_ids.parse(rig.desk.caller_id)
    async with rig.ctx.pool.acquire() as conn:
        count = await conn.fetchval(
            "select count(*) from audit_entry where action = 'till.certified' and actor_id = $1"
            " and record_id = 0",
            terminal_id,
        )
    assert count == 2


@pytest.mark.parametrize(
    ("key", "code"),
    [
        ("02" + "ff" * 32, "till-key-invalid"),
        ("04" + "00" * 32, "till-key-invalid"),
        ("02" + "00" * 31, "malformed-request"),
        ("02" + "00" * 33, "malformed-request"),
        ("02" + "FF" * 32, "malformed-request"),
        ("", "malformed-request"),
    ],
)
async def test_what_is_no_key_is_refused(rig: IdentityRig, key: str, code: str) -> None:
    answer = await rig.kiosk.send("POST", PATH, {"public_key": key})
    assert (answer.status_code, answer.json()["code"]) == (
        422 if code == "till-key-invalid" else 400,
        code,
    )
