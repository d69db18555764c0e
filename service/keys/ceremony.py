"""The trust list between the online side and the offline root: exported, signed, installed. Pure.

    online   export_public(ring)            -> public file (JSON, no secret)
    offline  signed_list(public file, root) -> trust file
    online   installed(trust file, pins)    -> trust file to serve

The public file is not signed: both sides show its fingerprint, and the custodians compare the two
before they open the root.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from crypto.errors import BadKey, CryptoError
from crypto.healthcode.rootfile import fingerprint
from crypto.healthcode.trust import (
    TrustedKey,
    TrustList,
    Use,
    open_trust_list,
    sign_trust_list,
    trust_list_of,
    trusted_key,
)
from crypto.healthcode.trustfile import (
    ROOTS_MAX,
    read_root,
    read_roots,
    split_trust_file,
    write_roots,
    write_trust_file,
)
from crypto.keyring import LISTED_KINDS, KeyRing
from crypto.sm2 import PrivateKey, PublicKey
from service.kernel.clock import CLOCKS_APART

FORM = "yimatong-ring-public/1"
PUBLIC_MAX = 1 << 20
NEXT_DAYS_MAX = 400
SEQUENCE_MAX = 0xFFFF_FFFF
WARN_BEFORE = timedelta(days=30)
"""The root is offline: people, a safe and a ceremony stand between a warning and a new list."""


class CeremonyRefused(Exception):
    """What was brought to the root, or back from it, is not what it must be."""


class PublicKeyRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the root vouches for about one key."""

    key_id: int
    public: str
    uses: list[str]
    classes: list[int]
    sign_from: datetime
    sign_until: datetime
    verify_until: datetime
    cut_off: datetime | None
    life_max_s: int | None


class PublicRing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The listed keys of a ring without their secrets.

    ``sequence``: the highest of all lists that were ever installed.
    """

    form: str
    made_at: datetime
    sequence: int
    keys: list[PublicKeyRow]

    def fingerprint(self) -> str:
        """What people compare on both sides of the gap."""
        return fingerprint([msgspec.json.encode(self)])


def export_public(ring: KeyRing, now: datetime, sequence: int) -> PublicRing:
    """The listed keys of the ring; ``sequence`` is the highest ever installed, 0 for none."""
    at = now.replace(microsecond=0)
    listed = trust_list_of(ring, sequence=sequence, made_at=at, next_at=at)
    rows = [_row(listed.keys[key_id]) for key_id in sorted(listed.keys)]
    return PublicRing(form=FORM, made_at=at, sequence=sequence, keys=rows)


def write_public(public: PublicRing) -> bytes:
    """The public file."""
    return msgspec.json.format(msgspec.json.encode(public), indent=1) + b"\n"


def read_public(content: bytes) -> PublicRing:
    """Raises ``CeremonyRefused`` for anything but a public file."""
    if len(content) > PUBLIC_MAX:
        raise CeremonyRefused("the public file is too long")
    try:
        public = msgspec.json.decode(content, type=PublicRing)
    except msgspec.MsgspecError:
        raise CeremonyRefused("not a public file of keys") from None
    if public.form != FORM or not public.keys:
        raise CeremonyRefused("not a public file of keys")
    return public


def drafted_list(
    public: PublicRing, now: datetime, *, next_days: int, last_sequence: int
) -> TrustList:
    """The list of these keys that a root is to sign.

    Its sequence is above every installed one and above ``last_sequence``, the newest that the
    offline side knows of. Raises ``CeremonyRefused``.
    """
    if not 1 <= next_days <= NEXT_DAYS_MAX:
        raise CeremonyRefused(f"the next list is due in 1 to {NEXT_DAYS_MAX} days")
    if public.made_at > now + CLOCKS_APART:
        raise CeremonyRefused("the public file is from the future: set this machine's clock")
    sequence = max(public.sequence, last_sequence) + 1
    if not 0 < sequence <= SEQUENCE_MAX:
        raise CeremonyRefused("a sequence has four bytes, and none is left")
    at = now.replace(microsecond=0)
    try:
        return TrustList.of(
            sequence=sequence,
            made_at=at,
            next_at=at + timedelta(days=next_days),
            keys=[_key(row) for row in public.keys],
        )
    except (CryptoError, ValueError):
        raise CeremonyRefused("a key in the public file is not in form") from None


def signed_file(trust: TrustList, root: PrivateKey, other_roots: Sequence[PublicKey]) -> str:
    """The trust file with that list, signed by ``root``. Raises ``CeremonyRefused``."""
    roots = [root.public, *(key for key in other_roots if not same(key, root.public))]
    if len(roots) > ROOTS_MAX:
        raise CeremonyRefused(f"a trust file pins at most {ROOTS_MAX} roots")
    try:
        signed = sign_trust_list(trust, root)
        open_trust_list(signed, [root.public])
        return write_trust_file(signed, roots)
    except (CryptoError, ValueError):
        raise CeremonyRefused("a key in the public file is not in form") from None


def installed(
    text: str, pins: Sequence[PublicKey], highest: int, now: datetime
) -> tuple[bytes, TrustList]:
    """The signed bytes of a trust file that may be served, and what is in it.

    Raises ``CeremonyRefused`` unless a pinned root signed it, its sequence is above ``highest``,
    that of every list ever installed, and it holds now.
    """
    try:
        _, blob = split_trust_file(text)
        trust = open_trust_list(blob, pins)
    except CryptoError as fault:
        raise CeremonyRefused(f"the trust list was refused: {fault}") from None
    if trust.sequence <= highest:
        raise CeremonyRefused(
            f"its sequence is {trust.sequence}, and {highest} was installed before: sequences rise"
        )
    if trust.made_at > now + CLOCKS_APART:
        raise CeremonyRefused("the trust list is from the future: check both clocks")
    if now >= trust.next_at:
        raise CeremonyRefused("the trust list has run out already")
    return blob, trust


def unlisted(trust: TrustList, ring: KeyRing, now: datetime) -> list[str]:
    """What readers with this list would not know of the ring, in words; empty when all is known."""
    found = []
    for key in ring.keys:
        if key.kind not in LISTED_KINDS or not key.is_accepted(max(now, key.use_from)):
            continue
        ours, name = trusted_key(key), f"{key.kind} {key.version}"
        theirs = trust.keys.get(ours.key_id)
        if theirs is None or not same(theirs.public, ours.public):
            found.append(f"{name} is not in the list")
        elif theirs.cut_off != ours.cut_off:
            found.append(f"{name}: the list has another cut-off")
        elif theirs.sign_until > ours.sign_until:
            found.append(f"{name}: the list lets it sign for longer")
        elif theirs.sign_until < ours.sign_until or theirs.sign_from > ours.sign_from:
            found.append(f"{name}: the list lets it sign for less long")
    return found


def read_pins(text: str) -> list[PublicKey]:
    """The pinned roots of a roots file. Raises ``CeremonyRefused``."""
    try:
        return read_roots(text)
    except CryptoError as fault:
        raise CeremonyRefused(str(fault)) from None


def read_pin(text: str) -> PublicKey:
    """One root's public key. Raises ``CeremonyRefused``."""
    try:
        return read_root(text)
    except CryptoError as fault:
        raise CeremonyRefused(str(fault)) from None


