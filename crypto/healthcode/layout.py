"""The byte layouts of the kinds, what is signed in each, and the code id.

All integers are big-endian; each kind has one exact length. Parsing checks form only (version,
kind, length, life); whether a code holds is ``verify``'s.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from enum import IntEnum
from struct import Struct
from typing import NamedTuple

from crypto.healthcode.refusal import CodeRefused, Refusal
from crypto.sm3 import sm3

VERSION = 1
HEAD_SIZE = 11
SIGNATURE_SIZE = 64
STEP_S = 30
CONTEXT_BIT = 0x80
NO_CONTEXT = bytes(32)


class Kind(IntEnum):
    """What a code is. 4 is reserved for a bound code with an implicit credential."""

    BOUND = 1
    ONCE = 2
    PRINTED = 3


class Purpose(IntEnum):
    """What a code was shown for. Every purpose identifies; only the exact one authorises."""

    IDENTIFY = 0
    REGISTER = 1
    PAY = 2
    OPEN_ARCHIVE = 3
    COLLECT = 4
    CONSENT = 5


SIZES = {Kind.BOUND: 194, Kind.ONCE: 100, Kind.PRINTED: 99}
LIFE_MAX = {Kind.BOUND: 4320, Kind.ONCE: 120, Kind.PRINTED: 1827}
"""In the kind's own unit."""
LIFE_UNIT_S = {Kind.BOUND: 60, Kind.ONCE: 1, Kind.PRINTED: 86400}
CREDENTIAL_SIZE = 124
_SHOWN_SIZE = 130
_ISSUER_PART: dict[int, int] = {Kind.BOUND: 60, Kind.ONCE: 36, Kind.PRINTED: 35}
"""How many bytes stand before the issuer's signature."""
_ISSUER_PREFIX: dict[int, bytes] = {
    Kind.BOUND: b"YM1 bound issuer\0",
    Kind.ONCE: b"YM1 once issuer\0",
    Kind.PRINTED: b"YM1 printed issuer\0",
}
_HOLDER_PREFIX = b"YM1 bound holder\0"


class Head(NamedTuple):
    """The first 11 bytes of every kind. ``issued`` in seconds since 1970, ``life`` in its unit."""

    kind: Kind
    key_id: int
    code_class: int
    issued: int
    life: int

    @property
    def expires(self) -> int:
        """The second at which the life is over, since 1970."""
        return self.issued + self.life * LIFE_UNIT_S[self.kind]

    @property
    def issued_at(self) -> datetime:
        """``issued`` as an instant."""
        return datetime.fromtimestamp(self.issued, UTC)

    @property
    def expires_at(self) -> datetime:
        """``expires`` as an instant."""
        return datetime.fromtimestamp(self.expires, UTC)

    def to_bytes(self) -> bytes:
        """11 bytes."""
        return (
            bytes((VERSION, self.kind))
            + self.key_id.to_bytes(2, "big")
            + bytes((self.code_class,))
            + self.issued.to_bytes(4, "big")
            + self.life.to_bytes(2, "big")
        )


class BoundCode(NamedTuple):
    """Issuer-signed credential for a phone's key, and that phone's signature over the moment."""

    head: Head
    holder_key: bytes
    index: bytes  # type: ignore[assignment]  # in the place of tuple.index
    issuer_signature: bytes
    step: int
    seq: int
    purpose_byte: int
    holder_signature: bytes

    def before_index(self) -> bytes:
        """Everything before the index: what its initial value is made of."""
        return self.head.to_bytes() + self.holder_key

    def to_bytes(self) -> bytes:
        """194 bytes."""
        return self.shown() + self.holder_signature

    def credential(self) -> bytes:
        """The issuer's part with its signature, 124 bytes."""
        return self.before_index() + self.index + self.issuer_signature

    def shown(self) -> bytes:
        """Bytes 0..129: what the holder signs."""
        moment = self.step.to_bytes(4, "big") + bytes((self.seq, self.purpose_byte))
        return self.credential() + moment

    @property
    def rise(self) -> int:
        """``step * 256 + seq``: must rise from scan to scan of one code id."""
        return self.step << 8 | self.seq


