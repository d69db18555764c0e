"""First start on a new machine: keys, and in the sandbox the secrets both sides of a twin share.

Writes only below the state folder, each file readable by its owner alone, and never over a file
that is there.
"""

import os
from datetime import timedelta
from pathlib import Path

from crypto import keystore
from crypto.healthcode.trust import sign_trust_list, trust_list_of
from crypto.healthcode.trustfile import write_roots, write_trust_file
from crypto.keyring import KeyRing
from crypto.sm2 import PrivateKey
from service.kernel.clock import SystemClock
from service.keys.serving_copy import serving_copy_of
from service.settings import Mode, Settings
from service.wiring import keystore_of

SANDBOX_PROVINCE = 99
"""No province has this GB/T 2260 code: sandbox codes can never be taken for real ones."""
SANDBOX_LIST_LIFE = timedelta(days=365)


def write_private(path: Path, content: bytes) -> None:
    """Create a file for its owner alone. Raises ``FileExistsError``."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def prepare_keys(settings: Settings) -> bool:
    """Make the master key and the key ring if there are none; tells whether it did.

    Where a signer is, the serving keystore too.
    """
    if settings.keystore.exists():
        _prepare_serving_copy(settings)
        return False
    settings.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not settings.master_key_file.exists():
        write_private(settings.master_key_file, keystore.new_master_key().hex().encode())
    master = bytes.fromhex(settings.master_key_file.read_text("ascii").strip())
    ring = KeyRing.generate_for_development(SystemClock().now(), province=SANDBOX_PROVINCE)
    settings.keystore.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    keystore.create(settings.keystore, ring, master)
    _prepare_serving_copy(settings)
    return True


def _prepare_serving_copy(settings: Settings) -> None:
    copy = serving_copy_of(settings)
    if copy is not None and not copy.file.path.exists():
        copy.put(keystore_of(settings).load())


def sandbox_root_file(settings: Settings) -> Path:
    """The sandbox's root key, 64 hexadecimal digits. A real root never lies on such a machine."""
    return settings.trust_roots.with_name(settings.trust_roots.name + ".sandbox-key")


def prepare_trust(settings: Settings, ring: KeyRing) -> bool:
    """In the sandbox, make a root and the first trust list under it; tells whether it did.

    Where roots are pinned or a list lies already nothing is made: a changed ring shows in
    ``/readyz`` as keys that the list lacks, and the root must be asked for a new list.
    """
    is_there = settings.trust_roots.exists() or settings.trust_list.exists()
    if settings.mode is not Mode.SANDBOX or is_there:
        return False
    root = PrivateKey.generate()
    now = SystemClock().now().replace(microsecond=0)
    listed = trust_list_of(ring, sequence=1, made_at=now, next_at=now + SANDBOX_LIST_LIFE)
    content = write_trust_file(sign_trust_list(listed, root), [root.public])
    write_private(sandbox_root_file(settings), root.to_bytes().hex().encode())
    write_private(settings.trust_list, content.encode())
    write_private(settings.trust_roots, write_roots([root.public]).encode())
    return True
