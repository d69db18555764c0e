"""Vectors of a phone: hedged nonces, the mixing of its key, its proof and its showings."""

from datetime import timedelta
from itertools import islice

from crypto import curve
from crypto.healthcode.holder import HolderRefused, clock_offset_s, enrol_proof
from crypto.healthcode.issue import CredentialRequest, Issuer, issue_credential
from crypto.healthcode.layout import Kind
from crypto.hedged import HedgedSigner, candidates, first_below, mixed_key
from crypto.sm3 import sm3
from service.conformance.health_code import FixedNonceSigner
from service.conformance.holder import read_offer, show
from tests.unit.crypto.health_code_parts import (
    BOUND,
    HOLDER,
    INDEX,
    INDEX_ROOT,
    ISSUER,
    NOW,
    document,
    nonce_hex,
    offer,
    s,
    z,
)

NOTE = {
    "form": "docs/health-code-format.md; all bytes in lower-case hex, instants in RFC 3339",
    "nonce": "candidates are the generator's outputs in order; k the first in [1, n-1], or, to"
    " show a rejection, the first in [1, below-1]",
    "holder_key": "a phone's key from 32 fresh bytes and the server's 32 bytes of entropy",
    "enrol": "the proof of possession, its nonce made of the fresh bytes",
    "show": "the code that a phone shows at its own clock `now`, or why it shows none",
    "show_checks": "more of show; `clock_offset_s` null: no round trip told the time;"
    " `offer_expires_at`: when the offer's life is over",
    "clock": "server minus local time by one round trip, or why it tells none",
    "keys": "public test keys: they sign these examples and nothing else",
}
LIFE_MIN = 2880
Case = dict[str, object]


def fresh(label: str) -> bytes:
    return sm3(b"fresh bytes " + label.encode())


def credential() -> bytes:
    issuer = Issuer(
        kind=Kind.BOUND,
        key_id=BOUND,
        signer=FixedNonceSigner(ISSUER, nonce_hex("holder credential")),
        index_root=INDEX_ROOT,
    )
    request = CredentialRequest(
        index=INDEX, code_class=1, holder_key=HOLDER.public, life_min=LIFE_MIN
    )
    return issue_credential(issuer, request, NOW)


def nonces() -> list[Case]:
    givens = [
        (HOLDER.to_bytes(), sm3(b"digest"), fresh("1")),
        (HOLDER.to_bytes(), sm3(b"digest"), fresh("2")),
        (HOLDER.to_bytes(), sm3(b"another digest"), fresh("1")),
        (ISSUER.to_bytes(), sm3(b"digest"), fresh("1")),
        ((1).to_bytes(32, "big"), bytes(32), bytes(32)),
        ((curve.N - 2).to_bytes(32, "big"), b"\xff" * 32, b"\xff" * 32),
    ]
    cases: list[Case] = []
    for number, given in enumerate(givens, 1):
        key, digest, fresh32 = given
        outputs = list(islice(candidates(*given), 3))
        case: Case = {"id": f"nonce-{number}", "key": key.hex(), "digest": digest.hex()}
        case |= {"fresh": fresh32.hex()}
        expect = {"candidates": [out.hex() for out in outputs], "k": outputs[0].hex()}
        cases.append(case | {"expect": expect})
        below = int.from_bytes(min(outputs[0], outputs[1]), "big") + 1
        if outputs[1] < outputs[0]:
            k = first_below(candidates(*given), below)
            rejected = case | {"id": f"nonce-{number}-rejected", "below": f"{below:064x}"}
            cases.append(rejected | {"expect": expect | {"k": f"{k:064x}"}})
    return cases


def keys() -> list[Case]:
    cases: list[Case] = []
    for number, (fresh32, entropy) in enumerate(
        ((fresh("key"), sm3(b"entropy")), (fresh("key"), bytes(32)), (bytes(32), sm3(b"entropy"))),
        1,
    ):
        key = mixed_key(fresh32, entropy)
        case: Case = {"id": f"key-{number}", "fresh": fresh32.hex(), "entropy": entropy.hex()}
        expect = {"key": key.to_bytes().hex(), "holder_key": key.public.compressed().hex()}
        cases.append(case | {"expect": expect})
    return cases


def enrolments() -> list[Case]:
    cases: list[Case] = []
    for number in (1, 2):
        challenge, account = sm3(b"challenge %d" % number), sm3(b"account %d" % number)[:16]
        drawn = fresh(f"enrol {number}")

        def signer(key: object, drawn: bytes = drawn) -> HedgedSigner:
            return HedgedSigner(HOLDER, random_bytes=lambda _size: drawn)

        proof = enrol_proof(HOLDER, challenge, account, signer_of=signer)
        case: Case = {"id": f"enrol-{number}", "key": "holder", "challenge": challenge.hex()}
        case |= {"account": account.hex(), "fresh": drawn.hex(), "expect": {"proof": proof.hex()}}
        cases.append(case)
    return cases


