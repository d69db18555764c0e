"""The key ring: which key of which kind is used when. Pure: no I/O, no clock of its own.

A ring never changes; rotation gives a new ring. A kind's versions count from 1. A key protects
(signs, encrypts, indexes) inside [use_from, use_until) and is accepted (verifies, decrypts) from
five minutes before use_from until accept_until. The keys that the trust list names (issuers,
revocation list, tills) carry the two-byte key id that stands in codes and lists, and can be cut
off or closed in an emergency.
"""

import secrets
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from crypto.errors import BadKey

VERSION_MAX = 255
PROVINCE_MAX = 99
PUBLIC_HALF_SIZE = 33
"""A compressed point, where a private key has 32 bytes."""
ACCEPTED_EARLY = timedelta(minutes=5)
"""A host whose clock is ahead signs with a new key first; the others must not refuse it."""
RandomBytes = Callable[[int], bytes]


class KeyKind(StrEnum):
    """What a key is for. One key has one use."""

    ISSUER_BOUND = "issuer_bound"
    ISSUER_ONCE = "issuer_once"
    ISSUER_PRINTED = "issuer_printed"
    CODE_LIST = "code_list"
    INDEX_ROOT = "index_root"
    COLUMN = "column"
    BLIND_INDEX = "blind_index"
    ROW_MAC = "row_mac"
    PUBLIC_ID = "public_id"
    INSTITUTION_PSEUDONYM = "institution_pseudonym"
    TOKEN = "token"  # noqa: S105  a kind, not a secret
    TRANSPORT = "transport"
    AUDIT = "audit"
    RECEIPT = "receipt"
    TILL = "till"
    CERTIFICATE_AUTHORITY = "certificate_authority"


SIGNING_KINDS = frozenset(
    {
        KeyKind.ISSUER_BOUND,
        KeyKind.ISSUER_ONCE,
        KeyKind.ISSUER_PRINTED,
        KeyKind.CODE_LIST,
        KeyKind.TOKEN,
        KeyKind.TRANSPORT,
        KeyKind.AUDIT,
        KeyKind.RECEIPT,
        KeyKind.TILL,
        KeyKind.CERTIFICATE_AUTHORITY,
    }
)
"""Kinds whose material is an SM2 private key of 32 bytes."""

ISSUER_KINDS = (KeyKind.ISSUER_BOUND, KeyKind.ISSUER_ONCE, KeyKind.ISSUER_PRINTED)
LISTED_KINDS = (*ISSUER_KINDS, KeyKind.CODE_LIST, KeyKind.TILL)
"""Kinds whose public keys stand in the trust list; each key carries a code key id."""
_SM4_KINDS = frozenset({KeyKind.COLUMN})
_N = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123


