"""Judges of the vectors for trust lists and revocation lists (form ``yimatong-health-code/1``)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from crypto.errors import BadEncoding
from crypto.healthcode.refusal import ListRefused
from crypto.healthcode.revocation import (
    ListScope,
    RevocationList,
    make_delta,
    make_full,
    open_revocation_chain,
    sign_revocation_list,
)
from crypto.healthcode.rice import decode_section, encode_section
from crypto.healthcode.trust import TrustedKey, TrustList, open_trust_list
from crypto.sm2 import PrivateKey, PublicKey
from service.conformance.health_code import FixedNonceSigner
from service.conformance.verdict import Case, CaseJudge, Judgement

Document = Mapping[str, Any]


def _z(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat().replace("+00:00", "Z")


def _exactly(case: Case, got: Mapping[str, object]) -> Judgement:
    return dict(got) == case["expect"], dict(got)


def named_trust_list(case: Case, document: Document) -> TrustList:
    """The document's trust list that the case names (``current`` where it names none)."""
    root = PublicKey.from_bytes(bytes.fromhex(document["root"]), allow_compressed=True)
    listed = document["trust_lists"][case.get("trust_list", "current")]
    return open_trust_list(bytes.fromhex(listed), [root])


def fixed_signer(given: Mapping[str, Any], document: Document) -> FixedNonceSigner:
    """The test key that ``given`` names, with its nonce ``k``."""
    key = PrivateKey.from_bytes(bytes.fromhex(document["keys"][given["key"]]))
    return FixedNonceSigner(key, given["k"])


def _describe_key(key: TrustedKey) -> dict[str, object]:
    return {
        "key_id": f"{key.key_id:04x}",
        "public_key": key.public.compressed().hex(),
        "uses": sorted(key.uses),
        "longest_life": key.life_max_s or 0,
        "classes": sorted(key.classes),
        "signs_from": _z(key.sign_from),
        "signs_until": _z(key.sign_until),
        "verify_until": _z(key.verify_until),
        "cut_off": _z(key.cut_off),
    }


def _trust(case: Case, document: Document) -> Judgement:
    roots = [
        PublicKey.from_bytes(bytes.fromhex(root), allow_compressed=True)
        for root in case.get("roots", [document["root"]])
    ]
    try:
        listed = open_trust_list(bytes.fromhex(case["list"]), roots, case.get("newest_sequence", 0))
    except ListRefused as refused:
        return _exactly(case, {"error": refused.refusal.value})
    got = {
        "error": None,
        "sequence": listed.sequence,
        "made_at": _z(listed.made_at),
        "next_at": _z(listed.next_at),
        "keys": [_describe_key(listed.keys[key_id]) for key_id in sorted(listed.keys)],
    }
    return _exactly(case, got)


def _rice(case: Case, _document: Document) -> Judgement:
    """``numbers`` and ``section`` stand for each other, or the section is refused (null)."""
    try:
        decoded, rest = decode_section(bytes.fromhex(case["section"]), 1 << case["width"])
        numbers = None if rest else [str(number) for number in decoded]
    except BadEncoding:
        numbers = None
    got: dict[str, object] = {"numbers": numbers}
    if numbers is not None:
        got["section"] = encode_section([int(number) for number in numbers]).hex()
    is_same = got.get("section", case["section"]) == case["section"]
    return numbers == case["numbers"] and is_same, got


def _full_of(given: Mapping[str, Any]) -> RevocationList:
    return make_full(
        scope=ListScope[given["scope"].upper()],
        code_class=given["class"],
        sequence=given["sequence"],
        made_at=datetime.fromisoformat(given["made_at"]),
        next_at=datetime.fromisoformat(given["next_at"]),
        code_ids=map(bytes.fromhex, given["code_ids"]),
        innocent=map(bytes.fromhex, given.get("innocent", [])),
    )


def _make_list(case: Case, document: Document) -> Judgement:
    given = case["given"]
    listed = _full_of(given)
    blob = sign_revocation_list(listed, int(given["key_id"], 16), fixed_signer(given, document))
    got = {"list": blob.hex(), "width": listed.width, "digest": listed.digest().hex()}
    return _exactly(case, got)


def _make_delta(case: Case, document: Document) -> Judgement:
    given = case["given"]
    delta = make_delta(_full_of(given["old"]), _full_of(given["new"]))
    blob = sign_revocation_list(delta, int(given["key_id"], 16), fixed_signer(given, document))
    return _exactly(case, {"list": blob.hex(), "digest": delta.digest.hex()})


def _open_lists(case: Case, document: Document) -> Judgement:
    """A full list and the deltas behind it, as a reader takes them at ``now``."""
    try:
        listed = open_revocation_chain(
            [bytes.fromhex(blob) for blob in case["lists"]],
            named_trust_list(case, document),
            datetime.fromisoformat(case["now"]),
            case.get("newest_sequence", 0),
        )
    except ListRefused as refused:
        return _exactly(case, {"error": refused.refusal.value})
    got = {
        "error": None,
        "scope": listed.scope.name.lower(),
        "class": listed.code_class,
        "sequence": listed.sequence,
        "made_at": _z(listed.made_at),
        "next_at": _z(listed.next_at),
        "width": listed.width,
        "entries": [f"{entry:0{listed.width // 4}x}" for entry in listed.entries],
        "holds": {name: listed.holds(bytes.fromhex(name)) for name in case["expect"]["holds"]},
    }
    return _exactly(case, got)


def _trust_filled(case: Case, document: Document) -> Judgement:
    """``zeros`` zero bytes stand behind the list: sizes that are too long to write out."""
    return _trust(dict(case) | {"list": case["list"] + "00" * case["zeros"]}, document)


def _open_lists_filled(case: Case, document: Document) -> Judgement:
    *before, last = case["lists"]
    lists = [*before, last + "00" * case["zeros"] + case.get("behind", "")]
    return _open_lists(dict(case) | {"lists": lists}, document)


def _rice_filled(case: Case, _document: Document) -> Judgement:
    """How many numbers a long section holds, null if it is refused."""
    section = bytes.fromhex(case["section"]) + bytes(case["zeros"])
    try:
        numbers, rest = decode_section(section, 1 << case["width"])
    except BadEncoding:
        return _exactly(case, {"count": None})
    is_same = not rest and encode_section(numbers) == section
    return _exactly(case, {"count": len(numbers) if is_same else None})


JUDGES: dict[str, CaseJudge] = {
    "trust": _trust,
    "trust_filled": _trust_filled,
    "rice": _rice,
    "rice_filled": _rice_filled,
    "open_lists_filled": _open_lists_filled,
    "make_list": _make_list,
    "make_delta": _make_delta,
    "open_lists": _open_lists,
}
