"""The health-code format: vectors, issuing, trust lists, order of checks, state untouched."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from crypto.errors import BadEncoding, BadKey, CryptoError
from crypto.healthcode import text as code_text
from crypto.healthcode.context import Offer
from crypto.healthcode.describe import describe_verdict, inspect_text
from crypto.healthcode.index import Index, decrypt_index, find_index, index_key
from crypto.healthcode.issue import (
    CredentialRequest,
    Issuer,
    Moment,
    OnceRequest,
    PrintedRequest,
    issue_credential,
    issue_once,
    issue_printed,
    load_issuer,
    show_bound,
)
from crypto.healthcode.layout import (
    SIZES,
    BoundCode,
    Head,
    Kind,
    Purpose,
    code_id,
    enrol_message,
    parse,
)
from crypto.healthcode.refusal import (
    CodeRefused,
    Level,
    ListRefusal,
    ListRefused,
    Mark,
    OfferRefusal,
    Refusal,
)
from crypto.healthcode.trust import (
    TrustedKey,
    TrustList,
    Use,
    open_trust_list,
    sign_trust_list,
    trust_list_of,
    trusted_key,
)
from crypto.healthcode.trustfile import read_trust_file, write_trust_file
from crypto.healthcode.verify import CodeVerifier, Reader
from crypto.keyring import KeyKind, KeyRing
from crypto.sm2 import PrivateKey, PublicKey
from crypto.sm2_backend import Sm2Backend
from service.conformance.runner import judge_file
from tests.unit.crypto.health_code_vectors import FOLDER, all_documents, written

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
DAY = timedelta(days=1)
RING = KeyRing.generate_for_development(NOW)
ISSUERS = {kind: load_issuer(RING, kind, NOW) for kind in Kind}
INDEX = Index(record_id=b"record01", card=2, epoch=9)
ROOT = PrivateKey.generate()
ANY = Reader()
DOCUMENTS = cache(all_documents)


def s(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def trusted(issuer: Issuer) -> TrustedKey:
    return TrustedKey(
        key_id=issuer.key_id,
        public=issuer.signer.public,
        uses=frozenset({Use(issuer.kind)}),
        classes=frozenset(),
        sign_from=NOW - DAY,
        sign_until=NOW + 90 * DAY,
        verify_until=NOW + 2000 * DAY,
    )


TRUST = TrustList.of(
    sequence=3, made_at=NOW - DAY, next_at=NOW + DAY, keys=map(trusted, ISSUERS.values())
)


class Listed:
    """A revocation list held in memory."""

    def __init__(self, *code_ids: bytes, made_at: datetime = NOW) -> None:
        self.made_at = self.newest_made_at = made_at
        self._code_ids = code_ids

    def covering(self, _head: Head) -> "Listed":
        return self

    def holds(self, code_id: bytes) -> bool:
        return code_id in self._code_ids


def once(**changes: object) -> str:
    request = replace(OnceRequest(index=INDEX, code_class=1), **changes)
    return issue_once(ISSUERS[Kind.ONCE], request, NOW).text


@pytest.mark.parametrize(
    "name",
    [
        *("text", "one-time", "bound", "printed", "nonce"),
        *("trust", "revocation", "offer", "context", "reader"),
    ],
)
def test_the_published_vectors_hold_and_are_reproducible(name: str) -> None:
    path = FOLDER / f"{name}.json"
    assert path.read_text(encoding="utf-8") == written(DOCUMENTS()[f"{name}.json"])
    verdicts = list(judge_file(path))
    assert [verdict.id for verdict in verdicts if not verdict.passed] == []
    assert len({verdict.id for verdict in verdicts}) == len(verdicts) > 5


def errors_in(*sections: str) -> set[object]:
    return {
        case["expect"]["error"]
        for path in Path(FOLDER).glob("*.json")
        for section in sections
        for case in json.loads(path.read_text(encoding="utf-8")).get(section, [])
    }


def test_every_reason_not_to_take_a_list_or_an_offer_has_a_vector() -> None:
    assert errors_in("trust", "open_lists") == {None, *ListRefusal}
    assert errors_in("offer") == {None, *OfferRefusal} - {OfferRefusal.OFFER_ELSEWHERE}


def published(file: str, section: str) -> list[dict[str, Any]]:
    return list(json.loads((FOLDER / file).read_text(encoding="utf-8"))[section])


def test_the_vectors_hold_the_shortest_list_and_the_shortest_offer() -> None:
    """What a rule read one too narrow refuses: every new installation's list is the empty one."""
    lists = published("revocation.json", "open_lists")
    taken = [one["lists"][-1] for one in lists if not one["expect"]["error"]]
    assert min(map(len, taken)) == 91 * 2
    offers = published("offer.json", "offer")
    texts = [one["text"] for one in offers if not one["expect"]["error"]]
    assert min(len(code_text.decode_letters(text[5:])) for text in texts) == 248


