"""Vectors of lists, deltas and offers at the very edge of a rule, and of what may not be shown."""

from array import array
from dataclasses import replace
from datetime import timedelta

from crypto.healthcode.layout import code_id, parse
from crypto.healthcode.revocation import LIST_MAX, ListScope, RevocationDelta, make_delta
from crypto.healthcode.rice import COUNT_MAX
from crypto.healthcode.trust import LIST_MAX as TRUST_MAX
from crypto.healthcode.trust import Use
from tests.unit.crypto.health_code_list_vectors import (
    IDS,
    MINUTE,
    full_list,
    given_list,
    list_blob,
    list_taken,
    open_case,
)
from tests.unit.crypto.health_code_more_vectors import bound
from tests.unit.crypto.health_code_offer_vectors import (
    DAY,
    NAME,
    certificate_of,
    offer_case,
    offer_taken,
    offer_text,
    vouched,
)
from tests.unit.crypto.health_code_parts import NOW, ONCE, case, refused, s, trusted, z
from tests.unit.crypto.health_code_trust_vectors import (
    PLAIN,
    forged_trust,
    signed_trust,
    trust_case,
    trust_of,
    trust_taken,
)

Case = dict[str, object]
SECOND = timedelta(seconds=1)
OLD, NEW = full_list(given_list(IDS[:10])), full_list(given_list(IDS[2:], 44))
FULL, DELTA = list_blob(OLD, "old"), make_delta(OLD, NEW)
STEP_BLOB = list_blob(DELTA, "delta")


def _wrong(name: str, why: str, delta: RevocationDelta, error: str = "LIST_WRONG_BASE") -> Case:
    return open_case(name, why, error, FULL, list_blob(delta, name))


def open_lists_edges() -> list[Case]:
    """More of the section ``open_lists``."""
    none, first = array("Q"), OLD.entries[:1]
    same = replace(OLD, sequence=44)
    upon = replace(DELTA, removed=none, added=none, digest=same.digest())
    wide = replace(NEW, width=64)
    at_once = replace(DELTA, made_at=OLD.made_at)
    beyond = array("Q", [*DELTA.removed, 10])
    nobody = full_list(given_list([]))
    return [
        open_case(
            "ok-empty",
            "nothing is revoked: the shortest list, 91 bytes",
            list_taken(nobody),
            list_blob(nobody, "nobody"),
        ),
        open_case(
            "ok-restart",
            "the delta's own sequence was seen, the full list's is older",
            list_taken(NEW),
            FULL,
            STEP_BLOB,
            newest_sequence=44,
        ),
        open_case(
            "rolled-back-delta",
            "what comes out is older than what was seen",
            "LIST_ROLLED_BACK",
            FULL,
            STEP_BLOB,
            newest_sequence=45,
        ),
        open_case(
            "ok-delta-at-once",
            "a delta made in its base's second",
            list_taken(replace(NEW, made_at=OLD.made_at)),
            FULL,
            list_blob(at_once, "at once"),
        ),
        open_case(
            "base-scope",
            "a delta of another scope",
            "LIST_WRONG_BASE",
            list_blob(replace(OLD, scope=ListScope.PRINTED), "scope"),
            STEP_BLOB,
        ),
        _wrong("delta-back", "made before its base", replace(DELTA, made_at=OLD.made_at - SECOND)),
        _wrong("added-held", "adds an entry of its base", replace(upon, added=first)),
        _wrong(
            "added-removed",
            "adds the entry that it removes",
            replace(upon, removed=array("Q", [0]), added=first),
        ),
        _wrong(
            "delta-width",
            "of another width, its digest too",
            replace(DELTA, width=64, digest=wide.digest()),
        ),
        _wrong(
            "position-behind",
            "the digest fits if position 10 of 10 entries is passed over",
            replace(DELTA, removed=beyond),
        ),
        _wrong(
            "malformed-position",
            "a position of 2^32",
            replace(DELTA, removed=array("Q", [*DELTA.removed, 1 << 32])),
            "LIST_MALFORMED",
        ),
    ]


