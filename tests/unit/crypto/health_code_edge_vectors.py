"""Vectors of codes at the very edge of a rule: one second, one mark or one offer further on."""

from datetime import datetime, timedelta

from crypto.healthcode import text as code_text
from crypto.healthcode.layout import code_id, parse
from tests.unit.crypto.health_code_more_vectors import STEP, bound, fresh, printed
from tests.unit.crypto.health_code_once_vectors import once
from tests.unit.crypto.health_code_parts import (
    INDEX_JSON,
    INDEX_ROOT,
    NARROW,
    NOW,
    case,
    context_of,
    nonce_hex,
    offer,
    refused,
    s,
    z,
)

Case = dict[str, object]
DAY_S, WEEK_S = 86_400, 7 * 86_400
MIDNIGHT = s(16 * 3600)
YEAR_S = 31_536_000
YEAR_TURNS = NOW + timedelta(seconds=YEAR_S - int(NOW.timestamp()) % YEAR_S)
"""A multiple of 31,536,000 seconds since 1970."""
PRESENT: Case = {"valid": True, "error": None, "level": "present", "marks": []}
INDEXED: Case = {"index_root": INDEX_ROOT.hex()}


def _made(at: datetime, *code_ids: bytes) -> Case:
    return {"revocations": {"made_at": z(at), "code_ids": [one.hex() for one in code_ids]}}


def _trust_dates() -> list[Case]:
    """A trust list from its making to a week past its next date."""
    old = PRESENT | {"marks": ["TRUST_LIST_OLD"]}
    moments = {
        "ok-made": (-10_800, "the second in which the trust list was made", PRESENT),
        "ok-before-next": (DAY_S - 1, "a second before the next date", PRESENT),
        "ok-at-next": (DAY_S, "the next date itself: marked", old),
        "ok-week": (DAY_S + WEEK_S - 1, "a second less than 7 days past it", old),
        "list-expired-week": (DAY_S + WEEK_S, "7 days past it", refused("TRUST_LIST_EXPIRED")),
    }
    return [
        case(f"once-{name}", once(name, issued=s(at)), s(at), why, expect)
        for name, (at, why, expect) in moments.items()
    ]


def once_edges() -> list[Case]:
    """More of the section ``verify`` of one-time.json."""
    plain, context = once("plain"), context_of(offer())
    beside: Case = {"wanted": "pay", "context": context.hex()}
    early, over = refused("NOT_YET_VALID"), refused("EXPIRED")
    indexed = PRESENT | {"index": INDEX_JSON}
    return [
        *_trust_dates(),
        case(
            "once-ok-signs-from",
            once("signs from", key_id=NARROW, issued=s(-7200)),
            s(-7200),
            "issued in the first second of the signing window",
            PRESENT,
        ),
        case(
            "once-ok-beside-offer",
            once("beside", purpose=2),
            s(1),
            "not bound, and the open offer does not demand it",
            PRESENT | {"purpose": "pay", "context_bound": False},
            reader=beside,
        ),
        case("once-off-early", plain, s(-31), "off by 31 s", early | {"off_by_s": 31}),
        case("once-off-late", plain, s(95), "over since 35 s", over | {"off_by_s": 35}),
        case("once-ok-clock", plain, s(0), "30 s before the newest list", PRESENT, **_made(s(30))),
        case(
            "once-clock-by-revocation-list",
            plain,
            s(0),
            "31 s before the newest list, though none is asked",
            refused("CLOCK_UNSURE"),
            **_made(s(31)),
        ),
        case(
            "once-ok-day-ends",
            once("day ends", issued=MIDNIGHT - timedelta(seconds=1)),
            MIDNIGHT,
            "issued in the last second of an index period",
            indexed,
            **INDEXED,
        ),
        case(
            "once-ok-day-begins",
            once("day begins", issued=MIDNIGHT),
            MIDNIGHT,
            "issued in the first second of the next",
            indexed,
            **INDEXED,
        ),
    ]


def _list_ages(plain: bytes) -> list[Case]:
    marked = PRESENT | {"marks": ["LIST_OLD"]}
    ages = {
        600: ("10 minutes are not older than 10 minutes", PRESENT),
        601: ("a second more: marked", marked),
        DAY_S: ("24 hours are not older than 24 hours", marked),
        DAY_S + 1: ("a second more: only identifies", marked | {"level": "identified"}),
    }
    return [
        case(f"bound-ok-list-{age}", plain, s(0), why, expect, revocations=fresh(age_s=age))
        for age, (why, expect) in ages.items()
    ]


