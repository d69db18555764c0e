"""For every rule of the order of checks a bound and a printed code that breaks only that rule."""

from datetime import datetime, timedelta

from crypto import curve
from crypto.healthcode.layout import code_id, parse
from tests.unit.crypto.health_code_more_vectors import STEP, bound, fresh, printed
from tests.unit.crypto.health_code_parts import (
    BOUND,
    HOLDER,
    ONCE,
    SHORT,
    case,
    context_of,
    offer,
    refused,
    s,
    sign,
)

Case = dict[str, object]
AT = s(1)
LISTS: Case = {"revocations": fresh()}
P = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF


def _bound(name: str, raw: bytes, why: str, error: str, at: datetime = AT, **rest: object) -> Case:
    return case(f"bound-{name}", raw, at, why, refused(error), **(LISTS | rest))


def _printed(
    name: str, raw: bytes, why: str, error: str, at: datetime = AT, **rest: object
) -> Case:
    return case(f"printed-{name}", raw, at, why, refused(error), **(LISTS | rest))


def _bound_form_and_key(plain: bytes) -> list[Case]:
    return [
        _bound("version", bound("version 2", version=2), "version 2", "CODE_UNSUPPORTED"),
        _bound("kind-4", bound("kind 4", kind=4), "the reserved kind", "CODE_UNSUPPORTED"),
        _bound("malformed-longer", plain + b"\0", "195 bytes", "CODE_MALFORMED"),
        _bound("malformed-life-zero", bound("zero", life=0), "life 0", "CODE_MALFORMED"),
        _bound("clock", plain, "before the trust list", "CLOCK_UNSURE", s(-10_801)),
        _bound(
            "clock-by-revocation-list",
            plain,
            "31 s before the revocation list",
            "CLOCK_UNSURE",
            revocations=fresh(age_s=-32),
        ),
        _bound(
            "list-expired", plain, "due since 8 days", "TRUST_LIST_EXPIRED", trust_list="expired"
        ),
        _bound("key-unknown", bound("u", key_id=0x6399), "no such key", "KEY_UNKNOWN"),
        _bound("key-kind", bound("k", key_id=ONCE), "a key for one-time", "KEY_NOT_FOR_KIND"),
        _bound(
            "key-life",
            bound("long", key_id=SHORT, life=1441),
            "longer than this key's longest life, a day",
            "KEY_NOT_FOR_KIND",
        ),
        _bound(
            "key-before",
            bound("before", issued=s(-30 * 86_400 - 1), life=4320),
            "issued a second before the signing window",
            "KEY_CLOSED",
        ),
        _bound("not-yet", bound("ahead", issued=s(32)), "issued 31 s ahead", "NOT_YET_VALID"),
    ]


def _bound_purpose(plain: bytes) -> list[Case]:
    context = context_of(offer())
    paying = bound("pay", purpose=0x82, context=context)
    free = bound("pay free", purpose=2)
    other = bound("purpose 6", purpose=6)
    pay: Case = {"wanted": "pay"}
    demand = pay | {"context": context.hex(), "context_required": True}
    return [
        _bound("purpose-unknown", other, "purpose 6", "PURPOSE_MISMATCH"),
        _bound("purpose-other", plain, "shown to identify", "PURPOSE_MISMATCH", reader=pay),
        _bound("purpose-no-offer", paying, "no offer is open", "PURPOSE_MISMATCH", reader=pay),
        _bound("purpose-not-bound", free, "must be bound", "PURPOSE_MISMATCH", reader=demand),
        *(
            _bound(
                f"context-{name}",
                paying,
                f"another {name} in the offer",
                "CONTEXT_MISMATCH",
                reader=pay | {"context": context_of(offer(**{name: value})).hex()},
            )
            for name, value in {
                "terminal": b"TERM0002".hex(),
                "institution": "00" * 18,
                "bill_id": "00" * 16,
                "challenge": "00" * 16,
            }.items()
        ),
    ]


def _bound_signatures(plain: bytes) -> list[Case]:
    start, moment, last = plain[:60], plain[124:130], plain[130:]
    message = b"YM1 bound holder\0" + plain[:130]
    negated = (curve.N - int.from_bytes(last[32:], "big")).to_bytes(32, "big")
    issuers = {
        "bit": plain[:123] + bytes((plain[123] ^ 1,)) + plain[124:],
        "class": plain[:4] + b"\2" + plain[5:],
        "index": plain[:59] + bytes((plain[59] ^ 1,)) + plain[60:],
        "zero-r": start + bytes(32) + plain[92:],
        "stranger": start + sign(HOLDER, "self", b"YM1 bound issuer\0" + start) + plain[124:],
    }
    holders = {
        "bit": plain[:-1] + bytes((plain[-1] ^ 1,)),
        "purpose": plain[:129] + b"\1" + last,
        "negated-s": plain[:162] + negated,
        "zero-s": plain[:162] + bytes(32),
        "no-context-bytes": plain[:130] + sign(HOLDER, "none", message),
        "no-prefix": plain[:130] + sign(HOLDER, "bare", plain[:130] + bytes(32)),
        "older-step": plain[:124] + (STEP - 1).to_bytes(4, "big") + moment[4:] + last,
    }
    too_large = b"\2" + (P + 1).to_bytes(33, "big")[-32:]
    keys = {"form": b"\4" + bytes(32), "range": too_large}
    return [
        *(
            _bound(f"issuer-{name}", raw, "not as the issuer signed it", "ISSUER_SIGNATURE")
            for name, raw in issuers.items()
        ),
        *(
            _bound(f"holder-key-{name}", bound(f"key {name}", holder=key), "no key", "HOLDER_KEY")
            for name, key in keys.items()
        ),
        *(
            _bound(f"holder-{name}", raw, "not as the holder signed it", "HOLDER_SIGNATURE")
            for name, raw in holders.items()
        ),
    ]