def filled_lists() -> dict[str, list[Case]]:
    """Sizes, and counts of numbers that are too long to be written out."""

    def filled(name: str, size: int, error: str) -> Case:
        given = open_case(f"filled-{name}", f"{size} bytes", error, FULL)
        return given | {"zeros": size - len(FULL)}

    def grown() -> Case:
        before = replace(OLD, entries=array("Q", [1 << 47]))
        added = array("Q", range(COUNT_MAX))
        after = replace(before, sequence=44, entries=array("Q", [*added, 1 << 47]))
        delta = replace(
            DELTA, removed=array("Q"), added=added, made_at=OLD.made_at, digest=after.digest()
        )
        blob, zeros = list_blob(delta, "grown"), COUNT_MAX // 8
        why = f"{COUNT_MAX} entries upon one: a list of one too many"
        given = open_case(
            "filled-delta-over",
            why,
            "LIST_WRONG_BASE",
            list_blob(before, "one"),
            blob[: -64 - zeros],
        )
        return given | {"zeros": zeros, "behind": blob[-64:].hex()}

    def section(name: str, count: int, expect: int | None) -> Case:
        given: Case = {"id": f"rice-filled-{name}", "why": f"0 to {count - 1}", "width": 48}
        head = b"\0" + count.to_bytes(4, "big")
        given |= {"section": head.hex(), "zeros": (count + 7) // 8}
        return given | {"expect": {"count": expect}}

    return {
        "rice_filled": [
            section("most", COUNT_MAX, COUNT_MAX),
            section("over", COUNT_MAX + 1, None),
        ],
        "open_lists_filled": [
            filled("most", LIST_MAX, "LIST_SIGNATURE"),
            filled("over", LIST_MAX + 1, "LIST_MALFORMED"),
            grown(),
        ],
    }


def revoked_edges() -> list[Case]:
    """More of the section ``verify`` of revocation.json."""
    code = bound("plain")
    mine = code_id(parse(code))

    def held(label: str, code_ids: list[bytes], sequence: int = 44, **changes: object) -> str:
        listed = full_list(given_list(code_ids, sequence, **changes))
        return list_blob(listed, f"held {label}").hex()

    def judged(name: str, why: str, expect: Case, *lists: str) -> Case:
        return case(f"revoked-{name}", code, s(1), why, expect, lists=list(lists))

    def of_province(made_s: int) -> Case:
        return {"class": 0, "made_at": z(s(made_s)), "next_at": z(s(made_s + 300))}

    ok: Case = {"valid": True, "error": None, "level": "present", "marks": []}
    none: Case = ok | {"level": "identified", "marks": ["LIST_OLD"], "not_revoked_as_of": None}
    revoked = refused("REVOKED")
    clear, listed = held("clear", IDS), held("mine", [mine, *IDS])
    forged = listed[:-2] + f"{int(listed[-2:], 16) ^ 1:02x}"
    before, after = full_list(given_list(IDS)), full_list(given_list([mine, *IDS], 44))
    step = list_blob(make_delta(before, after), "step to mine").hex()
    elsewhere = replace(make_delta(before, after), base=40)
    unfit = list_blob(elsewhere, "step from 40").hex()
    base, base_made = held("base", IDS, 41), z(NOW - 3 * MINUTE)
    return [
        judged(
            "empty",
            "nobody is revoked",
            ok | {"not_revoked_as_of": z(NOW)},
            held("empty", []),
        ),
        judged("by-delta", "the delta adds it", revoked, base, step),
        judged(
            "delta-unfit",
            "a delta upon another list is refused: its base stays",
            ok | {"not_revoked_as_of": base_made},
            base,
            unfit,
        ),
        judged("delta-alone", "a delta without a list: none is held", none, step),
        judged(
            "forged-passed-over",
            "a list that is refused leaves the one before",
            ok | {"not_revoked_as_of": z(NOW)},
            clear,
            forged,
        ),
        judged("forged-alone", "a list that is refused is not held", none, forged),
        judged("older-passed-over", "rolled back", ok, clear, held("stale", [mine], 43)),
        judged(
            "made-not-sequence-class",
            "the class's list is newer, with the lower sequence",
            ok | {"not_revoked_as_of": z(NOW)},
            held("p", [mine], 50, **of_province(-60)),
            clear,
        ),
        judged(
            "made-not-sequence-province",
            "the province's list is newer, with the lower sequence",
            ok | {"not_revoked_as_of": z(NOW)},
            held("own", [mine], 44, made_at=z(s(-60))),
            held("p low", IDS, 7, **of_province(0)),
        ),
        judged(
            "same-second-class",
            "made in the same second: the class's list answers",
            revoked,
            held("p same", IDS, 7, **of_province(0)),
            listed,
        ),
        judged(
            "same-second-province",
            "made in the same second: the province's is not asked",
            ok,
            held("p mine", [mine], 50, **of_province(0)),
            clear,
        ),
    ]


def trust_edges() -> dict[str, list[Case]]:
    """More of trust.json."""
    other = trust_of(7, trusted(ONCE, Use.ONCE))
    closed = trust_of(8, trusted(ONCE, Use.ONCE, sign_until=NOW - 30 * DAY))
    plain = signed_trust(PLAIN, "plain")
    body = bytes.fromhex(plain)[:-64]
    made = int(NOW.timestamp())

    def next_at(name: str, at: int) -> str:
        return forged_trust(name, body[:9] + at.to_bytes(4, "big") + body[13:])

    def filled(name: str, size: int, error: str) -> Case:
        given = trust_case(f"filled-{name}", plain, f"{size} bytes", error)
        return given | {"zeros": size - len(plain) // 2}

    return {
        "trust": [
            trust_case(
                "ok-same-sequence-other",
                signed_trust(other, "other"),
                "the newest sequence with other content",
                trust_taken(other),
                newest_sequence=7,
            ),
            trust_case(
                "ok-window-empty",
                signed_trust(closed, "closed"),
                "signs-until is signs-from",
                trust_taken(closed),
            ),
            trust_case("next-made", next_at("a", made), "next is made", "LIST_MALFORMED"),
            trust_case("next-before", next_at("b", made - 1), "next before it", "LIST_MALFORMED"),
        ],
        "trust_filled": [
            filled("most", TRUST_MAX, "LIST_SIGNATURE"),
            filled("over", TRUST_MAX + 1, "LIST_MALFORMED"),
        ],
    }


HIDDEN_ENDS = (
    *(0x00, 0x1F, 0x7F, 0x9F, 0xAD, 0x61C, 0x200B, 0x200F, 0x2028, 0x202E, 0x2060, 0x206F),
    *(0xFEFF, 0xFFF9, 0xFFFC, 0xE0000, 0xE0FFF),
)
SHOWN_BESIDE = (
    *(0x20, 0x7E, 0xA0, 0xAC, 0xAE, 0x61B, 0x61D, 0x200A, 0x2010, 0x2027, 0x202F, 0x205F, 0x2070),
    *(0xFEFE, 0xFF00, 0xFFF8, 0xFFFD, 0xDFFFF, 0xE1000),
)
NOT_UTF8 = {
    "overlong": b"a\xc0\xaf",
    "surrogate": b"\xed\xa0\x80",
    "beyond": b"\xf4\x90\x80\x80",
    "cut": b"a\xe5\x90",
}


def _names() -> list[Case]:
    plain, cert = offer_text("plain", certificate_of("plain")), certificate_of("plain")[:-64]

    def named(name: str, why: str, raw: bytes) -> Case:
        text = vouched(name, plain, cert[:70] + bytes((len(raw),)) + raw)
        return offer_case(f"till-{name}", text, why, "TILL_MALFORMED")

    shown = "".join(map(chr, SHOWN_BESIDE))
    return [
        *(named(f"name-{at:04x}", f"U+{at:04X}", f"a{chr(at)}b".encode()) for at in HIDDEN_ENDS),
        named("name-feff-first", "a leading U+FEFF", "\ufeffab".encode()),
        *(named(f"name-{what}", "not UTF-8", raw) for what, raw in NOT_UTF8.items()),
        *(
            offer_case(
                f"ok-name-{part}",
                offer_text(f"name {part}", certificate_of(f"name {part}", name=name)),
                "what stands beside the ranges is shown",
                offer_taken(name),
            )
            for part, name in enumerate((shown[:10], shown[10:]), 1)
        ),
    ]


def offer_edges() -> list[Case]:
    """More of the section ``offer``."""
    hour_ago = NOW - timedelta(hours=1)
    early = certificate_of("at 30", issued=s(30))
    year = certificate_of("366 days", until=hour_ago + 366 * DAY)
    plain = offer_text("plain", certificate_of("plain"))
    over = int((hour_ago + 366 * DAY + SECOND).timestamp()).to_bytes(4, "big")
    cert = certificate_of("plain")[:-64]
    too_long = vouched("366 days 1", plain, cert[:7] + over + cert[11:])
    due = "a trust list due does not stop an offer"
    return [
        offer_case("ok-till-early", offer_text("e", early), "certified 30 s ahead", offer_taken()),
        offer_case("ok-till-year", offer_text("y", year), "366 days", offer_taken()),
        offer_case("till-until-second", too_long, "366 days and a second", "TILL_MALFORMED"),
        offer_case(
            "ok-shortest",
            offer_text("shortest", certificate_of("shortest", name="a")),
            "a name of one letter: the shortest of all, 248 bytes",
            offer_taken("a"),
        ),
        offer_case("ok-list-due", plain, due, offer_taken(NAME), trust_list="due"),
        *_names(),
    ]