def test_every_refusal_a_verifier_can_give_has_a_vector() -> None:
    callers = {"ALREADY_SHOWN", "SUPERSEDED", "FROZEN", "NO_SUCH_CARD"}
    assert errors_in("verify") - {None} == set(Refusal) - callers


def test_a_wrong_vector_fails(tmp_path: Path) -> None:
    document = json.loads((FOLDER / "one-time.json").read_text(encoding="utf-8"))
    for case in document["verify"]:
        case["expect"] = {"valid": not case["expect"]["valid"]}
    for case in document["issue"]:
        case["given"]["class"] += 1
    path = tmp_path / "wrong.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    assert [verdict.id for verdict in judge_file(path) if verdict.passed] == []


def test_all_kinds_issue_verify_and_lead_back(backend: Sm2Backend) -> None:
    issuers = {kind: load_issuer(RING, kind, NOW, backend=backend) for kind in Kind}
    holder = PrivateKey.generate(backend=backend)
    credential = issue_credential(
        issuers[Kind.BOUND],
        CredentialRequest(index=INDEX, code_class=1, holder_key=holder.public),
        NOW,
    )
    issued = {
        Kind.ONCE: issue_once(issuers[Kind.ONCE], OnceRequest(index=INDEX, code_class=1), NOW),
        Kind.PRINTED: issue_printed(
            issuers[Kind.PRINTED], PrintedRequest(index=INDEX, code_class=1, life_days=9), NOW
        ),
        Kind.BOUND: show_bound(credential, holder, Moment(at=NOW)),
    }
    lengths = {kind: len(code.text) for kind, code in issued.items()}
    assert lengths == {Kind.BOUND: 295, Kind.ONCE: 154, Kind.PRINTED: 153}
    for kind, code in issued.items():
        verdict = CodeVerifier(TRUST).verify(code.text, ANY, s(1), Listed())
        assert verdict.holds
        assert verdict.code_id == code.code_id
        assert verdict.level is (Level.IDENTIFIED if kind is Kind.PRINTED else Level.PRESENT)
        assert verdict.code is not None
        root = RING.current(KeyKind.INDEX_ROOT, NOW).material
        assert find_index([bytes(32), root], verdict.code) == INDEX
        assert find_index([bytes(32)], verdict.code) is None
        assert inspect_text(code.text)["code_id"] == code.code_id.hex()


def test_two_codes_of_one_second_are_two_codes() -> None:
    assert code_id(parse(code_text.decode(once()))) != code_id(parse(code_text.decode(once())))


def test_a_faulty_signature_is_never_released() -> None:
    class Faulty:
        public = ISSUERS[Kind.ONCE].signer.public

        def sign(self, _message: bytes) -> bytes:
            return b"\1" * 64

    issuer = replace(ISSUERS[Kind.ONCE], signer=Faulty())
    with pytest.raises(CryptoError, match="not released"):
        issue_once(issuer, OnceRequest(index=INDEX, code_class=1), NOW)


@pytest.mark.parametrize(
    "changes",
    [
        {"life_s": 0},
        {"life_s": 121},
        {"code_class": 256},
        {"code_class": -1},
        {"context": bytes(31)},
        {"index": replace(INDEX, card=65536)},
        {"index": replace(INDEX, epoch=-1)},
        {"index": replace(INDEX, record_id=b"short")},
    ],
)
def test_codes_out_of_range_are_not_issued(changes: dict[str, object]) -> None:
    with pytest.raises(BadEncoding):
        once(**changes)


