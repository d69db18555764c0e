"""Vectors of revocation lists: coding, making, deltas, taking, and verdicts by signed lists."""

from array import array
from dataclasses import replace
from datetime import datetime, timedelta

from crypto.healthcode.layout import code_id, parse
from crypto.healthcode.revocation import (
    ListScope,
    RevocationDelta,
    RevocationList,
    make_delta,
    make_full,
    sign_revocation_list,
)
from crypto.healthcode.rice import encode_section
from crypto.sm3 import sm3
from service.conformance.health_code import FixedNonceSigner
from tests.unit.crypto.health_code_more_vectors import bound, printed
from tests.unit.crypto.health_code_parts import (
    LIST,
    LIST_CLASS,
    LIST_CUT,
    LIST_PAST,
    LISTER,
    NOW,
    TILL,
    case,
    nonce_hex,
    refused,
    s,
    sign,
    z,
)

Case = dict[str, object]
IDS = [sm3(b"revoked %d" % number)[:16] for number in range(12)]
NEIGHBOUR = IDS[0][:6] + sm3(b"neighbour")[:10]
MINUTE = timedelta(minutes=1)


def given_list(code_ids: list[bytes], sequence: int = 41, **changes: object) -> Case:
    made_at = NOW - (44 - sequence) * MINUTE
    fields: Case = {
        "scope": "bound",
        "class": 1,
        "sequence": sequence,
        "made_at": z(made_at),
        "next_at": z(made_at + 5 * MINUTE),
        "code_ids": [code.hex() for code in code_ids],
        "innocent": [],
    }
    return fields | changes


def full_list(given: Case) -> RevocationList:
    return make_full(
        scope=ListScope[str(given["scope"]).upper()],
        code_class=int(str(given["class"])),
        sequence=int(str(given["sequence"])),
        made_at=datetime.fromisoformat(str(given["made_at"])),
        next_at=datetime.fromisoformat(str(given["next_at"])),
        code_ids=[bytes.fromhex(code) for code in given["code_ids"]],  # type: ignore[attr-defined]
        innocent=[bytes.fromhex(code) for code in given["innocent"]],  # type: ignore[attr-defined]
    )


def list_blob(listed: RevocationList | RevocationDelta, label: str, key_id: int = LIST) -> bytes:
    return sign_revocation_list(
        listed, key_id, FixedNonceSigner(LISTER, nonce_hex(f"list {label}"))
    )


def _rice() -> list[Case]:
    good = {
        "worked": [3, 4, 9, 20],
        "empty": [],
        "zero": [0],
        "run": list(range(20)),
        "one-large": [(1 << 48) - 1],
        "entries": sorted(int.from_bytes(code[:6], "big") for code in IDS),
    }
    bad = {
        "padding": ("0200000004" + "6235", "a padding bit is one"),
        "parameter": ("0300000001" + "00", "a shorter form exists"),
        "cut-short": ("0200000004" + "62", "the bits end before the numbers do"),
        "count": ("00ffffffff" + "00", "more numbers than bits"),
        "left-over": ("0000000001" + "0000", "a byte is left over"),
        "head": ("00000000", "shorter than any section"),
        "parameter-size": ("4000000000", "parameter 64"),
        "empty-parameter": ("0100000000", "the empty sequence has parameter 0"),
        "out-of-range": (encode_section([1 << 48]).hex(), "a number above the width"),
    }
    return [
        {
            "id": f"rice-{name}",
            "width": 48,
            "numbers": [str(number) for number in numbers],
            "section": encode_section(numbers).hex(),
        }
        for name, numbers in good.items()
    ] + [
        {"id": f"rice-refused-{name}", "why": why, "width": 48, "numbers": None, "section": section}
        for name, (section, why) in bad.items()
    ]


def _made() -> dict[str, list[Case]]:
    givens = {
        "plain": given_list(IDS),
        "empty": given_list([]),
        "clash": given_list(IDS, innocent=[NEIGHBOUR.hex()]),
        "printed": given_list(IDS[:3], scope="printed", **{"class": 0}),
    }
    lists: list[Case] = []
    for name, given in givens.items():
        listed = full_list(given)
        signing = {"key": "list", "key_id": f"{LIST:04x}", "k": nonce_hex(f"list {name}")}
        expect = {
            "list": list_blob(listed, name).hex(),
            "width": listed.width,
            "digest": listed.digest().hex(),
        }
        lists.append({"id": f"list-{name}", "given": given | signing, "expect": expect})
    old, new = given_list(IDS[:10]), given_list(IDS[2:], 44)
    delta = make_delta(full_list(old), full_list(new))
    signing = {"key": "list", "key_id": f"{LIST:04x}", "k": nonce_hex("list delta")}
    expect = {"list": list_blob(delta, "delta").hex(), "digest": delta.digest.hex()}
    given = {"old": old, "new": new} | signing
    return {
        "make_list": lists,
        "make_delta": [{"id": "delta-plain", "given": given, "expect": expect}],
    }