def write_pins(pins: Sequence[PublicKey], present: Sequence[PublicKey], *, force: bool) -> str:
    """The text of a roots file. Raises ``CeremonyRefused`` when no present pin stays.

    Readers that know only the old roots would refuse every list to come; so a change keeps one.
    """
    if not 1 <= len(pins) <= ROOTS_MAX:
        raise CeremonyRefused(f"one to {ROOTS_MAX} roots are pinned")
    if present and not force and not any(same(a, b) for a in pins for b in present):
        raise CeremonyRefused("none of the present roots would stay pinned: keep one, or --force")
    return write_roots(pins)


def same(one: PublicKey, other: PublicKey) -> bool:
    """Whether two public keys are one."""
    return one.compressed() == other.compressed()


def _row(key: TrustedKey) -> PublicKeyRow:
    return PublicKeyRow(
        key_id=key.key_id,
        public=key.public.compressed().hex(),
        uses=sorted(use.name for use in key.uses),
        classes=sorted(key.classes),
        sign_from=key.sign_from,
        sign_until=key.sign_until,
        verify_until=key.verify_until,
        cut_off=key.cut_off,
        life_max_s=key.life_max_s,
    )


def _key(row: PublicKeyRow) -> TrustedKey:
    if not 0 <= row.key_id <= 0xFFFF or not row.uses or not set(row.uses) <= set(Use.__members__):
        raise BadKey("not a key for the trust list")
    return TrustedKey(
        key_id=row.key_id,
        public=PublicKey.from_bytes(bytes.fromhex(row.public), allow_compressed=True),
        uses=frozenset(Use[name] for name in row.uses),
        classes=frozenset(row.classes),
        sign_from=row.sign_from,
        sign_until=row.sign_until,
        verify_until=row.verify_until,
        cut_off=row.cut_off,
        life_max_s=row.life_max_s,
    )