def material_size(kind: KeyKind) -> int:
    """16 bytes for an SM4 key, 32 for an SM2 or SM3 key."""
    return 16 if kind in _SM4_KINDS else 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One version of one kind. The material never shows in a repr.

    ``cut_off``: whatever the key signed before that instant is void. The material of a signing
    key is the private key, or the public half alone.
    """

    kind: KeyKind
    version: int
    material: bytes = field(repr=False)
    use_from: datetime
    use_until: datetime
    accept_until: datetime | None
    code_key_id: int | None = None
    cut_off: datetime | None = None

    def __post_init__(self) -> None:
        """``BadKey`` unless sizes, windows and the key id fit the kind."""
        if not 1 <= self.version <= VERSION_MAX:
            raise BadKey("a key version is 1 to 255")
        self._check_material()
        times = [self.use_from, self.use_until, self.accept_until or self.use_until]
        if any(time.tzinfo is None for time in (*times, self.cut_off or self.use_from)):
            raise BadKey("key windows need a time zone")
        if not self.use_from < self.use_until <= times[2]:
            raise BadKey("key windows must be in order")
        self._check_listing()

    def _check_material(self) -> None:
        if self.is_public_half:
            return
        if len(self.material) != material_size(self.kind):
            raise BadKey("the key material has a wrong size")
        if self.kind in SIGNING_KINDS and not 0 < int.from_bytes(self.material, "big") < _N - 1:
            raise BadKey("a private key is in [1, n-2]")

    @property
    def is_public_half(self) -> bool:
        """Whether the private key is elsewhere, behind a signer."""
        return (
            self.kind in SIGNING_KINDS
            and len(self.material) == PUBLIC_HALF_SIZE
            and self.material[0] in (2, 3)
        )

    def _check_listing(self) -> None:
        if (self.code_key_id is not None) != (self.kind in LISTED_KINDS):
            raise BadKey("keys of the trust list, and only they, carry a code key id")
        if self.cut_off is not None and self.kind not in LISTED_KINDS:
            raise BadKey("only keys of the trust list can be cut off")
        if self.code_key_id is not None and not 0 <= self.code_key_id <= 0xFFFF:
            raise BadKey("a code key id has two bytes")

    def is_usable(self, now: datetime) -> bool:
        """May protect something new at ``now``."""
        return self.use_from <= now < self.use_until

    def is_accepted(self, now: datetime) -> bool:
        """May open or verify something at ``now``."""
        return self.use_from - ACCEPTED_EARLY <= now and (
            self.accept_until is None or now < self.accept_until
        )


class KeyView(Protocol):
    """Looks keys up: a ring, or what stands for the newest of several."""

    @property
    def keys(self) -> tuple[Key, ...]:
        """Every key, by kind, then version."""

    def current(self, kind: KeyKind, now: datetime) -> Key:
        """The newest version that may protect something now; ``BadKey`` if there is none."""

    def accepted(self, kind: KeyKind, version: int, now: datetime) -> Key:
        """That very version if it may open or verify now; ``BadKey`` otherwise."""

    def all_accepted(self, kind: KeyKind, now: datetime) -> tuple[Key, ...]:
        """Every version that may open or verify now, newest first: for look-ups."""

    def by_code_key_id(self, code_key_id: int) -> Key:
        """The key with this id, whatever its windows; ``BadKey`` if unknown."""


class KeyRing:
    """All keys of an installation. Immutable."""

    __slots__ = ("_keys", "_versions")

    def __init__(self, keys: Iterable[Key]) -> None:
        """``BadKey`` when a (kind, version) or a code key id appears twice."""
        self._keys: dict[tuple[KeyKind, int], Key] = {}
        code_ids: set[int] = set()
        for key in keys:
            if (key.kind, key.version) in self._keys or key.code_key_id in code_ids:
                raise BadKey("a key stands in the ring twice")
            self._keys[key.kind, key.version] = key
            if key.code_key_id is not None:
                code_ids.add(key.code_key_id)
        self._versions: dict[KeyKind, list[Key]] = {}
        for at in sorted(self._keys):
            self._versions.setdefault(at[0], []).append(self._keys[at])

    @property
    def keys(self) -> tuple[Key, ...]:
        """Every key, by kind, then version."""
        return tuple(self._keys[at] for at in sorted(self._keys))

    def current(self, kind: KeyKind, now: datetime) -> Key:
        """The newest version that may protect something now; ``BadKey`` if there is none."""
        for key in reversed(self._of(kind)):
            if key.is_usable(now):
                return key
        raise BadKey(f"no usable key of kind {kind}")

    def accepted(self, kind: KeyKind, version: int, now: datetime) -> Key:
        """That very version if it may open or verify now; ``BadKey`` otherwise."""
        key = self._keys.get((kind, version))
        if key is None or not key.is_accepted(now):
            raise BadKey(f"no accepted key of kind {kind} with that version")
        return key

    def all_accepted(self, kind: KeyKind, now: datetime) -> tuple[Key, ...]:
        """Every version that may open or verify now, newest first: for look-ups."""
        return tuple(key for key in reversed(self._of(kind)) if key.is_accepted(now))

    def by_code_key_id(self, code_key_id: int) -> Key:
        """The listed key with this id, whatever its windows; ``BadKey`` if unknown."""
        for key in self._keys.values():
            if key.code_key_id == code_key_id:
                return key
        raise BadKey("no listed key with that id")

    def with_key(self, key: Key) -> "KeyRing":
        """A ring with one key more."""
        return KeyRing((*self._keys.values(), key))

    def without(self, kind: KeyKind, version: int) -> "KeyRing":
        """A ring in which that version is destroyed; ``BadKey`` if it was not there."""
        self._one(kind, version)
        return KeyRing(k for at, k in self._keys.items() if at != (kind, version))

    def cut_off_before(self, kind: KeyKind, version: int, at: datetime) -> "KeyRing":
        """A ring in which everything that this version signed before ``at`` is void.

        The rule after an issuer key's theft and after a restore from backup. ``BadKey`` for a key
        that is not there or not listed, and for an earlier instant than the present cut-off: what
        was void stays void.
        """
        key = self._one(kind, version)
        if key.cut_off is not None and at < key.cut_off:
            raise BadKey("a cut-off never moves back")
        return self._with_changed(replace(key, cut_off=at))

    def closed_after(self, kind: KeyKind, version: int, at: datetime) -> "KeyRing":
        """A ring in which this version protects nothing from ``at`` on: its window ends there.

        For a listed key this is the emergency rule "refuse what was issued after T". How long
        the key is accepted after its last use stays as long as it was. ``BadKey`` for a key that
        is not there and for an ``at`` outside its window: a window is never opened again, and a
        key that should never have been used is destroyed (``without``).
        """
        key = self._one(kind, version)
        if not key.use_from < at <= key.use_until:
            raise BadKey("a key is closed inside its window")
        accept_until = key.accept_until
        if accept_until is not None:
            accept_until = at + (accept_until - key.use_until)
        return self._with_changed(replace(key, use_until=at, accept_until=accept_until))

    def with_public_halves(
        self, kinds: Collection[KeyKind], public_half: Callable[[Key], bytes]
    ) -> "KeyRing":
        """A ring without the private keys of these signing kinds, for those who ask a signer.

        ``public_half`` gives the 33 bytes of a key.
        """
        return KeyRing(
            replace(key, material=public_half(key)) if key.kind in kinds else key
            for key in self._keys.values()
        )

    def _one(self, kind: KeyKind, version: int) -> Key:
        key = self._keys.get((kind, version))
        if key is None:
            raise BadKey(f"no key of kind {kind} with that version")
        return key

    def _with_changed(self, changed: Key) -> "KeyRing":
        return KeyRing(
            changed if at == (changed.kind, changed.version) else key
            for at, key in self._keys.items()
        )

    def rotated(
        self,
        kind: KeyKind,
        now: datetime,
        *,
        life: timedelta,
        overlap: timedelta,
        random_bytes: RandomBytes = secrets.token_bytes,
    ) -> "KeyRing":
        """A ring with a new version of ``kind``, usable from ``now`` for ``life``.

        Older versions stop protecting ``overlap`` later (processes that have not yet loaded the
        new ring go on meanwhile) and stay accepted as long as before.
        """
        older = self._of(kind)
        if not older:
            raise BadKey(f"no key of kind {kind} to rotate")
        end = now + overlap
        kept = [
            replace(key, use_until=end)
            if key.kind is kind and key.use_from < end < key.use_until
            else key
            for key in self._keys.values()
        ]
        last = older[-1]
        accept_until = None
        if last.accept_until is not None:
            accept_until = now + life + (last.accept_until - last.use_until)
        fresh = Key(
            kind=kind,
            version=last.version + 1,
            material=_new_material(kind, random_bytes),
            use_from=now,
            use_until=now + life,
            accept_until=accept_until,
            code_key_id=self._next_code_key_id(last),
        )
        return KeyRing((*kept, fresh))

    def _of(self, kind: KeyKind) -> list[Key]:
        return self._versions.get(kind, [])

    def _next_code_key_id(self, last: Key) -> int | None:
        """Province byte of the last key and the lowest counter above all used ones."""
        if last.code_key_id is None:
            return None
        province = last.code_key_id >> 8
        used = [
            key.code_key_id & 0xFF
            for key in self._keys.values()
            if key.code_key_id is not None and key.code_key_id >> 8 == province
        ]
        counter = max(used) + 1
        if counter > 0xFF:
            raise BadKey("the province has no code key id left")
        return province << 8 | counter

    @classmethod
    def generate_for_development(
        cls,
        now: datetime,
        *,
        province: int = 99,
        random_bytes: RandomBytes = secrets.token_bytes,
    ) -> "KeyRing":
        """Version 1 of every kind, usable for ten years from a day before ``now``."""
        return cls.generate(
            now - timedelta(days=1),
            life=timedelta(days=3653),
            province=province,
            random_bytes=random_bytes,
        )

    @classmethod
    def generate(
        cls,
        now: datetime,
        *,
        life: timedelta,
        province: int,
        random_bytes: RandomBytes = secrets.token_bytes,
    ) -> "KeyRing":
        """Version 1 of every kind, usable for ``life``.

        Signing keys are accepted five years and a day longer (a printed code lives that long);
        keys that guard stored rows are accepted until they are destroyed.
        """
        if not 0 <= province <= PROVINCE_MAX:
            raise BadKey("a province is the first two digits of its GB/T 2260 code")
        keys = []
        for kind in KeyKind:
            code_key_id = None
            if kind in LISTED_KINDS:
                code_key_id = province << 8 | (LISTED_KINDS.index(kind) + 1)
            keys.append(
                Key(
                    kind=kind,
                    version=1,
                    material=_new_material(kind, random_bytes),
                    use_from=now,
                    use_until=now + life,
                    accept_until=now + life + timedelta(days=1828)
                    if kind in SIGNING_KINDS
                    else None,
                    code_key_id=code_key_id,
                )
            )
        return cls(keys)


def _new_material(kind: KeyKind, random_bytes: RandomBytes) -> bytes:
    """Random material; for SM2 reduced from 48 bytes so that the bias is below 2**-128."""
    if kind not in SIGNING_KINDS:
        return random_bytes(material_size(kind))
    return (int.from_bytes(random_bytes(48), "big") % (_N - 2) + 1).to_bytes(32, "big")
