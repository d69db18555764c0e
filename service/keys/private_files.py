"""Files that hold or open keys: written whole, for their owner alone, and overwritten at their end.

On disks and file systems that move what is written the last is no promise.
"""

import os
import secrets
from pathlib import Path
from typing import BinaryIO

from crypto import keystore
from crypto.keyring import KeyRing
from service.kernel.live_ring import KeystoreFile


def write_private(path: Path, content: bytes) -> None:
    """A new durable file for its owner alone, whole or not at all. Raises ``FileExistsError``."""
    beside = path.with_name(f"{path.name}.{secrets.token_hex(8)}.part")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(beside, path)
    except FileExistsError:
        raise FileExistsError(f"{path} is there already and is never written over") from None
    finally:
        beside.unlink()
    keystore.sync_folder(path.parent)


def blank(file: BinaryIO) -> None:
    """Overwrite the bytes of an open file that has no name any more."""
    size = os.fstat(file.fileno()).st_size
    file.seek(0)
    file.write(secrets.token_bytes(size))
    file.flush()
    os.fsync(file.fileno())


def reseal(file: KeystoreFile, ring: KeyRing, opened_by: bytes) -> None:
    """Seal the ring under a fresh master key, in an order that a crash cannot break.

    The new key stands beside the old one before anything is sealed under it, and readers try both;
    the old key's bytes are overwritten at the end. ``opened_by``: the master key of now.
    """
    fresh = keystore.new_master_key()
    waiting, in_use = file.next_master_file, file.master_file
    if waiting.exists():
        _settle(file, opened_by)
    write_private(waiting, fresh.hex().encode())
    keystore.replace(file.path, ring, fresh)
    with in_use.open("r+b") as old:
        waiting.replace(in_use)
        keystore.sync_folder(in_use.parent)
        blank(old)


def _settle(file: KeystoreFile, opens: bytes) -> None:
    """End a change of master keys that a crash cut short: keep the key that opens the file."""
    waiting = file.next_master_file
    if waiting.read_bytes().strip() == opens.hex().encode():
        waiting.replace(file.master_file)
    else:
        waiting.unlink()
    keystore.sync_folder(waiting.parent)
