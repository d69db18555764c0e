"""The folder that lists are fetched into: what is held there, and how a new file gets there.

trust.json             the trust file; its roots are the pinned ones
revoked/fetched-*      revocation lists as they were served, a full one and deltas behind it
certificates.crl       the list of revoked certificates, where its roots are given
fetching/              half-written files and entity tags, ours alone
state/                 the reader's; only its highest sequences are read
"""

import fcntl
import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from crypto.certificates import Crl, read_crl
from crypto.certificates.revocation import CRL_MAX
from crypto.healthcode.revocation import LIST_MAX
from crypto.healthcode.trust import TrustList
from crypto.healthcode.trustfile import split_trust_file
from crypto.keystore import sync_folder
from crypto.sm2 import PublicKey
from service.reader.files import read_bounded, write_durably
from service.reader.lists import (
    FILES_MAX,
    TRUST_FILE_MAX,
    Newest,
    OpenedRevocations,
    Place,
    open_revocations,
    open_trust,
    place_name,
    read_newest,
)

CRL_FILE = "certificates.crl"
_TRUST, _REVOKED, _OURS, _TAGS = "trust.json", "revoked", "fetched-", "etags.json"


class Folder:
    """One fetcher at a time. Raises ``OSError`` or ``ValueError`` when it cannot be used."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fetching, self._revoked = path / "fetching", path / _REVOKED
        for folder in (path, self._fetching, self._revoked):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = _lock(self._fetching / "owner.lock")
        self._newest: Newest = read_newest(path / "state" / "newest.json")
        self._tags = self._read_tags()

    def close(self) -> None:
        """Let another fetcher in."""
        os.close(self._lock)

    def pinned_roots(self) -> list[PublicKey]:
        """The roots that the held trust file names; none without one. ``ValueError``, or
        ``CryptoError`` for a spoilt one: put a good one there by hand."""
        text = self.trust_text()
        return [] if text is None else split_trust_file(text)[0]

    def held_trust(self) -> TrustList | None:
        """The list in the trust file, if it is good."""
        try:
            return open_trust(read_bounded(self.path / _TRUST, TRUST_FILE_MAX), 0)
        except (OSError, ValueError):
            return None

    def newest_trust(self) -> int:
        """The highest sequence that was ever taken here."""
        held = self.held_trust()
        return max(self._newest.trust, 0 if held is None else held.sequence)

    def newest_revoked(self, place: Place) -> int:
        """The highest sequence that the reader ever took."""
        return self._newest.revoked.get(place_name(place), 0)

    def held_revoked(self) -> dict[str, bytes]:
        """The files under ``revoked``, whoever put them there, by name."""
        blobs = {}
        for path in sorted(self._revoked.iterdir())[:FILES_MAX]:
            try:
                blobs[path.name] = read_bounded(path, LIST_MAX)
            except (OSError, ValueError):
                continue
        return blobs

    def put_trust(self, text: str) -> None:
        """Replace the trust file."""
        self._put(self.path / _TRUST, text.encode())

    def put_revoked(self, place: Place, sequence: int, blob: bytes, *, is_full: bool) -> None:
        """Add a list; a full one makes ours before it superfluous."""
        begin = f"{_OURS}{place_name(place)}-"
        name = f"{begin}{sequence:010}"
        self._put(self._revoked / name, blob)
        if is_full:
            for path in self._revoked.glob(f"{begin}*"):
                if path.name != name:
                    path.unlink(missing_ok=True)

    def trust_text(self) -> str | None:
        """The trust file as it stands."""
        try:
            return read_bounded(self.path / _TRUST, TRUST_FILE_MAX).decode("utf-8")
        except (OSError, ValueError):
            return None

    def held_crl(self) -> Crl | None:
        """The held list of revoked certificates, if it is one."""
        try:
            return read_crl(read_bounded(self.path / CRL_FILE, CRL_MAX))
        except (OSError, ValueError):
            return None

    def put_crl(self, blob: bytes) -> None:
        """Replace it."""
        self._put(self.path / CRL_FILE, blob)

    def tag(self, name: str, sequence: int) -> str:
        """The entity tag that came with what is held as ``name``, if it is that list still."""
        known = self._tags.get(name)
        return known[1] if known is not None and known[0] == sequence else ""

    def keep_tag(self, name: str, sequence: int, etag: str) -> None:
        """Remember it for the next time."""
        if self._tags.get(name) != (sequence, etag):
            self._tags[name] = (sequence, etag)
            write_durably(self._fetching / _TAGS, msgspec.json.encode(self._tags))

    def _put(self, path: Path, content: bytes) -> None:
        """Whole or not at all, in the place where a reader looks."""
        fresh = self._fetching / path.name
        write_durably(fresh, content)
        fresh.replace(path)
        sync_folder(path.parent)

    def _read_tags(self) -> dict[str, tuple[int, str]]:
        try:
            raw = read_bounded(self._fetching / _TAGS, 1 << 16)
            return msgspec.json.decode(raw, type=dict[str, tuple[int, str]])
        except (OSError, ValueError, msgspec.DecodeError):
            return {}


class HeldPlace(msgspec.Struct, frozen=True, kw_only=True):
    """What is held of one scope and class: the files that lead to it, and its sequence.

    ``begun`` is when the full one of them was made, ``next_at`` when a newer one was due.
    """

    blobs: dict[str, bytes]
    sequence: int = 0
    begun: datetime | None = None
    next_at: datetime | None = None

    @classmethod
    def of(cls, opened: OpenedRevocations, blobs: dict[str, bytes], place: Place) -> "HeldPlace":
        """From everything that was opened."""
        found = opened.found.get(place)
        if found is None:
            return cls(blobs={})
        return cls(
            blobs={name: blobs[name] for name in found[1]},
            sequence=found[0].sequence,
            begun=opened.begun[place],
            next_at=found[0].next_at,
        )


def find_held(
    folder: Folder, places: Sequence[Place], trust: TrustList, now: datetime
) -> dict[Place, HeldPlace]:
    """What of the files holds by this trust list."""
    blobs = folder.held_revoked()
    opened = open_revocations(blobs, trust, now)
    return {place: HeldPlace.of(opened, blobs, place) for place in places}


def _lock(path: Path) -> int:
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise ValueError("lists are being fetched into this folder already") from None
    return handle
