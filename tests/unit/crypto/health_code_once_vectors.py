"""Vectors of the one-time kind: accepted, and for each rule one that breaks only that rule.

Refused codes are built byte by byte and signed over just those bytes.
"""

from datetime import datetime, timedelta

from crypto import curve
from crypto.healthcode import text as code_text
from crypto.healthcode.index import encrypt_index, index_key
from crypto.healthcode.layout import Purpose, code_id, parse
from crypto.sm3 import sm3
from service.conformance.health_code import FixedNonceSigner
from tests.unit.crypto.health_code_parts import (
    CUT,
    INDEX,
    INDEX_JSON,
    INDEX_ROOT,
    ISSUER,
    NARROW,
    NOW,
    ONCE,
    ONE_CLASS,
    PAST,
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


def once(
    label: str,
    *,
    key_id: int = ONCE,
    life: int = 60,
    issued: datetime = NOW,
    purpose: int = 0,
    context: bytes = bytes(32),
    version: int = 1,
    kind: int = 2,
    code_class: int = 1,
    prefix: int = 2,
    root: bytes = INDEX_ROOT,
) -> bytes:
    """A one-time code with these very fields, rightly signed over them."""
    start = head(kind, key_id, life, issued, version=version, code_class=code_class)
    before = start + bytes((purpose,)) + sm3(f"code nonce {label}".encode())[:8]
    like = parse(head(2, key_id, 60, issued, code_class=code_class) + bytes(89)).head
    part = before + encrypt_index(index_key(root, like), before, INDEX)
    return part + sign(ISSUER, label, PREFIX[prefix] + part + context)


def once_accepted() -> list[dict[str, object]]:
    bound = context_of(offer())
    ok = {"valid": True, "error": None, "level": "present", "marks": []}
    index = {"index_root": INDEX_ROOT.hex()}
    plain = once("plain")
    cases = [
        case(
            "once-ok-plain",
            plain,
            s(5),
            "shown five seconds after issue",
            ok
            | {
                "kind": "one-time",
                "key_id": "6302",
                "class": 1,
                "purpose": "identify",
                "issued_at": z(NOW),
                "expires_at": z(s(60)),
                "context_bound": False,
                "code_id": code_id(parse(plain)).hex(),
                "index": INDEX_JSON,
            },
            **index,
        ),
        case("once-ok-first-second", plain, s(-30), "a reader 30 s behind still accepts", ok),
        case("once-ok-last-second", plain, s(89), "life 60 s and 30 s of tolerance", ok),
        case("once-ok-longest-life", once("long", life=120), s(149), "life 120 s", ok),
        case("once-ok-shortest-life", once("short", life=1), s(30), "life 1 s", ok),
        case(
            "once-ok-class",
            once("class 2", key_id=ONE_CLASS, code_class=2),
            s(1),
            "a class the key may sign",
            ok | {"class": 2},
        ),
        case(
            "once-ok-window",
            once("window", key_id=NARROW, issued=s(-1)),
            s(1),
            "the last second of the signing window, verified after it",
            ok,
        ),
        case("once-ok-cut-off", once("cut", key_id=CUT), s(1), "issued at the cut-off itself", ok),
        case(
            "once-ok-list-due",
            plain,
            s(1),
            "trust list due since a day: marked",
            ok | {"marks": ["TRUST_LIST_OLD"]},
            trust_list="due",
        ),
        case(
            "once-ok-context",
            once("context", purpose=0x82, context=bound),
            s(1),
            "bound to the open offer",
            ok | {"purpose": "pay", "context_bound": True},
            reader={"wanted": "pay", "context": bound.hex(), "context_required": True},
        ),
        case(
            "once-ok-other-root",
            once("root", root=sm3(b"another root")),
            s(1),
            "the code holds; its index does not open",
            ok | {"index": None},
            **index,
        ),
    ]
    cases += [
        case(
            f"once-ok-purpose-{purpose.value}",
            once(purpose.name, purpose=purpose.value),
            s(1),
            "every known purpose identifies",
            ok | {"purpose": purpose.name.lower()},
        )
        for purpose in Purpose
    ]
    return cases


def once_malformed() -> list[dict[str, object]]:
    good = code_text.encode(once("plain"))
    bad = refused("CODE_MALFORMED")
    texts = {
        "empty": "",
        "prefix-only": "YM1:",
        "prefix": "YM2:" + good[4:],
        "lower-case": good.lower(),
        "leading-space": " " + good,
        "trailing-space": good + " ",
        "line-end": good + "\n",
        "letter": good[:50] + "/" + good[51:],
        "one-letter-more": good + "0",
        "cut-by-one": good[:-1],
        "cut-by-three": good[:-3],
        "over-two-bytes": good[:4] + ":::" + good[7:],
        "full-width": "ＹＭ１：" + good[4:],
        "too-long": "YM1:" + "0" * 308,
    }
    cases = [
        case(f"once-malformed-{name}", text, s(1), "the text is not in form", bad)
        for name, text in texts.items()
    ]
    raw = once("plain")
    cases += [
        case("once-malformed-life-0", once("life 0", life=0), s(1), "life 0", bad),
        case("once-malformed-life-121", once("life 121", life=121), s(1), "life over 120", bad),
        case("once-malformed-short", raw[:99], s(1), "99 bytes under the kind of 100", bad),
        case("once-malformed-long", raw + b"\0", s(1), "101 bytes under the kind of 100", bad),
        case("once-malformed-head", raw[:10], s(1), "shorter than the head", bad),
    ]
    unsupported = refused("CODE_UNSUPPORTED")
    cases += [
        case("once-unsupported-version", once("v2", version=2), s(1), "version 2", unsupported),
        case(
            "once-unsupported-kind-4", once("k4", kind=4), s(1), "kind 4 is reserved", unsupported
        ),
        case("once-unsupported-kind-0", once("k0", kind=0), s(1), "kind 0", unsupported),
    ]
    return cases


def once_refused() -> list[dict[str, object]]:
    plain, early = once("plain"), NOW - timedelta(hours=3, seconds=1)
    return [
        case(
            "once-clock",
            once("early", issued=early),
            early,
            "clock before the list was made",
            refused("CLOCK_UNSURE"),
        ),
        case(
            "once-list-expired",
            plain,
            s(1),
            "trust list due since eight days",
            refused("TRUST_LIST_EXPIRED"),
            trust_list="expired",
        ),
        case(
            "once-key-unknown",
            once("unknown", key_id=0x6399),
            s(1),
            "key id not listed",
            refused("KEY_UNKNOWN"),
        ),
        case(
            "once-key-kind",
            once("kind", key_id=PRINTED),
            s(1),
            "a key for printed codes",
            refused("KEY_NOT_FOR_KIND"),
        ),
        case(
            "once-key-class",
            once("class 3", key_id=ONE_CLASS, code_class=3),
            s(1),
            "a class the key may not sign",
            refused("KEY_NOT_FOR_KIND"),
        ),
        case(
            "once-key-before",
            once("before", key_id=NARROW, issued=s(-7201), life=120),
            s(-7201),
            "issued a second before the signing window",
            refused("KEY_CLOSED"),
        ),
        case(
            "once-key-after",
            once("after", key_id=NARROW),
            s(1),
            "issued as the signing window closed",
            refused("KEY_CLOSED"),
        ),
        case(
            "once-key-cut-off",
            once("cut-off", key_id=CUT, issued=s(-1)),
            s(1),
            "issued a second before the cut-off",
            refused("KEY_CLOSED"),
        ),
        case(
            "once-key-past",
            once("past", key_id=PAST),
            s(2),
            "verify-until reached",
            refused("KEY_CLOSED"),
        ),
        case("once-not-yet", plain, s(-31), "issued 31 s ahead", refused("NOT_YET_VALID")),
        case("once-expired", plain, s(90), "life and tolerance over", refused("EXPIRED")),
        case(
            "once-purpose-unknown",
            once("purpose 6", purpose=6),
            s(1),
            "purpose 6",
            refused("PURPOSE_MISMATCH"),
        ),
        case(
            "once-purpose-other",
            plain,
            s(1),
            "an identifying code must not pay",
            refused("PURPOSE_MISMATCH"),
            reader={"wanted": "pay"},
        ),
        case(
            "once-purpose-no-offer",
            once("no offer", purpose=0x82, context=context_of(offer())),
            s(1),
            "bound, and no offer is open",
            refused("PURPOSE_MISMATCH"),
            reader={"wanted": "pay"},
        ),
        case(
            "once-purpose-not-bound",
            once("not bound", purpose=2),
            s(1),
            "the till wants a bound code",
            refused("PURPOSE_MISMATCH"),
            reader={
                "wanted": "pay",
                "context": context_of(offer()).hex(),
                "context_required": True,
            },
        ),
        *once_forged(),
    ]


def once_forged() -> list[dict[str, object]]:
    bad, plain = refused("ISSUER_SIGNATURE"), once("plain")
    part, r, v = plain[:36], plain[36:68], plain[68:]
    negated = (curve.N - int.from_bytes(v, "big")).to_bytes(32, "big")
    message = PREFIX[2] + part + bytes(32)
    other_id = FixedNonceSigner(ISSUER, nonce_hex("id"))
    digest = ISSUER.public.digest(message, b"")
    foreign = sign(private_key("stranger"), "stranger", message)
    forged = {
        "bit": plain[:-1] + bytes((plain[-1] ^ 1,)),
        "index-bit": plain[:35] + bytes((plain[35] ^ 1,)) + plain[36:],
        "swapped": part + v + r,
        "negated-s": part + r + negated,
        "zero-r": part + bytes(32) + v,
        "r-is-n": part + curve.N.to_bytes(32, "big") + v,
        "stranger": part + foreign,
        "printed-prefix": once("plain", prefix=3),
        "no-context-bytes": part + sign(ISSUER, "no context", PREFIX[2] + part),
        "empty-user-id": part + other_id.sign_digest(digest),
    }
    cases = [
        case(f"once-signature-{name}", raw, s(1), "the issuer did not sign this", bad)
        for name, raw in forged.items()
    ]
    bound = once("context", purpose=0x82, context=context_of(offer()))
    changes: dict[str, object] = {
        "amount_fen": 12_346,
        "terminal": b"TERM0002".hex(),
        "bill_id": "00" * 16,
        "institution": "00" * 18,
        "challenge": "00" * 16,
        "purpose": "consent",
    }
    for name, value in changes.items():
        context = context_of(offer(**{name: value})).hex()
        cases.append(
            case(
                f"once-context-{name}",
                bound,
                s(1),
                f"another {name} in the offer",
                refused("CONTEXT_MISMATCH"),
                reader={"wanted": "pay", "context": context},
            )
        )
    return cases


def once_issue() -> list[dict[str, object]]:
    cases = []
    for name, purpose, context, life in (
        ("plain", 0, None, 60),
        ("context", 2, offer(), 60),
        ("long", 0, None, 120),
    ):
        bound = None if context is None else context_of(context)
        byte = purpose | (0x80 if bound else 0)
        raw = once(name, purpose=byte, context=bound or bytes(32), life=life)
        given: dict[str, object] = {
            "kind": "one-time",
            "key": "issuer",
            "key_id": "6302",
            "class": 1,
            "issued_at": z(NOW),
            "life": life,
            "purpose": Purpose(purpose).name.lower(),
            "nonce": raw[12:20].hex(),
            "index_root": INDEX_ROOT.hex(),
            "index": INDEX_JSON,
            "k": nonce_hex(name),
        }
        if bound is not None:
            given["context"] = bound.hex()
        cases.append(
            {
                "id": f"once-issue-{name}",
                "given": given,
                "expect": {
                    "bytes": raw.hex(),
                    "text": code_text.encode(raw),
                    "code_id": code_id(parse(raw)).hex(),
                },
            }
        )
    return cases
