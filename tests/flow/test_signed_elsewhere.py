"""With a signer elsewhere and no private key here, everything is signed, and verifies."""

import tempfile
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from crypto.healthcode.revocation import RevocationList, open_revocation_list
from crypto.keyring import SIGNING_KINDS, KeyRing
from crypto.signer import RingSigner, serving_ring
from crypto.sm2 import PrivateKey
from service.healthcode import rules
from service.institution import authority
from service.kernel.live_ring import LiveRing
from service.signer import client as signer_client
from service.signer.client import SocketSigner
from tests.support.bound_phone import BoundPhone
from tests.support.fakes_identity import NOON
from tests.support.identity_rig import IdentityRig, an_identity_rig
from tests.support.odd_signer import OddSigner
from tests.support.readers import fetch_list, make_lists

RING = KeyRing.generate_for_development(NOON - timedelta(days=2))


class Apart:
    """A hospital whose every signature is made over a socket."""

    def __init__(self, rig: IdentityRig, odd: OddSigner) -> None:
        self.rig, self.odd = rig, odd

    async def till(self) -> tuple[int, str]:
        body = {"public_key": PrivateKey.generate().public.compressed().hex()}
        answer = await self.rig.kiosk.send("POST", "/v1/terminal/till-certificate", body)
        return answer.status_code, answer.json().get("code", "")

    async def list(self) -> RevocationList:
        self.rig.clock.advance(timedelta(minutes=5))
        await make_lists(self.rig.ctx)
        trust = rules.trust_of(RING)
        listed = open_revocation_list(
            await fetch_list(self.rig.client), trust, self.rig.clock.now()
        )
        assert isinstance(listed, RevocationList)
        return listed


@pytest.fixture
async def apart(postgres: object, migrated: str) -> AsyncIterator[Apart]:
    ring = LiveRing(serving_ring(RING, SIGNING_KINDS))
    odd = OddSigner(RingSigner(RING, lambda: NOON))
    with tempfile.TemporaryDirectory(prefix="ymt") as folder:
        path = Path(folder) / "s"
        client = SocketSigner(path, deadline_s=2)
        async with (
            odd.at(path),
            postgres.database(migrated) as dsn,  # type: ignore[attr-defined]
            an_identity_rig(dsn, ring, client) as rig,
        ):
            yield Apart(rig, odd)
            await client.close()


async def test_everything_is_signed_though_no_private_key_is_here(apart: Apart) -> None:
    rig = apart.rig
    assert all(key.is_public_half for key in rig.ctx.ring.keys if key.kind in SIGNING_KINDS)
    phone = BoundPhone(await rig.resident(1), rig.clock)
    await phone.enrol()
    assert (await rig.scan(phone.show())).status_code == 200
    assert (await rig.scan(await phone.owner.code())).status_code == 200
    assert (await rig.his.send("GET", "/v1/institution/scans")).status_code == 200
    assert await apart.till() == (200, "")
    first = await apart.list()
    assert (await phone.owner.ask("DELETE", f"/v1/me/phones/{phone.phone_id}")).is_success
    newest = await apart.list()
    assert newest.holds(bytes.fromhex(phone.code_id))
    delta = await fetch_list(rig.client, first.sequence)
    assert open_revocation_list(delta, rules.trust_of(RING), rig.clock.now()).sequence > 0
    (root,) = await authority.roots(rig.ctx)
    assert root.is_signed_by(root.public)
    crl = await authority.revocation_list(rig.ctx, None)
    assert crl.is_signed_by(root.public)
    assert apart.odd.asked > 8


async def test_a_wrong_signature_leaves_in_nothing(apart: Apart) -> None:
    rig = apart.rig
    await rig.resident(3)
    held = await apart.list()
    apart.odd.mood = "wrong"
    assert await apart.till() == (503, "signer-unavailable")
    answer = await rig.client.post("/v1/login/wechat", json={"code": "code-of-13"})
    assert (answer.status_code, answer.json()["code"]) == (503, "signer-unavailable")
    assert await apart.list() == held
    apart.odd.mood = "right"
    assert (await apart.till())[0] == 200
    assert (await apart.list()).sequence > held.sequence
    alarms = rig.ctx.metrics.text().decode()
    assert 'yimatong_alarms_total{kind="signer-wrong-signature"}' in alarms


async def test_a_hospital_gets_a_retryable_problem_when_its_answer_cannot_be_signed(
    apart: Apart,
) -> None:
    rig = apart.rig
    apart.odd.mood = "failed"
    answer = await rig.his.send("GET", "/v1/institution/scans")
    assert (answer.status_code, answer.json()["code"]) == (503, "signer-unavailable")
    assert "yimatong-signature" not in answer.headers
    apart.odd.mood = "right"
    for _ in range(signer_client.FAULTS_TO_OPEN):
        assert (await rig.his.send("GET", "/v1/institution/scans")).status_code == 200