def test_an_issuer_key_is_for_one_kind() -> None:
    with pytest.raises(BadKey):
        issue_once(ISSUERS[Kind.BOUND], OnceRequest(index=INDEX, code_class=1), NOW)
    with pytest.raises(BadKey):
        load_issuer(RING, Kind.ONCE, NOW + 20_000 * DAY)


def test_a_credential_is_shown_only_by_its_holder() -> None:
    holder = PrivateKey.generate()
    request = CredentialRequest(index=INDEX, code_class=1, holder_key=holder.public)
    credential = issue_credential(ISSUERS[Kind.BOUND], request, NOW)
    with pytest.raises(BadKey):
        show_bound(credential, PrivateKey.generate(), Moment(at=NOW))


def test_a_remembered_credential_still_needs_its_holder_and_its_time() -> None:
    holder = PrivateKey.generate()
    request = CredentialRequest(index=INDEX, code_class=1, holder_key=holder.public)
    credential = issue_credential(ISSUERS[Kind.BOUND], request, NOW)
    verifier = CodeVerifier(TRUST, remembered_max=1)
    first = show_bound(credential, holder, Moment(at=NOW))
    assert verifier.verify(first.text, ANY, s(1), Listed()).holds
    raw = bytearray(first.code.to_bytes())
    raw[128] += 1
    forged = verifier.verify(code_text.encode(bytes(raw)), ANY, s(1), Listed())
    assert forged.refusal is Refusal.HOLDER_SIGNATURE
    assert verifier.verify(first.text, ANY, s(61), Listed()).refusal is Refusal.STEP_OLD
    again = show_bound(credential, holder, Moment(at=s(60), seq=3))
    assert verifier.verify(again.text, ANY, s(61), Listed()).holds
    assert isinstance(first.code, BoundCode)
    assert isinstance(again.code, BoundCode)
    assert again.code.rise > first.code.rise
    listed = Listed(first.code_id)
    assert verifier.verify(again.text, ANY, s(61), listed).refusal is Refusal.REVOKED


def test_a_forged_code_is_not_remembered() -> None:
    holder = PrivateKey.generate()
    request = CredentialRequest(index=INDEX, code_class=1, holder_key=holder.public)
    shown = show_bound(
        issue_credential(ISSUERS[Kind.BOUND], request, NOW), holder, Moment(at=NOW)
    ).code.to_bytes()
    verifier = CodeVerifier(TRUST)
    for broken in (shown[:70] + b"\x55" + shown[71:], shown[:-1] + bytes((shown[-1] ^ 1,))):
        assert not verifier.verify(code_text.encode(broken), ANY, s(1), Listed()).holds
    assert len(verifier._remembered) == 0


def test_lists_of_any_age_say_what_they_can() -> None:
    printed = issue_printed(
        ISSUERS[Kind.PRINTED], PrintedRequest(index=INDEX, code_class=1, life_days=9), NOW
    )
    verifier = CodeVerifier(TRUST)
    fresh = verifier.verify(printed.text, ANY, s(600), Listed(made_at=NOW))
    assert fresh.marks == ()
    same_second = s(600) + timedelta(microseconds=999_999)
    assert verifier.verify(printed.text, ANY, same_second, Listed(made_at=NOW)).marks == ()
    old = verifier.verify(printed.text, ANY, s(601), Listed(made_at=NOW))
    assert old.marks == (Mark.LIST_OLD,)
    assert verifier.verify(once(), ANY, s(1)).marks == ()


def test_a_verdict_is_plain_json_without_the_index() -> None:
    written_verdict = json.dumps(describe_verdict(CodeVerifier(TRUST).verify(once(), ANY, s(1))))
    assert "7265636f72643031" not in written_verdict
    assert "record01" not in written_verdict
    assert "record01" not in repr(INDEX)