def list_taken(listed: RevocationList) -> Case:
    return {
        "error": None,
        "scope": listed.scope.name.lower(),
        "class": listed.code_class,
        "sequence": listed.sequence,
        "made_at": z(listed.made_at),
        "next_at": z(listed.next_at),
        "width": listed.width,
        "entries": [f"{entry:0{listed.width // 4}x}" for entry in listed.entries],
        "holds": {code.hex(): listed.holds(code) for code in (IDS[0], IDS[5], NEIGHBOUR)},
    }


def open_case(name: str, why: str, expect: Case | str, *blobs: bytes, **rest: object) -> Case:
    wanted = {"error": expect} if isinstance(expect, str) else expect
    lists = [blob.hex() for blob in blobs]
    return (
        {"id": f"lists-{name}", "why": why, "now": z(NOW), "lists": lists}
        | rest
        | {"expect": wanted}
    )


def _opened() -> list[Case]:
    old, new = full_list(given_list(IDS[:10])), full_list(given_list(IDS[2:], 44))
    wide = full_list(given_list(IDS, innocent=[NEIGHBOUR.hex()]))
    same_sequence = replace(full_list(given_list(IDS[:9])), sequence=old.sequence)
    full, step = list_blob(old, "old"), list_blob(make_delta(old, new), "delta")
    later = replace(new, sequence=45, made_at=NOW + 30 * MINUTE / 60)
    future = replace(later, made_at=NOW + 31 * MINUTE / 60)
    return [
        open_case("ok-full", "a full list", list_taken(old), full),
        open_case("ok-delta", "a full list and what leads on", list_taken(new), full, step),
        open_case(
            "ok-wide", "an innocent neighbour: 64 bits", list_taken(wide), list_blob(wide, "wide")
        ),
        open_case(
            "ok-edge", "made 30 s ahead of the clock", list_taken(later), list_blob(later, "later")
        ),
        open_case("ok-again", "the newest once more", list_taken(old), full, newest_sequence=41),
        open_case("ahead", "made 31 s ahead", "CLOCK_UNSURE", list_blob(future, "future")),
        open_case("before-trust", "before the trust list", "CLOCK_UNSURE", full, now=z(s(-10_801))),
        open_case(
            "trust-expired",
            "under an expired trust list",
            "TRUST_LIST_EXPIRED",
            full,
            trust_list="expired",
        ),
        open_case(
            "rolled-back", "a newer one was seen", "LIST_ROLLED_BACK", full, newest_sequence=42
        ),
        open_case("no-base", "a delta alone", "LIST_WRONG_BASE", step),
        open_case(
            "base-sequence",
            "the delta's base is older",
            "LIST_WRONG_BASE",
            list_blob(new, "n"),
            step,
        ),
        open_case(
            "base-content",
            "a list of the right sequence with other entries: the digest tells",
            "LIST_WRONG_BASE",
            list_blob(same_sequence, "same sequence"),
            step,
        ),
        open_case(
            "base-class",
            "a delta of another class",
            "LIST_WRONG_BASE",
            list_blob(replace(old, code_class=2), "class 2"),
            step,
        ),
        open_case(
            "base-position",
            "removes a position behind the base's last",
            "LIST_WRONG_BASE",
            full,
            list_blob(replace(make_delta(old, new), removed=array("Q", [3, 10])), "position"),
        ),
        *_badly_signed(old, full),
        *_malformed(full, step),
    ]


def _badly_signed(old: RevocationList, full: bytes) -> list[Case]:
    elsewhere = replace(old, code_class=3)
    changed = full[:30] + bytes((full[30] ^ 1,)) + full[31:]
    no_prefix = full[:-64] + sign(LISTER, "no prefix", full[:-64])
    return [
        open_case("key-unknown", "no such key", "KEY_UNKNOWN", list_blob(old, "k", 0x6399)),
        open_case("key-use", "a key for tills", "KEY_NOT_FOR_USE", list_blob(old, "k", TILL)),
        open_case("key-class", "class 3", "KEY_NOT_FOR_USE", list_blob(elsewhere, "k", LIST_CLASS)),
        open_case(
            "key-cut-off", "made before the cut-off", "KEY_CLOSED", list_blob(old, "k", LIST_CUT)
        ),
        open_case(
            "key-past",
            "verify-until reached",
            "KEY_CLOSED",
            list_blob(old, "k", LIST_PAST),
            now=z(s(2)),
        ),
        open_case("changed", "a bit of an entry changed", "LIST_SIGNATURE", changed),
        open_case("no-prefix", "signed without the prefix", "LIST_SIGNATURE", no_prefix),
    ]


