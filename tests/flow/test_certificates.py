"""Applications by certificate, over HTTP: get, renew, revoke; from us and from outside."""

import base64
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx
import msgspec
import pytest

from crypto.certificates import (
    Anchors,
    CertificateRefused,
    Refusal,
    check_path,
    make_name,
    make_request,
    read_chain,
    read_crl,
)
from crypto.keyring import KeyKind
from crypto.sm2 import PrivateKey
from service.app import create_app
from service.institution import certificates
from service.institution.model import RevocationReason, RevokedAll
from service.kernel.live_ring import LiveRing
from service.kernel.problems import RowTampered
from tests.support.app import a_client, a_context
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
from tests.support.identity_rig import CIPHER, PAGES
from tests.support.rings import OVERLAP, rekey
from tests.unit.crypto.certificate_parts import (
    DAY,
    HOSPITAL,
    NOW,
    ROOT,
    Holder,
    a_crl,
    authority,
    caller,
    certify,
)


@pytest.fixture
async def rig(postgres: DatabaseServer, migrated: str, tmp_path: Path) -> AsyncIterator[Rig]:
    """Its folder of outside roots is ``tmp_path``."""
    async with certificate_rig(postgres, migrated, tmp_path) as made:
        yield made


async def test_renewal_under_use_fails_no_request(rig: Rig) -> None:
    his, held = await rig.certified()
    old = his.key
    for _ in range(3):
        rig.clock.advance(timedelta(seconds=1))
        assert await works(his)
        key = PrivateKey.generate()
        answer = await renewed(his, key)
        assert answer.status_code == 201, answer.text
        assert await works(his), "the old key goes on beside the new one"
        rig.clock.advance(timedelta(seconds=1))
        previous = held.certificate_id
        his.key = key
        assert await works(his)
        certificate_id = answer.json()["certificate_id"]
        held = (await certificates.held_by(rig.ctx, held.institution_id, held.holder_id))[0]
        assert certificate_id == rig.ctx.public_ids.text(held.institution_id, held.certificate_id)
        done = rig.ctx.public_ids.text(held.institution_id, previous)
        revoked = await his.send("POST", f"{TARGET}/{done}/revocation", {"reason": "superseded"})
        assert revoked.json()["state"] == "REVOKED"
        assert await works(his)
    his.key = old
    assert not await works(his)


async def test_the_issued_chain_stands_up_to_the_published_root_and_list(rig: Rig) -> None:
    his, _ = await rig.certified()
    answer = await renewed(his, PrivateKey.generate())
    published = await rig.client.get("/v1/lists/certificates.pem")
    roots = read_chain(published.text)
    leaf, root = read_chain(answer.json()["chain"])
    assert roots == [root]
    name = leaf.subject.rfc4514_string()
    assert his.caller_id in name
    assert "H99000100001" in name
    anchors = Anchors(roots=roots, crls=[await crl_of(rig)])
    assert len(check_path(leaf, [], anchors, rig.clock.now()).certificates) == 2
    path = f"{TARGET}/{answer.json()['certificate_id']}/revocation"
    revoked = await his.send("POST", path, {"reason": "keyCompromise"})
    assert revoked.json()["reason"] == "keyCompromise"
    anchors = Anchors(roots=roots, crls=[await crl_of(rig)])
    with pytest.raises(CertificateRefused) as caught:
        check_path(leaf, [], anchors, rig.clock.now())
    assert caught.value.refusal == Refusal.REVOKED
    assert "key_compromise" in str(caught.value) or "keyCompromise" in str(caught.value)


async def test_the_list_is_signed_once_until_it_is_old_or_something_happens(rig: Rig) -> None:
    his, held = await rig.certified()
    first = await rig.client.get("/v1/lists/certificates.crl")
    again = await rig.client.get("/v1/lists/certificates.crl?authority=1")
    assert first.content == again.content
    tag = first.headers["etag"]
    kept = await rig.client.get("/v1/lists/certificates.crl", headers={"if-none-match": tag})
    assert (kept.status_code, kept.content) == (304, b"")
    rig.clock.advance(timedelta(minutes=6))
    second = await crl_of(rig)
    assert second.number > read_crl(first.content).number
    await certificates.revoke(
        rig.ctx, held.institution_id, held.certificate_id, RevocationReason.KEY_COMPROMISE
    )
    third = await crl_of(rig)
    assert third.number > second.number
    assert third.find(int.from_bytes(held.serial_no)) is not None
    assert not await works(his)
    answer = await rig.client.get("/v1/lists/certificates.crl?authority=9")
    assert answer.status_code == 404