def showing(case_id: str, seconds: int, **more: object) -> Case:
    """One showing with what must come out."""
    case: Case = {
        "id": f"show-{case_id}",
        "key": "holder",
        "credential": credential().hex(),
        "now": z(s(seconds)),
        "clock_offset_s": 0,
        "last_rise": 0,
        "purpose": "identify",
        "fresh": fresh(f"show {case_id}").hex(),
    } | more
    try:
        shown = show(ISSUER if case["key"] == "issuer" else HOLDER, case)
    except HolderRefused as refused:
        return case | {"expect": {"error": refused.reason.value}}
    raw = shown.issued.code.to_bytes().hex()
    expect = {"text": shown.issued.text, "bytes": raw, "last_rise": shown.last_rise}
    return case | {"expect": expect}


def showings() -> list[Case]:
    step = int(NOW.timestamp()) // 30
    life = LIFE_MIN * 60
    return [
        showing("identify", 45),
        showing("pay", 45, purpose="pay"),
        showing("refreshed", 45, last_rise=(step + 1) * 256 + 6),
        showing("next-step", 45, last_rise=step * 256 + 255),
        showing("phone-ahead", 7245, clock_offset_s=-7200),
        showing("phone-behind", -7155, clock_offset_s=7200),
        showing("offer", 45, purpose="pay", offer=offer()),
        showing("last-second", life - 1),
        showing("expired", life),
        showing("expired-by-the-server", life - 10, clock_offset_s=10),
        showing("earliest", -30),
        showing("too-early", -31),
        showing("all-spent", 45, last_rise=(step + 1) * 256 + 255),
        showing("clock-set-back", 45, last_rise=(step + 2) * 256),
        showing("other-purpose", 45, offer=offer()),
    ]


def checked_showings() -> list[Case]:
    """What a phone asks of itself before it signs; of two reasons the earlier one is named."""
    step, life = int(NOW.timestamp()) // 30, LIFE_MIN * 60
    paying: Case = {"purpose": "pay", "offer": offer()}
    mixed: Case = {"offer": offer(), "offer_expires_at": z(s(10))}
    return [
        showing("offer-last-second", 45, **paying, offer_expires_at=z(s(16))),
        showing("offer-over", 45, **paying, offer_expires_at=z(s(15))),
        showing("offer-over-there", 40, **paying, offer_expires_at=z(s(15)), clock_offset_s=5),
        showing("not-mine", 45, key="issuer"),
        showing("clock-unsure", 45, clock_offset_s=None),
        showing("order-not-mine-clock", 45, key="issuer", clock_offset_s=None),
        showing("order-clock-purpose", 45, clock_offset_s=None, offer=offer()),
        showing("order-purpose-offer", 45, **mixed),
        showing("order-offer-expired", life, **(mixed | {"purpose": "pay"})),
        showing("order-purpose-expired", life, offer=offer()),
        showing("order-expired-behind", life, last_rise=(step + life) * 256),
        showing("order-early-behind", -31, last_rise=(step + 2) * 256),
    ]


def round_trips() -> list[Case]:
    trips = {
        "at-once": (0, 0, 7200),
        "middle": (0, 10, 5),
        "longest": (100, 120, 0),
        "too-long": (100, 121, 0),
        "backwards": (100, 99, 100),
    }
    cases: list[Case] = []
    for name, (sent, received, server) in trips.items():
        try:
            expect: Case = {"clock_offset_s": int(clock_offset_s(s(sent), s(received), s(server)))}
        except HolderRefused as refused:
            expect = {"error": refused.reason.value}
        times = {"sent": z(s(sent)), "received": z(s(received)), "server_time": z(s(server))}
        cases.append({"id": f"clock-{name}", **times, "expect": expect})
    return cases


def nonce_document() -> dict[str, object]:
    """The whole of ``nonce.json``."""
    shared = document()
    return {
        "form": shared["form"],
        "note": NOTE,
        "keys": shared["keys"],
        "nonce": nonces(),
        "holder_key": keys(),
        "enrol": enrolments(),
        "show": showings(),
        "show_checks": checked_showings(),
        "clock": round_trips(),
        "verify": accepted(),
        "root": shared["root"],
        "trust_lists": shared["trust_lists"],
    }


def accepted() -> list[Case]:
    """What a reader says to two of the showings."""
    cases: list[Case] = []
    for shown in (showing("identify", 45), showing("offer", 45, purpose="pay", offer=offer())):
        expected = shown["expect"]
        assert isinstance(expected, dict)
        fields = shown.get("offer")
        reader: Case = {"wanted": shown["purpose"]}
        if isinstance(fields, dict):
            reader |= {"context": read_offer(fields).context().hex(), "context_required": True}
        case: Case = {
            "id": f"reader-{shown['id']}",
            "why": "a code that a phone showed",
            "text": expected["text"],
            "now": z(NOW + timedelta(seconds=50)),
            "reader": reader,
            "expect": {"valid": True, "error": None},
        }
        cases.append(case)
    return cases