def _malformed(full: bytes, step: bytes) -> list[Case]:
    body, delta = full[:-64], step[:-64]
    broken = {
        "left-over": (body + b"\0", "a byte is left over"),
        "cut-short": (body[:-1], "the last entry is cut short"),
        "scope": (body[:4] + b"\3" + body[5:], "scope 3"),
        "width": (body[:21] + b"\x28" + body[22:], "width 40"),
        "width-between": (body[:21] + b"\x38" + body[22:], "width 56"),
        "next": (body[:17] + body[13:17] + body[21:], "next is not behind made"),
        "base": (delta[:9] + delta[5:9] + delta[13:], "a delta upon itself"),
        "parameter": (
            body[:22] + bytes((body[22] + 1,)) + body[23:],
            "not the shortest form, nor its bits",
        ),
        "delta-left-over": (delta + b"\0", "a byte is left over behind a delta"),
    }
    cases = [
        open_case(
            f"malformed-{name}",
            why,
            "LIST_MALFORMED",
            raw + sign(LISTER, f"broken {name}", b"YM1 revoked\0" + raw),
        )
        for name, (raw, why) in broken.items()
    ]
    version = b"\2" + body[1:]
    signed = version + sign(LISTER, "broken version", b"YM1 revoked\0" + version)
    return [
        *cases,
        open_case("malformed-short", "shorter than any list", "LIST_MALFORMED", full[-90:]),
        open_case("version", "version 2", "LIST_UNSUPPORTED", signed),
    ]


def _verdicts() -> list[Case]:
    code, paper = bound("plain"), printed("plain")
    mine, its = code_id(parse(code)), code_id(parse(paper))

    def held(label: str, code_ids: list[bytes], sequence: int = 44, **changes: object) -> str:
        return list_blob(
            full_list(given_list(code_ids, sequence, **changes)), f"held {label}"
        ).hex()

    def judged(name: str, why: str, expect: Case, *lists: str, **rest: object) -> Case:
        raw = paper if name.startswith("printed") else code
        return case(f"revoked-{name}", raw, s(1), why, expect, lists=list(lists), **rest)

    ok: Case = {"valid": True, "error": None, "level": "present", "marks": []}
    old: Case = ok | {"level": "identified", "marks": ["LIST_OLD"], "not_revoked_as_of": None}
    clear = held("clear", IDS)
    other_class = held("class 2", [mine], **{"class": 2})
    province = held("province", [mine], **{"class": 0})
    stale = held("stale", [mine], 43)
    paper_list = held("paper", [mine, its], scope="printed")
    ahead = z(s(40))
    return [
        judged("ok", "not in the list", ok | {"not_revoked_as_of": z(NOW)}, clear),
        judged("listed", "in its class's list", refused("REVOKED"), held("mine", [mine, *IDS])),
        judged("province", "in the province's list", refused("REVOKED"), province),
        judged(
            "newer-class",
            "the newer list answers",
            ok,
            held("p", [mine], 43, **{"class": 0}),
            clear,
        ),
        judged("newer-province", "the newer list answers", refused("REVOKED"), stale, province),
        judged("other-class", "the list of another class", old, other_class),
        judged("other-scope", "the list of printed codes", old, paper_list),
        judged("none", "no list at all", old),
        judged(
            "ten-minutes",
            "a list of ten minutes and a second: marked",
            ok | {"marks": ["LIST_OLD"], "not_revoked_as_of": z(NOW - 10 * MINUTE)},
            held("ten", IDS, 34),
        ),
        judged(
            "printed-ok",
            "not in the list",
            ok | {"level": "identified"},
            held("q", IDS, scope="printed"),
        ),
        judged("printed-listed", "in the list of printed codes", refused("REVOKED"), paper_list),
        judged(
            "clock",
            "the clock is 31 s behind the newest list",
            refused("CLOCK_UNSURE"),
            held("future", IDS, made_at=z(s(32)), next_at=z(s(99))),
            lists_taken_at=ahead,
        ),
    ]


def revocation_cases() -> dict[str, list[Case]]:
    """The sections of revocation.json."""
    return {"rice": _rice(), **_made(), "open_lists": _opened(), "verify": _verdicts()}
