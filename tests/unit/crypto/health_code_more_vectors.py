"""Vectors of the bound and printed kinds; shares keys and clock with the one-time ones."""

from datetime import datetime, timedelta

from crypto.healthcode import text as code_text
from crypto.healthcode.index import encrypt_index, index_key
from crypto.healthcode.layout import code_id, parse
from crypto.sm3 import sm3
from tests.unit.crypto.health_code_parts import (
    BOUND,
    HOLDER,
    INDEX,
    INDEX_JSON,
    INDEX_ROOT,
    ISSUER,
    NOW,
    PREFIX,
    PRINTED,
    case,
    context_of,
    head,
    nonce_hex,
    offer,
    private_key,
    refused,
    s,
    sign,
    z,
)

Sections = dict[str, list[dict[str, object]]]
STEP = int(NOW.timestamp()) // 30


def fresh(*code_ids: bytes, age_s: int = 0) -> dict[str, object]:
    made_at = NOW - timedelta(seconds=age_s)
    return {"made_at": z(made_at), "code_ids": [code_id.hex() for code_id in code_ids]}


def bound(
    label: str,
    *,
    holder: bytes | None = None,
    life: int = 1440,
    issued: datetime = NOW,
    step: int = STEP,
    seq: int = 0,
    purpose: int = 0,
    context: bytes = bytes(32),
    prefix: int = 1,
    signer: str = "holder",
    key_id: int = BOUND,
    code_class: int = 1,
    version: int = 1,
    kind: int = 1,
) -> bytes:
    """A bound code with these very fields, rightly signed twice."""
    key = HOLDER.public.compressed() if holder is None else holder
    start = head(kind, key_id, life, issued, version=version, code_class=code_class)
    like = parse(head(1, key_id, 1440, issued, code_class=code_class) + bytes(183)).head
    part = start + key + encrypt_index(index_key(INDEX_ROOT, like), start + key, INDEX)
    credential = part + sign(ISSUER, f"bound {label}", PREFIX[prefix] + part)
    shown = credential + step.to_bytes(4, "big") + bytes((seq, purpose))
    message = b"YM1 bound holder\0" + shown + context
    return shown + sign(private_key(signer), f"holder {label}", message)


def bound_cases() -> Sections:
    plain, ctx = bound("plain"), context_of(offer())
    ok = {"valid": True, "error": None, "level": "present", "marks": [], "kind": "bound"}
    shown_id = code_id(parse(plain))
    no_point = b"\x02" + (5).to_bytes(32, "big")
    lists = {"revocations": fresh()}
    pay = {"wanted": "pay", "context": ctx.hex()}
    paying = bound("pay", purpose=0x82, context=ctx)
    cases = [
        case(
            "bound-ok-plain",
            plain,
            s(5),
            "shown now",
            ok | {"step": STEP, "seq": 0, "code_id": shown_id.hex(), "index": INDEX_JSON},
            index_root=INDEX_ROOT.hex(),
            **lists,
        ),
        case(
            "bound-ok-step-before",
            bound("back", step=STEP - 1),
            s(29),
            "a step behind",
            ok,
            **lists,
        ),
        case(
            "bound-ok-step-after", bound("fore", step=STEP + 1), s(0), "a step ahead", ok, **lists
        ),
        case("bound-ok-context", paying, s(1), "bound to the open offer", ok, reader=pay, **lists),
        case(
            "bound-ok-list-old",
            plain,
            s(1),
            "revocation list of eleven minutes: marked",
            ok | {"marks": ["LIST_OLD"]},
            revocations=fresh(age_s=660),
        ),
        case(
            "bound-ok-list-useless",
            plain,
            s(1),
            "revocation list of a day: only identifies",
            ok | {"marks": ["LIST_OLD"], "level": "identified"},
            revocations=fresh(age_s=86_401),
        ),
        case(
            "bound-ok-no-list",
            plain,
            s(1),
            "no revocation list: only identifies",
            ok | {"marks": ["LIST_OLD"], "level": "identified"},
        ),
        case(
            "bound-malformed-life",
            bound("life", life=4321),
            s(1),
            "life over three days",
            refused("CODE_MALFORMED"),
        ),
        case("bound-malformed-length", plain[:-1], s(1), "193 bytes", refused("CODE_MALFORMED")),
        case(
            "bound-step-old",
            bound("old", step=STEP - 2),
            s(0),
            "two steps behind",
            refused("STEP_OLD") | {"off_by_s": 30},
        ),
        case(
            "bound-step-ahead",
            bound("ahead", step=STEP + 2),
            s(0),
            "two steps ahead",
            refused("STEP_AHEAD") | {"off_by_s": 60},
        ),
        case(
            "bound-expired",
            bound("dead", life=1, issued=s(-90)),
            s(0),
            "credential over",
            refused("EXPIRED"),
        ),
        case(
            "bound-prefix",
            bound("prefix", prefix=3),
            s(1),
            "issuer signed as printed",
            refused("ISSUER_SIGNATURE"),
            **lists,
        ),
        case(
            "bound-holder-key",
            bound("no point", holder=no_point),
            s(1),
            "not on the curve",
            refused("HOLDER_KEY"),
            **lists,
        ),
        case(
            "bound-holder",
            bound("thief", signer="thief"),
            s(1),
            "signed by another phone",
            refused("HOLDER_SIGNATURE"),
            **lists,
        ),
        case(
            "bound-holder-replayed-step",
            plain[:128] + b"\1" + plain[129:],
            s(1),
            "sequence raised by a stranger",
            refused("HOLDER_SIGNATURE"),
            **lists,
        ),
        case(
            "bound-context",
            paying,
            s(1),
            "another amount",
            refused("CONTEXT_MISMATCH"),
            reader=pay | {"context": context_of(offer(amount_fen=1)).hex()},
            **lists,
        ),
        case(
            "bound-revoked",
            plain,
            s(1),
            "its code id is listed",
            refused("REVOKED"),
            revocations=fresh(sm3(b"another")[:16], shown_id),
        ),
    ]
    given = {
        "kind": "bound",
        "key": "issuer",
        "key_id": "6301",
        "class": 1,
        "issued_at": z(NOW),
        "life": 1440,
        "holder": "holder",
        "shown_at": z(s(5)),
        "seq": 0,
        "purpose": "identify",
        "index_root": INDEX_ROOT.hex(),
        "index": INDEX_JSON,
        "k": nonce_hex("bound plain"),
        "holder_k": nonce_hex("holder plain"),
    }
    expect = {"bytes": plain.hex(), "text": code_text.encode(plain), "code_id": shown_id.hex()}
    return {"issue": [{"id": "bound-issue", "given": given, "expect": expect}], "verify": cases}


