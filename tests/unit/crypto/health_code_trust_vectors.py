"""Vectors of the trust list: one taken whole, and for each rule one that breaks only that rule."""

from dataclasses import replace
from datetime import timedelta

from crypto.healthcode.trust import TrustedKey, TrustList, Use, sign_trust_list
from service.conformance.health_code import FixedNonceSigner
from tests.unit.crypto.health_code_parts import (
    BOUND,
    CUT,
    LIST_CLASS,
    NOW,
    ONCE,
    ROOT,
    TILL,
    lister,
    nonce_hex,
    private_key,
    sign,
    trusted,
    voucher,
    z,
)

Case = dict[str, object]
NEXT_ROOT = private_key("next root")
DAY = timedelta(days=1)
HEAD, ENTRY = 15, 57
"""Bytes before the entries; bytes of an entry without classes."""


def trust_of(sequence: int, *keys: TrustedKey) -> TrustList:
    return TrustList.of(sequence=sequence, made_at=NOW, next_at=NOW + 30 * DAY, keys=keys)


PLAIN = trust_of(7, trusted(BOUND, Use.BOUND), trusted(ONCE, Use.ONCE), voucher(TILL))


def signed_trust(listed: TrustList, label: str, root: str = "root") -> str:
    signer = FixedNonceSigner(private_key(root), nonce_hex(f"trust {label}"))
    return sign_trust_list(listed, signer).hex()


def forged_trust(label: str, body: bytes) -> str:
    """Any bytes, rightly signed by the root."""
    return (body + sign(ROOT, f"trust {label}", b"YM1 trust list\0" + body)).hex()


def _row(key: TrustedKey) -> Case:
    return {
        "key_id": f"{key.key_id:04x}",
        "public_key": key.public.compressed().hex(),
        "uses": sorted(key.uses),
        "longest_life": key.life_max_s or 0,
        "classes": sorted(key.classes),
        "signs_from": z(key.sign_from),
        "signs_until": z(key.sign_until),
        "verify_until": z(key.verify_until),
        "cut_off": key.cut_off and z(key.cut_off),
    }


def trust_taken(listed: TrustList) -> Case:
    return {
        "error": None,
        "sequence": listed.sequence,
        "made_at": z(listed.made_at),
        "next_at": z(listed.next_at),
        "keys": [_row(listed.keys[key_id]) for key_id in sorted(listed.keys)],
    }


def trust_case(name: str, blob: str, why: str, expect: Case | str, **rest: object) -> Case:
    wanted = {"error": expect} if isinstance(expect, str) else expect
    return {"id": f"trust-{name}", "why": why, "list": blob, **rest, "expect": wanted}


def _accepted() -> list[Case]:
    root, following = ROOT.public.compressed().hex(), NEXT_ROOT.public.compressed().hex()
    every = trust_of(
        9,
        trusted(BOUND, Use.BOUND, Use.ONCE, Use.PRINTED, life_max_s=86_400),
        trusted(CUT, Use.ONCE, cut_off=NOW),
        lister(LIST_CLASS, classes=frozenset({0, 1, 255})),
        voucher(TILL),
    )
    empty = trust_of(1)
    return [
        trust_case("ok-plain", signed_trust(PLAIN, "plain"), "three keys", trust_taken(PLAIN)),
        trust_case(
            "ok-everything", signed_trust(every, "every"), "each field used", trust_taken(every)
        ),
        trust_case("ok-empty", signed_trust(empty, "empty"), "no key at all", trust_taken(empty)),
        trust_case(
            "ok-next-root",
            signed_trust(PLAIN, "next root", "next root"),
            "signed by the second of two pinned roots",
            trust_taken(PLAIN),
            roots=[root, following],
        ),
        trust_case(
            "ok-same-sequence",
            signed_trust(PLAIN, "same"),
            "the newest one once more",
            trust_taken(PLAIN),
            newest_sequence=7,
        ),
    ]


def _malformed() -> dict[str, tuple[bytes, str]]:
    """Name to body and reason; all rightly signed."""
    body = bytes.fromhex(signed_trust(PLAIN, "plain"))[:-64]
    head, entries = body[:HEAD], body[HEAD:]
    first, second, third = (entries[at * ENTRY :][:ENTRY] for at in range(3))
    classes = replace(PLAIN.keys[ONCE], classes=frozenset({1, 2}))
    with_classes = bytes.fromhex(signed_trust(trust_of(7, classes), "classes"))[:-64]
    at = HEAD + 41
    uses = HEAD + 35

    def used(byte: int) -> bytes:
        return body[:uses] + bytes((byte,)) + body[uses + 1 :]

    return {
        "left-over": (body + b"\0", "a byte is left over"),
        "cut-short": (body[:-1], "the last entry is cut short"),
        "count-more": (body[:13] + b"\0\4" + entries, "the count is one too high"),
        "count-less": (body[:13] + b"\0\2" + entries, "the count is one too low"),
        "order": (head + second + first + third, "key ids fall"),
        "twice": (head + first + first + third, "one key id stands twice"),
        "uses-none": (used(0), "no use"),
        "uses-reserved": (used(0x09), "bit 3 is reserved"),
        "uses-bit-6": (used(0x41), "bit 6 means nothing"),
        "uses-bit-7": (used(0x81), "bit 7 means nothing"),
        "classes-fall": (with_classes[:at] + b"\2\1" + with_classes[at + 2 :], "classes fall"),
        "classes-twice": (with_classes[:at] + b"\2\2" + with_classes[at + 2 :], "a class twice"),
        "no-point": (
            body[: HEAD + 2] + b"\2" + (5).to_bytes(32, "big") + body[HEAD + 35 :],
            "a key that is no point of the curve",
        ),
        "key-form": (body[: HEAD + 2] + b"\4" + body[HEAD + 3 :], "a key that is not compressed"),
    }


def trust_cases() -> dict[str, list[Case]]:
    """The sections of trust.json."""
    plain = bytes.fromhex(signed_trust(PLAIN, "plain"))
    body = plain[:-64]
    no_prefix = (body + sign(ROOT, "trust no prefix", body)).hex()
    refused = [
        trust_case(name, forged_trust(name, broken), why, "LIST_MALFORMED")
        for name, (broken, why) in _malformed().items()
    ]
    refused += [
        trust_case("too-short", plain[-78:].hex(), "shorter than any list", "LIST_MALFORMED"),
        trust_case(
            "version", forged_trust("version", b"\2" + body[1:]), "version 2", "LIST_UNSUPPORTED"
        ),
        trust_case(
            "stranger", signed_trust(PLAIN, "x", "stranger"), "no pinned root", "LIST_SIGNATURE"
        ),
        trust_case(
            "root-not-pinned",
            plain.hex(),
            "another root is pinned",
            "LIST_SIGNATURE",
            roots=[NEXT_ROOT.public.compressed().hex()],
        ),
        trust_case("no-prefix", no_prefix, "signed without the prefix", "LIST_SIGNATURE"),
        trust_case(
            "changed",
            (plain[:20] + bytes((plain[20] ^ 1,)) + plain[21:]).hex(),
            "a bit of a key changed",
            "LIST_SIGNATURE",
        ),
        trust_case(
            "rolled-back",
            plain.hex(),
            "a newer one was seen",
            "LIST_ROLLED_BACK",
            newest_sequence=8,
        ),
    ]
    return {"trust": _accepted() + refused}
