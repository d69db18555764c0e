"""Shared pieces of the health-code vectors: fixed keys, the clock, trust lists, case shapes.

The keys are public: they sign nothing but these examples.
"""

from datetime import UTC, datetime, timedelta

from crypto import curve
from crypto.healthcode import text as code_text
from crypto.healthcode.context import Offer
from crypto.healthcode.index import Index
from crypto.healthcode.layout import Kind, Purpose
from crypto.healthcode.trust import TrustedKey, TrustList, Use, sign_trust_list
from crypto.sm2 import PrivateKey
from crypto.sm3 import sm3
from service.conformance.health_code import FORM, FixedNonceSigner
from service.conformance.holder import write_amount

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
INDEX_ROOT = sm3(b"test index root")
INDEX = Index(record_id=bytes.fromhex("1122334455667788"), card=1, epoch=3)
INDEX_JSON = {"record_id": "1122334455667788", "card": 1, "epoch": 3}
BOUND, SHORT, ONCE, ONE_CLASS, NARROW, CUT, PAST, PRINTED = (
    0x6301,
    0x6311,
    0x6302,
    0x6312,
    0x6322,
    0x6332,
    0x6342,
    0x6303,
)
LIST, LIST_CLASS, LIST_CUT, LIST_PAST, TILL, TILL_CUT, TILL_PAST = (
    0x6304,
    0x6314,
    0x6324,
    0x6334,
    0x6305,
    0x6315,
    0x6325,
)
PREFIX = {1: b"YM1 bound issuer\0", 2: b"YM1 once issuer\0", 3: b"YM1 printed issuer\0"}
NOTE = {
    "form": "docs/health-code-format.md; all bytes in lower-case hex, instants in RFC 3339",
    "text": "bytes and text stand for each other; bytes null: the text must be refused",
    "context": "the 32 bytes of an offer",
    "issue": "from the given fields, code nonce and signature nonce k exactly these bytes",
    "verify": "the verdict at `now` under the named trust list (default: current), signed by root;"
    " revoked is what `revocations` names or what the signed `lists` hold",
    "trust": "a trust list against the pinned `roots` (default: root) and the newest sequence seen",
    "rice": "numbers (decimal) and section stand for each other; null: the section is refused",
    "make_list": "from the given fields and signature nonce k exactly these bytes",
    "make_delta": "the same for what leads from the list `old` to the list `new`",
    "open_lists": "a full list and the deltas behind it, taken at `now`",
    "till_certificate": "from the given fields and signature nonce k exactly these bytes",
    "make_offer": "the same for an offer's text",
    "offer": "what a phone takes from an offer at `now`, or why it takes none",
    "seen": "one reader's scans in their order, read to identify, no revocation list held",
    "shown_log": "the head behind each entry",
    "trust_filled, rice_filled, open_lists_filled": "the same with `zeros` zero bytes behind the"
    " last that is given in hex, and then the bytes of `behind`",
    "keys": "public test keys: they sign these examples and nothing else",
}


def scalar(label: str) -> int:
    return int.from_bytes(sm3(label.encode()), "big") % (curve.N - 2) + 1


def private_key(label: str) -> PrivateKey:
    return PrivateKey.from_bytes(scalar(f"test key {label}").to_bytes(32, "big"))


def nonce_hex(label: str) -> str:
    return f"{scalar('nonce ' + label):064x}"


