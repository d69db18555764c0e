"""The revocation list: which code ids no longer count, exactly, in few bytes, signed.

    body       version 1 | key id 2 | class 1 | scope 1 | sequence 4 | base 4 (0: full list) |
               made 4 | next 4 | width 1 | full or delta
    full       section of entries
    delta      digest 32 of the resulting list | section of removed positions | section of added
    list       body | signature 64 over "YM1 revoked" NUL body, by a key with the list use

An entry is the leading ``width`` bits of a code id. The maker takes 48 bits, and 64 if an entry
would also hit a live code that is not revoked: so the list is exact. Sections: ``rice``.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from crypto.errors import BadEncoding
from crypto.healthcode.fields import Fields, seconds
from crypto.healthcode.refusal import ListRefusal, ListRefused
from crypto.healthcode.rice import COUNT_MAX, decode_section, encode_section
from crypto.healthcode.trust import CLOCK_TOLERANCE, TrustList, Use
from crypto.signing import Signer
from crypto.sm3 import sm3

PREFIX = b"YM1 revoked\0"
WIDTHS = (48, 64)
LIST_MAX = 1 << 23
_DIGEST_PREFIX = b"YM1 revoked set\0"
_HEAD_SIZE = 22
_SMALLEST = _HEAD_SIZE + 5 + 64


class ListScope(IntEnum):
    """Which kind of codes a list is about. One-time codes are never listed: they die sooner."""

    BOUND = 1
    PRINTED = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationList:
    """A full list. ``entries`` rise strictly; 8 bytes of memory each.

    ``code_class`` 0 covers the whole province. ``made_at`` and ``next_at`` (when a newer one is
    due) are whole seconds.
    """

    scope: ListScope
    code_class: int
    sequence: int
    made_at: datetime
    next_at: datetime
    width: int
    entries: "array[int]"

    def holds(self, code_id: bytes) -> bool:
        """True if the 16-byte code id is revoked."""
        return self.has_entry(entry_of(code_id, self.width))

    def has_entry(self, entry: int) -> bool:
        """True if the entry itself is in the list."""
        at = bisect_left(self.entries, entry)
        return at < len(self.entries) and self.entries[at] == entry

    def digest(self) -> bytes:
        """32 bytes that name the content, whoever signs it and however it came here."""
        entries = b"".join([entry.to_bytes(8, "big") for entry in self.entries])
        return sm3(
            _DIGEST_PREFIX
            + bytes((self.scope, self.code_class))
            + self.sequence.to_bytes(4, "big")
            + bytes((self.width,))
            + len(self.entries).to_bytes(4, "big")
            + entries
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationDelta:
    """What leads from the full list of sequence ``base`` to that of ``sequence``.

    ``removed`` are positions in the base list, ``added`` are entries; ``digest`` is the result's.
    """

    scope: ListScope
    code_class: int
    sequence: int
    base: int
    made_at: datetime
    next_at: datetime
    width: int
    digest: bytes
    removed: "array[int]"
    added: "array[int]"


def entry_of(code_id: bytes, width: int) -> int:
    """The entry of a code id (16 bytes) in a list of that width (48 or 64 bits)."""
    if len(code_id) != 16:
        raise BadEncoding("a code id has 16 bytes")
    return int.from_bytes(code_id[: width // 8], "big")


def make_full(
    *,
    scope: ListScope,
    code_class: int,
    sequence: int,
    made_at: datetime,
    next_at: datetime,
    code_ids: Iterable[bytes],
    innocent: Iterable[bytes],
) -> RevocationList:
    """The list of these revoked code ids, unsigned.

    ``innocent``: live code ids of the scope that are not revoked; those that share their first
    6 bytes with a revoked one are enough. ``BadEncoding`` if 8 bytes do not tell them apart.
    """
    revoked, live = list(code_ids), list(innocent)
    for width in WIDTHS:
        entries = {entry_of(code_id, width) for code_id in revoked}
        if all(entry_of(code_id, width) not in entries for code_id in live):
            return RevocationList(
                scope=scope,
                code_class=code_class,
                sequence=sequence,
                made_at=made_at.replace(microsecond=0),
                next_at=next_at.replace(microsecond=0),
                width=width,
                entries=array("Q", sorted(entries)),
            )
    raise BadEncoding("a live code id cannot be told from a revoked one")


def make_delta(old: RevocationList, new: RevocationList) -> RevocationDelta:
    """What leads from ``old`` to ``new``. ``BadEncoding`` where only a full list can: another
    scope, class or width, or a sequence that does not rise."""
    if _place(old) != _place(new) or old.sequence >= new.sequence:
        raise BadEncoding("no delta leads from the one list to the other")
    before, after = set(old.entries), set(new.entries)
    return RevocationDelta(
        scope=new.scope,
        code_class=new.code_class,
        sequence=new.sequence,
        base=old.sequence,
        made_at=new.made_at,
        next_at=new.next_at,
        width=new.width,
        digest=new.digest(),
        removed=array("Q", [at for at, entry in enumerate(old.entries) if entry not in after]),
        added=array("Q", [entry for entry in new.entries if entry not in before]),
    )


def _place(listed: RevocationList | RevocationDelta) -> tuple[ListScope, int, int]:
    return listed.scope, listed.code_class, listed.width


def apply_delta(full: RevocationList, delta: RevocationDelta) -> RevocationList:
    """The newer full list. ``ListRefused`` (LIST_WRONG_BASE) unless the delta fits this very list
    and the result is the one its maker had.

    An entry of this list is never added, not even one that the delta removes: one step has one
    form. Nor is a delta older than its base, or the result longer than a full list may be.
    """
    fits = (
        _place(full) == _place(delta)
        and full.sequence == delta.base
        and full.made_at <= delta.made_at
        and (not delta.removed or delta.removed[-1] < len(full.entries))
        and len(full.entries) - len(delta.removed) + len(delta.added) <= COUNT_MAX
        and not any(map(full.has_entry, delta.added))
    )
    if not fits:
        raise ListRefused(ListRefusal.LIST_WRONG_BASE)
    removed = set(delta.removed)
    kept = [entry for at, entry in enumerate(full.entries) if at not in removed]
    result = RevocationList(
        scope=delta.scope,
        code_class=delta.code_class,
        sequence=delta.sequence,
        made_at=delta.made_at,
        next_at=delta.next_at,
        width=delta.width,
        entries=array("Q", sorted([*kept, *delta.added])),
    )
    if result.digest() != delta.digest:
        raise ListRefused(ListRefusal.LIST_WRONG_BASE)
    return result


def revocation_body(listed: RevocationList | RevocationDelta, key_id: int) -> bytes:
    """The bytes to be signed (behind ``PREFIX``). ``BadEncoding`` for fields out of range."""
    base = listed.base if isinstance(listed, RevocationDelta) else 0
    if not (0 <= base < listed.sequence <= 0xFFFFFFFF and listed.made_at < listed.next_at):
        raise BadEncoding("sequences and dates of a list rise")
    if not (0 <= listed.code_class <= 0xFF and 0 <= key_id <= 0xFFFF):
        raise BadEncoding("a class has one byte, a key id two")
    head = (
        b"\1"
        + key_id.to_bytes(2, "big")
        + bytes((listed.code_class, listed.scope))
        + listed.sequence.to_bytes(4, "big")
        + base.to_bytes(4, "big")
        + seconds(listed.made_at)
        + seconds(listed.next_at)
        + bytes((listed.width,))
    )
    if isinstance(listed, RevocationList):
        return head + encode_section(listed.entries)
    return head + listed.digest + encode_section(listed.removed) + encode_section(listed.added)


def sign_revocation_list(
    listed: RevocationList | RevocationDelta, key_id: int, signer: Signer
) -> bytes:
    """The bytes to publish, a full list's or a delta's."""
    body = revocation_body(listed, key_id)
    return body + signer.sign(PREFIX + body)


def open_revocation_list(
    blob: bytes, trust: TrustList, now: datetime, newest_sequence: int = 0
) -> RevocationList | RevocationDelta:
    """The list or delta, if a key that the trust list names for this use signed it.

    ``newest_sequence``: the highest sequence seen for this scope and class; for one of several
    files leave it out, as ``open_revocation_chain`` does. ``ListRefused`` names what is wrong.
    """
    if not _SMALLEST <= len(blob) <= LIST_MAX:
        raise ListRefused(ListRefusal.LIST_MALFORMED)
    body, signature = blob[:-64], blob[-64:]
    if body[0] != 1:
        raise ListRefused(ListRefusal.LIST_UNSUPPORTED)
    _check_signature(body, signature, trust, now)
    try:
        listed = _read_body(body)
    except (BadEncoding, ValueError):
        raise ListRefused(ListRefusal.LIST_MALFORMED) from None
    if listed.made_at > now + CLOCK_TOLERANCE:
        raise ListRefused(ListRefusal.CLOCK_UNSURE)
    if listed.sequence < newest_sequence:
        raise ListRefused(ListRefusal.LIST_ROLLED_BACK)
    return listed


def _check_signature(body: bytes, signature: bytes, trust: TrustList, now: datetime) -> None:
    stale = trust.staleness(now)
    if stale is not None:
        raise ListRefused(ListRefusal(stale.value))
    key = trust.keys.get(int.from_bytes(body[1:3], "big"))
    if key is None:
        raise ListRefused(ListRefusal.KEY_UNKNOWN)
    if not key.covers_use(Use.REVOCATION_LIST, body[3]):
        raise ListRefused(ListRefusal.KEY_NOT_FOR_USE)
    if not key.stands_for(int.from_bytes(body[13:17], "big"), now):
        raise ListRefused(ListRefusal.KEY_CLOSED)
    if not key.public.verify(PREFIX + body, signature):
        raise ListRefused(ListRefusal.LIST_SIGNATURE)


def _read_body(body: bytes) -> RevocationList | RevocationDelta:
    fields = Fields(body)
    fields.take(3)
    code_class, scope = fields.whole(1), ListScope(fields.whole(1))
    sequence, base = fields.whole(4), fields.whole(4)
    made_at, next_at = fields.instant(), fields.instant()
    width = fields.whole(1)
    if width not in WIDTHS or base >= sequence or made_at >= next_at:
        raise BadEncoding("the head of the list is not in form")
    if not base:
        entries, rest = decode_section(fields.rest(), 1 << width)
        listed: RevocationList | RevocationDelta = RevocationList(
            scope=scope,
            code_class=code_class,
            sequence=sequence,
            made_at=made_at,
            next_at=next_at,
            width=width,
            entries=entries,
        )
    else:
        digest = fields.take(32)
        removed, rest = decode_section(fields.rest(), 1 << 32)
        added, rest = decode_section(rest, 1 << width)
        listed = RevocationDelta(
            scope=scope,
            code_class=code_class,
            sequence=sequence,
            base=base,
            made_at=made_at,
            next_at=next_at,
            width=width,
            digest=digest,
            removed=removed,
            added=added,
        )
    if rest:
        raise BadEncoding("bytes are left over")
    return listed


def open_revocation_chain(
    blobs: Sequence[bytes], trust: TrustList, now: datetime, newest_sequence: int = 0
) -> RevocationList:
    """The list that a full list and the deltas behind it, in this order, lead to.

    What a reader does with its files at its start and with each answer of the platform. Only what
    comes out in the end is held against ``newest_sequence`` and may raise it: the full list that
    newer deltas stand upon is older by itself. ``ListRefused`` otherwise.
    """
    held: RevocationList | None = None
    for blob in blobs:
        listed = open_revocation_list(blob, trust, now)
        if isinstance(listed, RevocationList):
            held = listed
        elif held is None:
            raise ListRefused(ListRefusal.LIST_WRONG_BASE)
        else:
            held = apply_delta(held, listed)
    if held is None:
        raise ListRefused(ListRefusal.LIST_MALFORMED)
    if held.sequence < newest_sequence:
        raise ListRefused(ListRefusal.LIST_ROLLED_BACK)
    return held