async def test_a_revoked_or_expired_certificate_stops_the_caller(rig: Rig) -> None:
    his, held = await rig.certified()
    assert await works(his)
    await certificates.revoke(
        rig.ctx, held.institution_id, held.certificate_id, RevocationReason.UNSPECIFIED
    )
    assert not await works(his)
    other, held = await rig.certified()
    rig.clock.advance(timedelta(days=365, seconds=-1))
    assert await works(other)
    rig.clock.advance(timedelta(seconds=2))
    assert not await works(other)
    listed = await certificates.held_by(rig.ctx, held.institution_id, held.holder_id)
    assert listed[0].state_at(rig.clock.now()) == "EXPIRED"


async def test_a_revocation_reaches_every_other_server_at_once(rig: Rig) -> None:
    his, held = await rig.certified()
    async with (
        a_context(rig.dsn, clock=rig.clock, ring=rig.ctx.ring) as other,
        a_client(create_app(other, CIPHER, PAGES)) as client,
    ):
        his.client = client
        assert await works(his)
        await certificates.revoke(
            rig.ctx, held.institution_id, held.certificate_id, RevocationReason.KEY_COMPROMISE
        )
        assert not await works(his)
        answer = await client.get("/v1/lists/certificates.crl")
        assert read_crl(answer.content).find(int.from_bytes(held.serial_no)) is not None


async def test_wrong_proofs_and_broken_requests_are_named(rig: Rig) -> None:
    his, _ = await rig.certified()
    mine, foreign = PrivateKey.generate(), PrivateKey.generate()
    good = make_request(make_name("any"), mine)
    body = base64.b64decode("".join(good.splitlines()[1:-1]))
    at = body.index(mine.public.to_bytes())
    stolen = body[:at] + foreign.public.to_bytes() + body[at + 65 :]
    text = base64.b64encode(stolen).decode()
    forged = f"-----BEGIN CERTIFICATE REQUEST-----\n{text}\n-----END CERTIFICATE REQUEST-----\n"
    code = "certificate-request-refused"
    refused(await renewed(his, mine, csr=forged), 422, code, "PROOF")
    refused(await renewed(his, mine, csr="x" * 100), 422, code, "MALFORMED")
    both = {"csr": good, "chain": good}
    answer = await his.send("POST", TARGET, both, key="k1")
    refused(answer, 400, "malformed-request")
    answer = await his.send("POST", TARGET, {"csr": good})
    refused(answer, 400, "idempotency-key-missing")


async def test_somebody_else_s_key_and_certificate_are_refused(rig: Rig) -> None:
    his, held = await rig.certified()
    other, _ = await rig.certified()
    bare = await rig.application(rig.hospital, "bill")
    for foreign in (other.key, bare.key):
        refused(await renewed(his, foreign), 409, "certificate-key-taken")
    own = rig.ctx.public_ids.text(held.institution_id, held.certificate_id)
    path = f"{TARGET}/{own}/revocation"
    refused(await other.send("POST", path, {"reason": "unspecified"}), 404, "not-found")
    assert await works(his)
    answer = await renewed(his, PrivateKey.generate())
    assert answer.status_code == 201
    assert len((await his.send("GET", TARGET)).json()["certificates"]) == 2
    assert len((await other.send("GET", TARGET)).json()["certificates"]) == 1


async def test_four_certificates_are_enough(rig: Rig) -> None:
    his, _ = await rig.certified()
    for _ in range(3):
        assert (await renewed(his, PrivateKey.generate())).status_code == 201
    refused(await renewed(his, PrivateKey.generate()), 409, "too-many-certificates")


async def test_a_bare_key_goes_on_and_overlaps_with_the_first_certificate(rig: Rig) -> None:
    his = await rig.application(rig.hospital, "bill")
    assert await works(his)
    bare, key = his.key, PrivateKey.generate()
    assert (await renewed(his, key)).status_code == 201
    assert await works(his)
    his.key = key
    assert await works(his)
    rig.clock.advance(timedelta(days=7, seconds=1))
    assert await works(his)
    his.key = bare
    assert not await works(his)