class OnceCode(NamedTuple):
    """Made by the server for clients that cannot sign."""

    head: Head
    purpose_byte: int
    nonce: bytes
    index: bytes  # type: ignore[assignment]  # in the place of tuple.index
    issuer_signature: bytes

    def before_index(self) -> bytes:
        """Everything before the index."""
        return self.head.to_bytes() + bytes((self.purpose_byte,)) + self.nonce

    def to_bytes(self) -> bytes:
        """100 bytes."""
        return self.before_index() + self.index + self.issuer_signature


class PrintedCode(NamedTuple):
    """On paper or a card: identifies, never more."""

    head: Head
    nonce: bytes
    index: bytes  # type: ignore[assignment]  # in the place of tuple.index
    issuer_signature: bytes

    def before_index(self) -> bytes:
        """Everything before the index."""
        return self.head.to_bytes() + self.nonce

    def to_bytes(self) -> bytes:
        """99 bytes."""
        return self.before_index() + self.index + self.issuer_signature


Code = BoundCode | OnceCode | PrintedCode
_HEAD = Struct(">BBHBIH")
_KINDS = {int(kind): kind for kind in Kind}
_BODIES: dict[Kind, tuple[Callable[..., Code], Struct]] = {
    Kind.BOUND: (BoundCode, Struct(">33s16s64sIBB64s")),
    Kind.ONCE: (OnceCode, Struct(">B8s16s64s")),
    Kind.PRINTED: (PrintedCode, Struct(">8s16s64s")),
}
"""What stands behind the head, in the order of the fields."""


def parse(raw: bytes) -> Code:
    """Bytes to a code; ``CodeRefused`` unless version, kind, exact length and life fit."""
    head = _parse_head(raw)
    make, body = _BODIES[head.kind]
    return make(head, *body.unpack_from(raw, HEAD_SIZE))


def _parse_head(raw: bytes) -> Head:
    if len(raw) < HEAD_SIZE:
        raise CodeRefused(Refusal.CODE_MALFORMED, "shorter than the head")
    version, number, key_id, code_class, issued, life = _HEAD.unpack_from(raw)
    kind = _KINDS.get(number)
    if version != VERSION or kind is None:
        raise CodeRefused(Refusal.CODE_UNSUPPORTED, "version or kind not known")
    if len(raw) != SIZES[kind]:
        raise CodeRefused(Refusal.CODE_MALFORMED, "not the length of its kind")
    if not 1 <= life <= LIFE_MAX[kind]:
        raise CodeRefused(Refusal.CODE_MALFORMED, "life outside the bound of its kind")
    return Head(kind, key_id, code_class, issued, life)


def purpose_byte(code: Code) -> int:
    """The purpose byte; a printed code's is 0."""
    return 0 if isinstance(code, PrintedCode) else code.purpose_byte


def issuer_message(code: Code, context: bytes) -> bytes:
    """What the issuer signs. Only a one-time code's holds the context (32 bytes)."""
    return issuer_message_in(code.to_bytes(), context)


def holder_message(code: BoundCode, context: bytes) -> bytes:
    """What the holder signs."""
    return holder_message_in(code.to_bytes(), context)


def code_id(code: Code) -> bytes:
    """16 bytes by which revocation, replay and audit know a code; signatures do not enter."""
    return code_id_in(code.to_bytes())


def issuer_message_in(raw: bytes, context: bytes) -> bytes:
    """What the issuer signed in the bytes of a parsed code."""
    kind = raw[1]
    tail = context if kind == Kind.ONCE else b""
    return _ISSUER_PREFIX[kind] + raw[: _ISSUER_PART[kind]] + tail


def holder_message_in(raw: bytes, context: bytes) -> bytes:
    """What the holder signed in the bytes of a parsed bound code."""
    return _HOLDER_PREFIX + raw[:_SHOWN_SIZE] + context


def code_id_in(raw: bytes) -> bytes:
    """The code id in the bytes of a parsed code."""
    return sm3(b"YM1 code id\0" + raw[: _ISSUER_PART[raw[1]]])[:16]


def enrol_message(challenge: bytes, account: bytes, holder_key: bytes) -> bytes:
    """What a phone signs to prove that it holds its new key: 32, 16 and 33 bytes."""
    if (len(challenge), len(account), len(holder_key)) != (32, 16, 33):
        raise CodeRefused(Refusal.CODE_MALFORMED, "enrolment fields have fixed sizes")
    return b"YM1 enrol\0" + challenge + account + holder_key
