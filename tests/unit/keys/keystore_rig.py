"""A keystore in a folder of its own."""

from pathlib import Path

from crypto import keystore
from crypto.keyring import KeyRing
from service.kernel.live_ring import KeystoreFile
from service.keys.keystore_editing import KeystoreEditor


def an_editor(folder: Path, ring: KeyRing | None = None, wait_s: float = 1.0) -> KeystoreEditor:
    """An editor of ``folder/keystore``; with a ring, the files are there."""
    file = KeystoreFile(folder / "keystore", folder / "master")
    if ring is not None:
        master = keystore.new_master_key()
        file.master_file.write_text(master.hex())
        keystore.create(file.path, ring, master)
    return KeystoreEditor(file, lock_within_s=wait_s)
