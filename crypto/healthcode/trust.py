"""The trust list: whose signatures count, for what, and when. Signed by an offline root.

    body       version 1 | sequence 4 | made 4 | next 4 | count 2 | entries
    entry      key id 2 | public key 33 | uses 1 (bit use-1) | longest life 4 (0: the kind's own) |
               class count 1 | classes |
               signs from 4 | signs until 4 | verify until 4 | cut-off 4 (0: none)
    list       body | root's SM2 signature 64 over "YM1 trust list" NUL body

Entries rise strictly by key id, classes by value; no classes means every class. ``next`` is after
``made``. An empty signing window is in form: nothing that such a key signed counts.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from math import ceil

from crypto.errors import BadEncoding, BadKey
from crypto.healthcode.fields import Fields, seconds
from crypto.healthcode.layout import LIFE_MAX, LIFE_UNIT_S, Head, Kind
from crypto.healthcode.refusal import ListRefusal, ListRefused, Refusal
from crypto.keyring import LISTED_KINDS, Key, KeyKind, KeyRing
from crypto.signer import public_key_of
from crypto.signing import Signer
from crypto.sm2 import PublicKey

PREFIX = b"YM1 trust list\0"
ENTRIES_MAX = 1000
LIST_MAX = 1 << 20
TRUST_LIST_GRACE = timedelta(days=7)
CLOCK_TOLERANCE = timedelta(seconds=30)
_ALMOST_A_SECOND = timedelta(microseconds=999_999)


class Use(IntEnum):
    """What a trusted key may sign. 1 to 3 are the kinds of codes; 4 is reserved with kind 4."""

    BOUND = 1
    ONCE = 2
    PRINTED = 3
    REVOCATION_LIST = 5
    TILL = 6


_USES_ALLOWED = sum(1 << use - 1 for use in Use)
_USE_OF = {kind: Use(kind) for kind in Kind}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedKey:
    """A key that the root vouches for, for these uses.

    Empty ``classes`` means every class. All times are UTC instants. ``life_max_s`` is the longest
    life, in seconds, of a code that the key may sign; None leaves the kind's own bound.
    """

    key_id: int
    public: PublicKey
    uses: frozenset[Use]
    classes: frozenset[int]
    sign_from: datetime
    sign_until: datetime
    verify_until: datetime
    cut_off: datetime | None = None
    life_max_s: int | None = None
    _counting: range = field(init=False, repr=False, compare=False)
    """The seconds in which what the key signed counts."""

    def __post_init__(self) -> None:
        first = ceil(self.sign_from.timestamp())
        if self.cut_off is not None:
            first = max(first, int(self.cut_off.timestamp()))
        end = ceil(self.sign_until.timestamp())
        object.__setattr__(self, "_counting", range(first, end))

    def covers(self, kind: Kind, code_class: int) -> bool:
        """True if the key may sign codes of that kind and class."""
        return self.covers_use(_USE_OF[kind], code_class)

    def covers_use(self, use: Use, code_class: int) -> bool:
        """True if the key may sign for that use and class."""
        return use in self.uses and (not self.classes or code_class in self.classes)

    def covers_head(self, head: Head) -> bool:
        """True if the key may sign a code with this head: kind, class and life."""
        life_s = head.life * LIFE_UNIT_S[head.kind]
        return self.covers(head.kind, head.code_class) and (
            self.life_max_s is None or life_s <= self.life_max_s
        )

    def stands_for(self, issued: int, now: datetime) -> bool:
        """True if what was signed at that second still counts at ``now``."""
        return issued in self._counting and now < self.verify_until


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustList:
    """An opened list. ``made_at`` also bounds the reader's clock from below."""

    sequence: int
    made_at: datetime
    next_at: datetime
    keys: dict[int, TrustedKey]

    @classmethod
    def of(
        cls, *, sequence: int, made_at: datetime, next_at: datetime, keys: Iterable[TrustedKey]
    ) -> "TrustList":
        """A list of these keys; ``BadKey`` when two have one id."""
        by_id: dict[int, TrustedKey] = {}
        for key in keys:
            if key.key_id in by_id:
                raise BadKey("two trusted keys have one id")
            by_id[key.key_id] = key
        return cls(sequence=sequence, made_at=made_at, next_at=next_at, keys=by_id)

    def staleness(self, now: datetime) -> Refusal | None:
        """Why nothing may be judged by this list at ``now``: CLOCK_UNSURE (before it was made),
        TRUST_LIST_EXPIRED (a week past its next date), or None."""
        if now < self.made_at:
            return Refusal.CLOCK_UNSURE
        return Refusal.TRUST_LIST_EXPIRED if now >= self.next_at + TRUST_LIST_GRACE else None


_USES = {
    KeyKind.ISSUER_BOUND: Use.BOUND,
    KeyKind.ISSUER_ONCE: Use.ONCE,
    KeyKind.ISSUER_PRINTED: Use.PRINTED,
    KeyKind.CODE_LIST: Use.REVOCATION_LIST,
    KeyKind.TILL: Use.TILL,
}
_LIFE_MAX_S = {Use(kind): LIFE_MAX[kind] * LIFE_UNIT_S[kind] for kind in Kind}