def test_index_keys_change_with_kind_key_class_and_day() -> None:
    head = parse(code_text.decode(once())).head
    root = ISSUERS[Kind.ONCE].index_root
    keys = {
        index_key(root, changed)
        for changed in (
            head,
            head._replace(key_id=head.key_id + 1),
            head._replace(code_class=head.code_class + 1),
            head._replace(issued=head.issued + 86400),
            head._replace(kind=Kind.BOUND),
        )
    }
    assert len(keys) == 5
    assert index_key(root, head._replace(issued=head.issued + 3600)) in keys
    code = parse(code_text.decode(once()))
    assert decrypt_index(bytes(16), code) is None


def test_readers_and_offers_check_their_fields() -> None:
    for context in (bytes(31), bytes(32)):
        with pytest.raises(BadEncoding):
            Reader(context=context)
    with pytest.raises(BadEncoding):
        Reader(context_required=True)
    good = Offer(
        purpose=Purpose.PAY,
        institution=bytes(18),
        terminal=bytes(8),
        challenge=bytes(16),
        bill_id=bytes(16),
        amount_fen=1,
    )
    assert len(good.context()) == 32
    for broken in (replace(good, terminal=b""), replace(good, amount_fen=-1)):
        with pytest.raises(BadEncoding):
            broken.context()


def test_enrolment_messages_have_fixed_fields() -> None:
    message = enrol_message(bytes(32), bytes(16), bytes(33))
    assert message.startswith(b"YM1 enrol\0")
    assert len(message) == 10 + 81
    with pytest.raises(CodeRefused):
        enrol_message(bytes(31), bytes(17), bytes(33))


def test_a_signed_trust_list_comes_back_whole() -> None:
    keys = [
        replace(TRUST.keys[ISSUERS[Kind.ONCE].key_id], classes=frozenset({0, 7, 255})),
        replace(TRUST.keys[ISSUERS[Kind.BOUND].key_id], uses=frozenset(Use), cut_off=NOW),
    ]
    listed = TrustList.of(sequence=3, made_at=NOW, next_at=NOW + DAY, keys=keys)
    blob = sign_trust_list(listed, ROOT)
    other = PrivateKey.generate().public
    assert open_trust_list(blob, [other, ROOT.public], newest_sequence=3) == listed
    with pytest.raises(ListRefused):
        open_trust_list(blob, [other])
    with pytest.raises(ListRefused):
        open_trust_list(blob, [ROOT.public], newest_sequence=4)


def test_broken_trust_lists_are_refused_even_when_signed() -> None:
    blob = sign_trust_list(TRUST, ROOT)
    body, entry = blob[:-64], len(blob[:-64]) - 15
    size = entry // 3
    bodies = [
        b"\2" + body[1:],
        body + b"\0",
        body[:-1],
        body[:13] + b"\0\2" + body[15:],
        body[:15] + body[15 + size : 15 + 2 * size] + body[15 : 15 + size] + body[15 + 2 * size :],
        body[:15] + body[15 : 15 + size] * 3,
        body[:50] + b"\0" + body[51:],
        body[:50] + b"\x08" + body[51:],
        body[:50] + b"\x40" + body[51:],
        body[:50] + b"\x80" + body[51:],
        body[:17] + b"\5" + body[18:],
    ]
    for broken in bodies:
        signed = broken + ROOT.sign(b"YM1 trust list\0" + broken)
        with pytest.raises(ListRefused):
            open_trust_list(signed, [ROOT.public])
    for at in range(0, len(blob), 11):
        flipped = blob[:at] + bytes((blob[at] ^ 1,)) + blob[at + 1 :]
        with pytest.raises(ListRefused):
            open_trust_list(flipped, [ROOT.public])
    with pytest.raises(ListRefused):
        open_trust_list(b"", [ROOT.public])


def test_a_trust_list_is_due_after_its_making() -> None:
    with pytest.raises(BadEncoding):
        sign_trust_list(replace(TRUST, next_at=TRUST.made_at), ROOT)


def test_two_trusted_keys_never_share_an_id() -> None:
    key = trusted(ISSUERS[Kind.ONCE])
    with pytest.raises(BadKey):
        TrustList.of(sequence=1, made_at=NOW, next_at=NOW, keys=[key, key])