async def test_a_certified_bare_key_counts_by_its_certificate_alone(rig: Rig) -> None:
    his = await rig.application(rig.hospital, "bill")
    answer = await renewed(his, his.key)
    assert answer.status_code == 201, answer.text
    assert await works(his)
    path = f"{TARGET}/{answer.json()['certificate_id']}/revocation"
    assert (await his.send("POST", path, {"reason": "keyCompromise"})).status_code == 200
    assert not await works(his)


async def test_required_certificates_turn_bare_keys_away(rig: Rig) -> None:
    bare = await rig.application(rig.hospital, "bill")
    his, _ = await rig.certified()
    policy = msgspec.structs.replace(rig.ctx.policy, certificates_required=True)
    strict = msgspec.structs.replace(rig.ctx, policy=policy)
    async with a_client(create_app(strict, CIPHER, PAGES)) as client:
        bare.client = his.client = client
        assert not await works(bare)
        assert await works(his)


async def test_everything_of_an_application_is_revoked_at_once(rig: Rig) -> None:
    his = await rig.application(rig.hospital, "bill")
    assert (await renewed(his, PrivateKey.generate())).status_code == 201
    _, application_id = rig.ctx.public_ids.parse(his.caller_id)
    gone = await certificates.revoke_all(
        rig.ctx, rig.hospital.institution_id, application_id, RevocationReason.KEY_COMPROMISE
    )
    assert gone == RevokedAll(certificates=1, bare_key=True)
    assert not await works(his)


async def test_rows_taken_away_or_changed_open_nothing(rig: Rig) -> None:
    his, held = await rig.certified()
    async with rig.ctx.pool.acquire() as conn:
        await conn.execute("update certificate set not_after = not_after + interval '1 day'")
        with pytest.raises(RowTampered):
            await certificates.held_by(rig.ctx, held.institution_id, held.holder_id)
        await conn.execute("delete from certificate")
        assert not await works(his), "the bare key does not come back"
        await conn.execute("update application set key_until = null")
        with pytest.raises(RowTampered):
            await certificates.revoke_all(
                rig.ctx, held.institution_id, held.holder_id, RevocationReason.UNSPECIFIED
            )


async def test_a_new_version_of_our_key_issues_and_the_old_one_still_counts(rig: Rig) -> None:
    his, _ = await rig.certified()
    ring = rig.ctx.ring.snapshot.rotated(
        KeyKind.CERTIFICATE_AUTHORITY, rig.clock.now(), life=100 * DAY, overlap=timedelta(0)
    )
    turned = msgspec.structs.replace(rig.ctx, ring=LiveRing(ring))
    async with a_client(create_app(turned, CIPHER, PAGES)) as client:
        his.client = client
        answer = await renewed(his, PrivateKey.generate())
        assert answer.status_code == 201, answer.text
        assert answer.json()["issuer"].startswith("CN=Yimatong Certificate Authority 2")
        assert await works(his)
        assert len(read_chain((await client.get("/v1/lists/certificates.pem")).text)) == 2
        lists = [
            read_crl((await client.get(f"/v1/lists/certificates.crl?authority={n}")).content)
            for n in (1, 2)
        ]
        assert lists[0].issuer != lists[1].issuer
    without_it = ring.without(KeyKind.CERTIFICATE_AUTHORITY, 1)
    gone = msgspec.structs.replace(rig.ctx, ring=LiveRing(without_it))
    async with a_client(create_app(gone, CIPHER, PAGES)) as client:
        his.client = client
        assert not await works(his), "a destroyed key's certificates count no more"


async def test_certificates_and_ended_keys_outlive_the_row_key_they_were_sealed_under(
    rig: Rig,
) -> None:
    his, _ = await rig.certified()
    moving = await rig.application(rig.hospital, "bill")
    assert (await renewed(moving, PrivateKey.generate())).status_code == 201
    rig.hand.rotate(rig.clock.now(), KeyKind.ROW_MAC)
    assert isinstance(rig.ctx.ring, LiveRing)
    assert rig.ctx.ring.refresh()
    rig.clock.advance(OVERLAP + timedelta(minutes=6))
    await rekey(rig.ctx)
    rig.hand.destroy(1, KeyKind.ROW_MAC)
    assert rig.ctx.ring.refresh()
    assert await works(his)
    assert await works(moving)