def trusted_key(key: Key) -> TrustedKey:
    """What the list says of a listed key of the ring; ``BadKey`` for any other key.

    Codes count whole seconds, so the signing window is widened to whole seconds, and a cut-off
    takes the whole of its second with it.
    """
    use = _USES.get(key.kind)
    if use is None or key.code_key_id is None or key.accept_until is None:
        raise BadKey("not a key for the trust list")
    return TrustedKey(
        key_id=key.code_key_id,
        public=public_key_of(key),
        uses=frozenset({use}),
        classes=frozenset(),
        sign_from=key.use_from.replace(microsecond=0),
        sign_until=(key.use_until + _ALMOST_A_SECOND).replace(microsecond=0),
        verify_until=(key.accept_until + _ALMOST_A_SECOND).replace(microsecond=0),
        cut_off=key.cut_off and (key.cut_off + _ALMOST_A_SECOND).replace(microsecond=0),
        life_max_s=_LIFE_MAX_S.get(use),
    )


def trust_list_of(
    ring: KeyRing, *, sequence: int, made_at: datetime, next_at: datetime
) -> TrustList:
    """The list of all listed keys of a ring, ready to be signed by the offline root."""
    keys = [trusted_key(key) for key in ring.keys if key.kind in LISTED_KINDS]
    return TrustList.of(sequence=sequence, made_at=made_at, next_at=next_at, keys=keys)


def _entry(key: TrustedKey) -> bytes:
    return (
        key.key_id.to_bytes(2, "big")
        + key.public.compressed()
        + bytes((sum(1 << use - 1 for use in key.uses),))
        + (key.life_max_s or 0).to_bytes(4, "big")
        + bytes((len(key.classes),))
        + bytes(sorted(key.classes))
        + seconds(key.sign_from)
        + seconds(key.sign_until)
        + seconds(key.verify_until)
        + seconds(key.cut_off)
    )


def sign_trust_list(trust: TrustList, root: Signer) -> bytes:
    """The bytes to publish. ``BadEncoding`` for too many keys, or dates that do not rise."""
    if len(trust.keys) > ENTRIES_MAX or seconds(trust.made_at) >= seconds(trust.next_at):
        raise BadEncoding("too many trusted keys, or the next date is not after the making")
    body = (
        b"\1"
        + trust.sequence.to_bytes(4, "big")
        + seconds(trust.made_at)
        + seconds(trust.next_at)
        + len(trust.keys).to_bytes(2, "big")
        + b"".join(_entry(trust.keys[key_id]) for key_id in sorted(trust.keys))
    )
    return body + root.sign(PREFIX + body)


def _read_entry(fields: Fields) -> TrustedKey:
    key_id = fields.whole(2)
    public = PublicKey.from_bytes(fields.take(33), allow_compressed=True)
    uses = fields.whole(1)
    life_max_s = fields.whole(4)
    classes = fields.take(fields.whole(1))
    if not uses or uses & ~_USES_ALLOWED or list(classes) != sorted(set(classes)):
        raise BadEncoding("uses or classes of a trusted key are not in form")
    sign_from, sign_until, verify_until = fields.instant(), fields.instant(), fields.instant()
    cut_off = fields.whole(4)
    return TrustedKey(
        key_id=key_id,
        public=public,
        uses=frozenset(use for use in Use if uses >> use - 1 & 1),
        classes=frozenset(classes),
        sign_from=sign_from,
        sign_until=sign_until,
        verify_until=verify_until,
        cut_off=datetime.fromtimestamp(cut_off, UTC) if cut_off else None,
        life_max_s=life_max_s or None,
    )


def open_trust_list(blob: bytes, roots: Sequence[PublicKey], newest_sequence: int = 0) -> TrustList:
    """The list, if one of the pinned roots signed it and it is not older than the newest seen.

    The newest sequence itself is taken, whatever the list says: only the root can have signed two
    with one number, and what it says last must reach readers. ``ListRefused`` names what is wrong.
    """
    if not 79 <= len(blob) <= LIST_MAX:
        raise ListRefused(ListRefusal.LIST_MALFORMED)
    body, signature = blob[:-64], blob[-64:]
    if body[0] != 1:
        raise ListRefused(ListRefusal.LIST_UNSUPPORTED)
    if not any(root.verify(PREFIX + body, signature) for root in roots):
        raise ListRefused(ListRefusal.LIST_SIGNATURE)
    try:
        listed = _read_body(body)
    except (BadEncoding, BadKey):
        raise ListRefused(ListRefusal.LIST_MALFORMED) from None
    if listed.sequence < newest_sequence:
        raise ListRefused(ListRefusal.LIST_ROLLED_BACK)
    return listed


def _read_body(body: bytes) -> TrustList:
    fields = Fields(body)
    fields.take(1)
    sequence, made_at, next_at = fields.whole(4), fields.instant(), fields.instant()
    keys = [_read_entry(fields) for _ in range(fields.whole(2))]
    ids = [key.key_id for key in keys]
    if not fields.is_done() or ids != sorted(set(ids)) or made_at >= next_at:
        raise BadEncoding("the trust list is not in form")
    return TrustList.of(sequence=sequence, made_at=made_at, next_at=next_at, keys=keys)
