"""The trust files of the online side: the pinned roots, the list in force, the highest sequence.

One at a time edits them, and in an order in which whoever reads between two steps, or after a
crash there, finds a list that a pinned root signed. The highest sequence ever installed is kept
beside the list (``<list>.newest``), because readers never take a lower one: it must outlive the
list's own file and the root that signed it.
"""

import os
import secrets
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from crypto.errors import CryptoError
from crypto.healthcode.trust import open_trust_list
from crypto.healthcode.trustfile import (
    ROOTS_MAX,
    read_trust_file,
    split_trust_file,
    write_trust_file,
)
from crypto.sm2 import PublicKey
from service.keys import ceremony
from service.keys.ceremony import CeremonyRefused
from service.keys.keystore_editing import LOCK_WITHIN_S, one_editor
from service.keys.private_files import write_private

FILE_MAX = 4 << 20


class TrustFiles:
    """Reads and replaces the files that say whose trust lists count, and which one is served."""

    def __init__(self, trust_list: Path, trust_roots: Path) -> None:
        self.trust_list = trust_list
        self.trust_roots = trust_roots
        self.newest = trust_list.with_name(trust_list.name + ".newest")

    def one_editor(self, within_s: float = LOCK_WITHIN_S) -> AbstractContextManager[None]:
        """Around all that reads first and writes then. Raises ``KeystoreBusy``."""
        self.trust_list.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return one_editor(self.trust_list.with_name(self.trust_list.name + ".lock"), within_s)

    def pins(self) -> list[PublicKey]:
        """The pinned roots; none before the first were. Raises ``CeremonyRefused``."""
        return ceremony.read_pins(read_text(self.trust_roots)) if self.trust_roots.exists() else []

    def present(self) -> str | None:
        """The trust file in place. Raises ``CeremonyRefused`` when it is no text."""
        return read_text(self.trust_list) if self.trust_list.exists() else None

    def in_force(self, pins: Sequence[PublicKey]) -> bytes | None:
        """The signed list in place if one of ``pins`` signed it."""
        try:
            text = self.present()
            blob = None if text is None else split_trust_file(text)[1]
            if blob is not None:
                open_trust_list(blob, pins)
        except (CryptoError, CeremonyRefused):
            return None
        return blob

    def highest(self) -> int:
        """The highest sequence that was ever installed, whoever signed it; 0 for none.

        Raises ``CeremonyRefused`` when a list is there and nothing tells its sequence.
        """
        noted = self._noted()
        try:
            text = self.present()
            return max(noted, 0 if text is None else read_trust_file(text).sequence)
        except (CryptoError, CeremonyRefused):
            if noted:
                return noted
        raise CeremonyRefused(
            f"{self.trust_list} is damaged and nothing tells its sequence: put a good copy back"
        )

    def _noted(self) -> int:
        if not self.newest.exists():
            return 0
        text = read_text(self.newest).strip()
        if not (text.isascii() and text.isdecimal() and len(text) <= 10):
            raise CeremonyRefused(f"{self.newest} is damaged: write the highest sequence into it")
        return int(text)

    def steps(self, pins: Sequence[PublicKey], blob: bytes | None) -> list[tuple[Path, str]]:
        """What to write, in order, so that ``pins`` count and ``blob``, if any, is served.

        Old and new roots are pinned together until the list that names the new ones is in place.
        """
        together = [*pins, *(old for old in self.pins() if not _is_in(old, pins))]
        if len(together) > ROOTS_MAX:
            raise CeremonyRefused(
                f"old and new roots together are more than {ROOTS_MAX}: change fewer at once"
            )
        found = [(self.trust_roots, _pins_text(together))]
        if blob is not None:
            found.append((self.trust_list, write_trust_file(blob, pins)))
        if len(together) > len(pins):
            found.append((self.trust_roots, _pins_text(pins)))
        return found

    def put(self, pins: Sequence[PublicKey], blob: bytes | None) -> None:
        """Take all ``steps``. The sequence is noted last: until then the list itself tells it."""
        for path, text in self.steps(pins, blob):
            _put(path, text)
        if blob is not None:
            _put(self.newest, f"{self.highest()}\n")


def read_text(path: Path) -> str:
    """A file of at most 4 MiB. Raises ``CeremonyRefused`` for a longer one and for no text."""
    with path.open("rb") as file:
        content = file.read(FILE_MAX + 1)
    if len(content) > FILE_MAX:
        raise CeremonyRefused(f"{path} is too long")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise CeremonyRefused(f"{path} is not text") from None


def _is_in(pin: PublicKey, pins: Sequence[PublicKey]) -> bool:
    return any(ceremony.same(pin, other) for other in pins)


def _pins_text(pins: Sequence[PublicKey]) -> str:
    return ceremony.write_pins(pins, (), force=True)


def _put(path: Path, text: str) -> None:
    """A public file, at one stroke and durably."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.{secrets.token_hex(8)}.new")
    write_private(beside, text.encode())
    beside.chmod(0o644)
    beside.replace(path)
    handle = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