class Outside:
    """An authority that is not ours, and its folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = certify(ROOT, ROOT, authority(not_after=NOW + 300 * DAY))
        (folder / "root.pem").write_text(self.root.pem())
        self.publish()

    def publish(self, *revoked: int, number: int = 1) -> None:
        crl = a_crl(self.root, ROOT.key, *revoked, number=number)
        (self.folder / "root.crl").write_text(crl.pem())

    def chain(self, holder: Holder = HOSPITAL, serial: int = 0x51) -> tuple[str, int]:
        made = certify(holder, ROOT, caller(serial=bytes([serial] * 16)))
        return made.pem(), made.serial


async def outside_application(rig: Rig, chain: str) -> ApplicationCaller:
    held = await certificates.enrol_application(
        rig.ctx,
        rig.hospital.institution_id,
        name="测试系统",
        scopes=frozenset({"bill"}),
        wish=certificates.Wish(chain=chain),
    )
    return rig.caller(held, HOSPITAL.key)


async def test_an_outside_root_is_accepted_until_its_list_names_the_caller(
    rig: Rig, tmp_path: Path
) -> None:
    outside = Outside(tmp_path)
    chain, serial = outside.chain()
    his = await outside_application(rig, chain)
    assert await works(his)
    outside.publish(serial, number=2)
    rig.clock.advance(timedelta(seconds=5))
    assert not await works(his)


async def test_an_outside_caller_renews_under_its_own_name_only(rig: Rig, tmp_path: Path) -> None:
    outside = Outside(tmp_path)
    chain, _ = outside.chain()
    his = await outside_application(rig, chain)
    next_key = Holder(HOSPITAL.name)
    answer = await renewed(his, next_key.key, chain=outside.chain(next_key, 0x52)[0])
    assert answer.status_code == 201, answer.text
    his.key = next_key.key
    assert await works(his)
    stranger = Holder(make_name("Stranger"))
    answer = await renewed(his, stranger.key, chain=outside.chain(stranger, 0x53)[0])
    refused(answer, 422, "certificate-not-accepted", "SUBJECT_MISMATCH")
    ours, _ = await rig.certified()
    answer = await renewed(ours, stranger.key, chain=outside.chain(stranger, 0x53)[0])
    refused(answer, 422, "certificate-not-accepted", "SUBJECT_MISMATCH")


async def test_an_unknown_root_and_a_missing_list_are_refused(rig: Rig, tmp_path: Path) -> None:
    outside = Outside(tmp_path)
    chain, _ = outside.chain()
    his = await outside_application(rig, chain)
    (tmp_path / "root.pem").unlink()
    rig.clock.advance(timedelta(seconds=3))
    assert not await works(his)
    refused(await renewed_bare(rig, chain), 422, "certificate-not-accepted", "UNKNOWN_ISSUER")
    (tmp_path / "root.pem").write_text(outside.root.pem())
    (tmp_path / "root.crl").unlink()
    rig.clock.advance(timedelta(seconds=3))
    refused(await renewed_bare(rig, chain), 422, "certificate-not-accepted", "CRL_MISSING")


async def renewed_bare(rig: Rig, chain: str) -> httpx.Response:
    return await renewed(await rig.application(rig.hospital, "bill"), HOSPITAL.key, chain=chain)


def swap(here: Path, there: Path) -> None:
    """Move a folder."""
    here.rename(there)


async def test_a_broken_file_keeps_the_last_good_list_and_a_late_list_has_grace(
    rig: Rig, tmp_path: Path
) -> None:
    outside = Outside(tmp_path)
    chain, _ = outside.chain()
    his = await outside_application(rig, chain)
    (tmp_path / "root.crl").write_text("-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n")
    (tmp_path / "notes.txt").write_text("not looked at")
    rig.clock.advance(timedelta(days=8))
    assert await works(his)
    swap(tmp_path, tmp_path.with_name("away"))
    rig.clock.advance(timedelta(seconds=3))
    assert await works(his), "a folder that is not mounted takes no trust away"
    swap(tmp_path.with_name("away"), tmp_path)
    refused(await renewed_bare(rig, chain), 422, "certificate-not-accepted", "CRL_EXPIRED")
    rig.clock.advance(timedelta(days=7))
    assert not await works(his)
