"""First start on a new machine: keys, and in the sandbox the secrets both sides of a twin share.

Writes only below the state folder, each file readable by its owner alone, and never over a file
that is there.
"""

import os
from pathlib import Path

from crypto import keystore
from crypto.keyring import KeyRing
from service.kernel.clock import SystemClock
from service.settings import Settings

SANDBOX_PROVINCE = 99
"""No province has this GB/T 2260 code: sandbox codes can never be taken for real ones."""


def write_private(path: Path, content: bytes) -> None:
    """Create a file for its owner alone. Raises ``FileExistsError``."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def prepare_keys(settings: Settings) -> bool:
    """Make the master key and the key ring if there are none; tells whether it did."""
    if settings.keystore.exists():
        return False
    settings.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not settings.master_key_file.exists():
        write_private(settings.master_key_file, keystore.new_master_key().hex().encode())
    master = bytes.fromhex(settings.master_key_file.read_text("ascii").strip())
    ring = KeyRing.generate_for_development(SystemClock().now(), province=SANDBOX_PROVINCE)
    settings.keystore.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    keystore.create(settings.keystore, ring, master)
    return True