def _order(plain: bytes) -> list[Case]:
    """Two rules broken: the earlier one names the error."""
    forged = plain[:123] + bytes((plain[123] ^ 1,)) + plain[124:]
    both = forged[:-1] + bytes((forged[-1] ^ 1,))
    stepped = bound("old", step=STEP - 2, purpose=6)
    listed = fresh(code_id(parse(plain)))
    pay: Case = {"wanted": "pay"}
    return [
        _bound("order-clock-key", bound("u", key_id=0x6399), "3, 4", "CLOCK_UNSURE", s(-10_801)),
        _bound(
            "order-key-time", bound("w", key_id=ONCE, life=1), "4, 5", "KEY_NOT_FOR_KIND", s(999)
        ),
        _bound("order-time-step", bound("d", life=1), "5, 6", "EXPIRED", s(150)),
        _bound("order-step-purpose", stepped, "6, 7", "STEP_OLD", s(0)),
        _bound("order-purpose-signature", forged, "7, 8", "PURPOSE_MISMATCH", reader=pay),
        _bound("order-issuer-holder", both, "8, 9", "ISSUER_SIGNATURE"),
        _bound("order-issuer-revoked", forged, "8, 10", "ISSUER_SIGNATURE", revocations=listed),
    ]


def bound_rules() -> list[Case]:
    """More of the section ``verify`` of bound.json."""
    plain = bound("plain")
    a_day = bound("a day", key_id=SHORT)
    late = bound("late", life=1, issued=s(-89))
    ok: Case = {"valid": True, "error": None, "level": "present", "marks": []}
    due = ok | {"marks": ["TRUST_LIST_OLD"]}
    return [
        case("bound-ok-key-life", a_day, s(1), "as long as the key may sign", ok, **LISTS),
        case("bound-ok-late", late, s(0), "over since 29 s", ok, **LISTS),
        case("bound-ok-early", bound("early", issued=s(30)), s(0), "30 s ahead", ok, **LISTS),
        case("bound-ok-list-due", plain, s(1), "a trust list due", due, trust_list="due", **LISTS),
        *_bound_form_and_key(plain),
        *_bound_purpose(plain),
        *_bound_signatures(plain),
        *_order(plain),
    ]


def printed_rules() -> list[Case]:
    """More of the section ``verify`` of printed.json."""
    plain = printed("plain")
    day = timedelta(days=1)
    ok: Case = {"valid": True, "error": None, "level": "identified"}
    late = printed("late", life=1, issued=s(-86_400))
    return [
        case("printed-ok-late", late, s(29), "over since 29 s", ok, **LISTS),
        case("printed-ok-no-list", plain, s(1), "no list", ok | {"marks": ["LIST_OLD"]}),
        _printed("version", printed("v", version=2), "version 2", "CODE_UNSUPPORTED"),
        _printed("malformed-length", plain + b"\0", "100 bytes", "CODE_MALFORMED"),
        _printed("malformed-life-zero", printed("zero", life=0), "life 0", "CODE_MALFORMED"),
        _printed("clock", plain, "before the trust list", "CLOCK_UNSURE", s(-10_801)),
        _printed("list-expired", plain, "", "TRUST_LIST_EXPIRED", trust_list="expired"),
        _printed("key-unknown", printed("u", key_id=0x6399), "no such key", "KEY_UNKNOWN"),
        _printed("key-kind", printed("k", key_id=BOUND), "a key for bound", "KEY_NOT_FOR_KIND"),
        _printed(
            "key-before",
            printed("before", issued=s(0) - 30 * day - timedelta(seconds=1)),
            "issued a second before the signing window",
            "KEY_CLOSED",
        ),
        _printed("not-yet", printed("ahead", issued=s(32)), "issued 31 s ahead", "NOT_YET_VALID"),
        _printed("expired", late, "over since 30 s", "EXPIRED", s(30)),
        _printed("signature", plain[:-1] + bytes((plain[-1] ^ 1,)), "a bit", "ISSUER_SIGNATURE"),
        _printed(
            "nonce",
            plain[:11] + bytes((plain[11] ^ 1,)) + plain[12:],
            "another nonce than was signed",
            "ISSUER_SIGNATURE",
        ),
        _printed("key-one-time", printed("o", key_id=ONCE), "one-time", "KEY_NOT_FOR_KIND"),
    ]