def bound_edges() -> list[Case]:
    """More of the section ``verify`` of bound.json."""
    plain, context = bound("plain"), context_of(offer())
    paying = bound("pay", purpose=0x82, context=context)
    forged = paying[:123] + bytes((paying[123] ^ 1,)) + paying[124:]
    beside: Case = {"wanted": "pay", "context": context.hex()}
    near = code_id(parse(plain))[:15] + bytes((code_id(parse(plain))[15] ^ 1,))
    late, lists = bound("late", life=1, issued=s(-89)), _made(NOW)
    both = PRESENT | {"marks": ["TRUST_LIST_OLD", "LIST_OLD"]}
    sure = refused("CLOCK_UNSURE")
    return [
        *_list_ages(plain),
        case("bound-ok-clock", plain, s(0), "30 s before the list", PRESENT, **_made(s(30))),
        case(
            "bound-ok-beside-offer",
            bound("pay free", purpose=2),
            s(1),
            "not bound, and the open offer does not demand it",
            PRESENT | {"purpose": "pay", "context_bound": False},
            reader=beside,
            **lists,
        ),
        case(
            "bound-ok-two-marks",
            plain,
            s(0),
            "a trust list due and a list of 601 s: in this order",
            both,
            trust_list="due",
            revocations=fresh(age_s=601),
        ),
        case("bound-ok-near-id", plain, s(1), "15 of 16 bytes listed", PRESENT, **_made(NOW, near)),
        case(
            "bound-issuer-context-bit",
            forged,
            s(1),
            "bit 7, and not as the issuer signed it",
            refused("ISSUER_SIGNATURE"),
            reader=beside,
            **lists,
        ),
        case(
            "bound-off-early",
            bound("ahead", issued=s(32)),
            s(1),
            "off by 31 s",
            refused("NOT_YET_VALID") | {"off_by_s": 31},
        ),
        case("bound-off-late", late, s(1), "since 30 s", refused("EXPIRED") | {"off_by_s": 30}),
        case(
            "bound-order-clock-list", plain, s(0), "3", sure, trust_list="expired", **_made(s(31))
        ),
        case(
            "bound-ok-day-begins",
            bound("midnight", issued=MIDNIGHT, step=STEP + 16 * 120),
            MIDNIGHT,
            "issued in the first second of an index period",
            PRESENT | {"index": INDEX_JSON},
            **INDEXED,
            **_made(MIDNIGHT),
        ),
    ]


def _year_codes() -> dict[str, datetime]:
    return {"year-ends": YEAR_TURNS - timedelta(seconds=1), "year-begins": YEAR_TURNS}


def printed_edges() -> list[Case]:
    """More of the section ``verify`` of printed.json."""
    ok = PRESENT | {"level": "identified", "index": INDEX_JSON}
    late = printed("late", life=1, issued=s(-DAY_S))
    return [
        case(
            "printed-off-early",
            printed("ahead", issued=s(32)),
            s(1),
            "off by 31 s",
            refused("NOT_YET_VALID") | {"off_by_s": 31},
        ),
        case("printed-off-late", late, s(31), "over", refused("EXPIRED") | {"off_by_s": 31}),
        *(
            case(
                f"printed-ok-{name}",
                printed(name, issued=issued),
                YEAR_TURNS,
                "issued where one index period ends and the next begins",
                ok,
                trust_list="later",
                **INDEXED,
                **_made(YEAR_TURNS),
            )
            for name, issued in _year_codes().items()
        ),
    ]


def printed_issue_edges(plain: Case) -> list[Case]:
    """More of the section ``issue`` of printed.json, upon its plain case."""
    given = plain["given"]
    assert isinstance(given, dict)
    cases: list[Case] = []
    for name, issued in _year_codes().items():
        raw = printed(name, issued=issued)
        changed = {
            "issued_at": z(issued),
            "nonce": raw[11:19].hex(),
            "k": nonce_hex(f"printed {name}"),
        }
        expect = {
            "bytes": raw.hex(),
            "text": code_text.encode(raw),
            "code_id": code_id(parse(raw)).hex(),
        }
        cases.append({"id": f"printed-issue-{name}", "given": given | changed, "expect": expect})
    return cases