def z(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")


ISSUER, HOLDER, ROOT = private_key("issuer"), private_key("holder"), private_key("root")
LISTER, VOUCHER, TILL_KEY = private_key("list"), private_key("till voucher"), private_key("till")


def sign(key: PrivateKey, label: str, message: bytes) -> bytes:
    return FixedNonceSigner(key, nonce_hex(label)).sign(message)


def trusted(key_id: int, *uses: int, **changes: object) -> TrustedKey:
    fields: dict[str, object] = {
        "key_id": key_id,
        "public": ISSUER.public,
        "uses": frozenset(map(Use, uses)),
        "classes": frozenset(),
        "sign_from": NOW - timedelta(days=30),
        "sign_until": NOW + timedelta(days=60),
        "verify_until": NOW + timedelta(days=2000),
    }
    return TrustedKey(**(fields | changes))  # type: ignore[arg-type]


def lister(key_id: int, **changes: object) -> TrustedKey:
    return trusted(key_id, Use.REVOCATION_LIST, **({"public": LISTER.public} | changes))


def voucher(key_id: int, **changes: object) -> TrustedKey:
    return trusted(key_id, Use.TILL, **({"public": VOUCHER.public} | changes))


OVER = {"sign_until": NOW + timedelta(seconds=1), "verify_until": NOW + timedelta(seconds=2)}
KEYS = (
    trusted(BOUND, Kind.BOUND),
    trusted(ONCE, Kind.ONCE),
    trusted(PRINTED, Kind.PRINTED),
    trusted(ONE_CLASS, Kind.ONCE, classes=frozenset({1, 2})),
    trusted(NARROW, Kind.ONCE, sign_from=NOW - timedelta(hours=2), sign_until=NOW),
    trusted(CUT, Kind.ONCE, cut_off=NOW),
    trusted(PAST, Kind.ONCE, **OVER),
    trusted(SHORT, Kind.BOUND, life_max_s=86_400),
    lister(LIST),
    lister(LIST_CLASS, classes=frozenset({1, 2})),
    lister(LIST_CUT, cut_off=NOW),
    lister(LIST_PAST, **OVER),
    voucher(TILL),
    voucher(TILL_CUT, cut_off=NOW),
    voucher(TILL_PAST, **OVER),
)


def trust_list(made_at: datetime, next_at: datetime) -> str:
    listed = TrustList.of(sequence=7, made_at=made_at, next_at=next_at, keys=KEYS)
    signer = FixedNonceSigner(ROOT, nonce_hex(f"trust list {made_at}{next_at}"))
    return sign_trust_list(listed, signer).hex()


def document(**sections: list[dict[str, object]]) -> dict[str, object]:
    day = timedelta(days=1)
    return {
        "form": FORM,
        "note": NOTE,
        "root": ROOT.public.compressed().hex(),
        "trust_lists": {
            "current": trust_list(NOW - timedelta(hours=3), NOW + day),
            "due": trust_list(NOW - 3 * day, NOW - day),
            "expired": trust_list(NOW - 20 * day, NOW - 8 * day),
            "later": trust_list(NOW + 20 * day, NOW + 40 * day),
        },
        "keys": {
            "issuer": ISSUER.to_bytes().hex(),
            "holder": HOLDER.to_bytes().hex(),
            "root": ROOT.to_bytes().hex(),
            "list": LISTER.to_bytes().hex(),
            "till voucher": VOUCHER.to_bytes().hex(),
            "till": TILL_KEY.to_bytes().hex(),
        },
        **sections,
    }


def head(
    kind: int,
    key_id: int,
    life: int,
    issued: datetime = NOW,
    *,
    version: int = 1,
    code_class: int = 1,
) -> bytes:
    return (
        bytes((version, kind))
        + key_id.to_bytes(2, "big")
        + bytes((code_class,))
        + int(issued.timestamp()).to_bytes(4, "big")
        + life.to_bytes(2, "big")
    )


def case(
    section_id: str,
    raw: bytes | str,
    now: datetime,
    why: str,
    expect: dict[str, object],
    **rest: object,
) -> dict[str, object]:
    text = raw if isinstance(raw, str) else code_text.encode(raw)
    return {"id": section_id, "why": why, "text": text, "now": z(now), **rest, "expect": expect}


def refused(error: str) -> dict[str, object]:
    return {"valid": False, "error": error}


def offer(**changes: object) -> dict[str, object]:
    fields: dict[str, object] = {
        "purpose": "pay",
        "institution": b"H99000100001".ljust(18, b"\0").hex(),
        "terminal": b"TERM0001".hex(),
        "challenge": sm3(b"challenge")[:16].hex(),
        "bill_id": sm3(b"bill")[:16].hex(),
        "amount_fen": 12_345,
    }
    fields |= changes
    return fields | {"amount_fen": write_amount(int(str(fields["amount_fen"])))}


def context_of(fields: dict[str, object]) -> bytes:
    return Offer(
        purpose=Purpose[str(fields["purpose"]).upper()],
        institution=bytes.fromhex(str(fields["institution"])),
        terminal=bytes.fromhex(str(fields["terminal"])),
        challenge=bytes.fromhex(str(fields["challenge"])),
        bill_id=bytes.fromhex(str(fields["bill_id"])),
        amount_fen=int(str(fields["amount_fen"])),
    ).context()


def s(seconds: int) -> datetime:
    return NOW + timedelta(seconds=seconds)