def test_sizes_are_those_of_the_specification() -> None:
    assert SIZES == {Kind.BOUND: 194, Kind.ONCE: 100, Kind.PRINTED: 99}
    assert isinstance(ROOT.public, PublicKey)


def test_a_ring_rotated_under_load_never_fails_a_code() -> None:
    """Codes made by the old and the new key, at any instant around the rotation, all hold."""
    turn = NOW + timedelta(microseconds=700_000)
    overlap = timedelta(seconds=20)
    ring = RING.rotated(KeyKind.ISSUER_ONCE, turn, life=30 * DAY, overlap=overlap)
    listed = trust_list_of(ring, sequence=4, made_at=NOW - DAY, next_at=NOW + DAY)
    assert len(listed.keys) == 6
    verifier = CodeVerifier(
        read_trust_file(write_trust_file(sign_trust_list(listed, ROOT), [ROOT.public]))
    )
    request = OnceRequest(index=INDEX, code_class=1)
    for tenths in range(0, 300, 7):
        at = turn + timedelta(milliseconds=100 * tenths)
        for loaded in (RING, ring):
            if loaded is RING and at >= turn + overlap:
                continue
            issued = issue_once(load_issuer(loaded, Kind.ONCE, at), request, at)
            assert verifier.verify(issued.text, ANY, at).refusal is None


def test_only_keys_with_a_code_key_id_are_listed() -> None:
    uses = {use for key in RING.keys if key.code_key_id for use in trusted_key(key).uses}
    assert uses == set(Use)
    with pytest.raises(BadKey):
        trusted_key(RING.current(KeyKind.TOKEN, NOW))


def test_emergency_rules_of_the_ring_reach_the_verifier() -> None:
    def refusal(ring: KeyRing) -> Refusal | None:
        listed = trust_list_of(ring, sequence=1, made_at=NOW - DAY, next_at=NOW + DAY)
        return CodeVerifier(listed).verify(once(), ANY, s(2)).refusal

    half = timedelta(microseconds=500_000)
    assert refusal(RING) is None
    assert refusal(RING.cut_off_before(KeyKind.ISSUER_ONCE, 1, NOW)) is None
    assert refusal(RING.cut_off_before(KeyKind.ISSUER_ONCE, 1, NOW + half)) is Refusal.KEY_CLOSED
    assert refusal(RING.closed_after(KeyKind.ISSUER_ONCE, 1, NOW + half)) is None
    assert refusal(RING.closed_after(KeyKind.ISSUER_ONCE, 1, NOW)) is Refusal.KEY_CLOSED


def test_a_listed_life_is_never_longer_than_the_key_may_sign() -> None:
    key = replace(trusted(ISSUERS[Kind.ONCE]), life_max_s=60)
    listed = TrustList.of(sequence=1, made_at=NOW, next_at=NOW + DAY, keys=[key])
    verifier = CodeVerifier(open_trust_list(sign_trust_list(listed, ROOT), [ROOT.public]))
    assert verifier.verify(once(), ANY, NOW).holds
    assert verifier.verify(once(life_s=61), ANY, NOW).refusal is Refusal.KEY_NOT_FOR_KIND


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"form": "yimatong-trust/1", "roots": [], "trust_list": ""}',
        '{"form": "yimatong-trust/1", "roots": ["00"], "trust_list": "00"}',
        '{"form": "yimatong-trust/1", "roots": "x", "trust_list": "00"}',
        '{"form": "yimatong-trust/2", "roots": [], "trust_list": "00"}',
        '{"form": "yimatong-trust/1", "roots": [], "trust_list": "00", "more": 1}',
        "{" * 9999,
    ],
)
def test_other_files_are_no_trust_files(text: str) -> None:
    with pytest.raises(CryptoError):
        read_trust_file(text)


@pytest.mark.parametrize("text", ["", "YM1:", "YM1:00", code_text.encode(bytes(100))])
def test_inspecting_a_foreign_text_names_the_error(text: str) -> None:
    assert inspect_text(text)["error"] in {"CODE_MALFORMED", "CODE_UNSUPPORTED"}