def printed(
    label: str,
    *,
    life: int = 365,
    issued: datetime = NOW,
    prefix: int = 3,
    key_id: int = PRINTED,
    version: int = 1,
) -> bytes:
    """A printed code with these very fields, rightly signed."""
    nonce = sm3(f"code nonce {label}".encode())[:8]
    start = head(3, key_id, life, issued, version=version) + nonce
    like = parse(head(3, key_id, 1, issued) + bytes(88)).head
    part = start + encrypt_index(index_key(INDEX_ROOT, like), start, INDEX)
    return part + sign(ISSUER, f"printed {label}", PREFIX[prefix] + part)


def printed_cases() -> Sections:
    plain = printed("plain")
    shown_id = code_id(parse(plain))
    ok = {"valid": True, "error": None, "level": "identified", "kind": "printed", "marks": []}
    lists = {"revocations": fresh()}
    cases = [
        case(
            "printed-ok",
            plain,
            s(5),
            "identifies, never more",
            ok | {"index": INDEX_JSON, "code_id": shown_id.hex()},
            index_root=INDEX_ROOT.hex(),
            **lists,
        ),
        case("printed-ok-longest", printed("long", life=1827), s(5), "five years", ok, **lists),
        case(
            "printed-malformed-life",
            printed("over", life=1828),
            s(5),
            "over five years",
            refused("CODE_MALFORMED"),
        ),
        case(
            "printed-purpose",
            plain,
            s(5),
            "paper cannot pay",
            refused("PURPOSE_MISMATCH"),
            reader={"wanted": "pay"},
            **lists,
        ),
        case(
            "printed-prefix",
            printed("prefix", prefix=2),
            s(5),
            "signed as one-time",
            refused("ISSUER_SIGNATURE"),
            **lists,
        ),
        case(
            "printed-revoked",
            plain,
            s(5),
            "its code id is listed",
            refused("REVOKED"),
            revocations=fresh(shown_id),
        ),
    ]
    given = {
        "kind": "printed",
        "key": "issuer",
        "key_id": "6303",
        "class": 1,
        "issued_at": z(NOW),
        "life": 365,
        "nonce": plain[11:19].hex(),
        "index_root": INDEX_ROOT.hex(),
        "index": INDEX_JSON,
        "k": nonce_hex("printed plain"),
    }
    expect = {"bytes": plain.hex(), "text": code_text.encode(plain), "code_id": shown_id.hex()}
    return {"issue": [{"id": "printed-issue", "given": given, "expect": expect}], "verify": cases}
