"""The keystore of those who ask a signer: the ring without the private keys that it signs with.

It lies under a master key of its own, so that serving processes need neither the keystore nor its
master key. Whoever changes the ring writes the copy in the same breath, holding the same lock.
"""

from collections.abc import Collection
from pathlib import Path

from crypto import keystore
from crypto.keyring import KeyKind, KeyRing
from crypto.signer import serving_ring
from service.kernel.live_ring import KeystoreFile, KeystoreUnreadable
from service.keys.private_files import blank, reseal, write_private
from service.settings import Settings


class ServingCopy:
    """Keeps the copy like the ring."""

    def __init__(self, file: KeystoreFile, kinds: Collection[KeyKind]) -> None:
        self.file = file
        self._kinds = frozenset(kinds)

    def put(self, ring: KeyRing) -> None:
        """Write the copy of this ring, and overwrite the one before."""
        fresh = serving_ring(ring, self._kinds)
        self.file.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self.file.path.exists():
            if not self.file.master_file.exists():
                write_private(self.file.master_file, keystore.new_master_key().hex().encode())
            keystore.create(self.file.path, fresh, _read_master(self.file.master_file))
            return
        _, master = self.file.open()
        with self.file.path.open("r+b") as old:
            keystore.replace(self.file.path, fresh, master)
            blank(old)

    def change_master(self, ring: KeyRing) -> None:
        """Seal the copy under a fresh master key; there is one already."""
        self.put(ring)
        held, master = self.file.open()
        reseal(self.file, held, master)

    def is_of(self, ring: KeyRing) -> bool:
        """Whether the copy on disk is this ring's."""
        try:
            return self.file.load().keys == serving_ring(ring, self._kinds).keys
        except KeystoreUnreadable:
            return False


def _read_master(path: Path) -> bytes:
    try:
        return bytes.fromhex(path.read_text("ascii").strip())
    except ValueError:
        raise KeystoreUnreadable(f"{path} holds no master key") from None


def serving_copy_of(settings: Settings) -> ServingCopy | None:
    """The copy of this installation; None where no signer is."""
    if settings.signer_socket is None:
        return None
    file = KeystoreFile(settings.serving_keystore, settings.serving_master_key_file)
    return ServingCopy(file, settings.signer_kinds)
