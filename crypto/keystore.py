"""The key ring on disk, sealed under a master key. The only module here that touches files.

    "YMKS" | version 2 | salt 16 | nonce 12 | SM4-GCM ciphertext | tag 16

The sealing key is HMAC-SM3(master, "YM keystore" NUL, version, salt), first 16 bytes; everything
before the nonce is authenticated. Inside stands strict JSON. Wrong master key, damage and an
unknown form are all ``BadCiphertext``: the file says nothing to who cannot open it.
"""

import json
import os
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from crypto.errors import BadCiphertext, BadEncoding, BadKey, CryptoError
from crypto.keyring import Key, KeyKind, KeyRing
from crypto.sm3 import hmac_sm3
from crypto.sm4 import NONCE_SIZE, TAG_SIZE, gcm_decrypt, gcm_encrypt

MASTER_KEY_SIZE = 32
FILE_MAX = 1 << 20
_HEAD = b"YMKS\x02"
_EARLIER = b"YMKS\x01"
_SALT_SIZE = 16
_BODY = len(_HEAD) + _SALT_SIZE
_FIELDS = {
    "kind",
    "version",
    "material",
    "use_from",
    "use_until",
    "accept_until",
    "code_key_id",
    "cut_off",
}


def _sealing_key(master: bytes, salt: bytes) -> bytes:
    if len(master) != MASTER_KEY_SIZE:
        raise BadKey("the master key has 32 bytes")
    return hmac_sm3(master, b"YM keystore\0" + _HEAD[4:] + salt)[:16]


def _row(key: Key) -> dict[str, object]:
    return {
        "kind": key.kind.value,
        "version": key.version,
        "material": key.material.hex(),
        "use_from": key.use_from.astimezone(UTC).isoformat(),
        "use_until": key.use_until.astimezone(UTC).isoformat(),
        "accept_until": key.accept_until and key.accept_until.astimezone(UTC).isoformat(),
        "code_key_id": key.code_key_id,
        "cut_off": key.cut_off and key.cut_off.astimezone(UTC).isoformat(),
    }


def _whole(value: object) -> int:
    if type(value) is not int:
        raise TypeError
    return value


def _instant_or_none(value: Any) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)


def _key(row: Any) -> Key:
    if not isinstance(row, dict) or set(row) != _FIELDS:
        raise TypeError
    return Key(
        kind=KeyKind(row["kind"]),
        version=_whole(row["version"]),
        material=bytes.fromhex(row["material"]),
        use_from=datetime.fromisoformat(row["use_from"]),
        use_until=datetime.fromisoformat(row["use_until"]),
        accept_until=_instant_or_none(row["accept_until"]),
        code_key_id=None if row["code_key_id"] is None else _whole(row["code_key_id"]),
        cut_off=_instant_or_none(row["cut_off"]),
    )


def seal_ring(ring: KeyRing, master: bytes) -> bytes:
    """The file's bytes. A fresh salt and nonce each time."""
    head = _HEAD + secrets.token_bytes(_SALT_SIZE)
    nonce = secrets.token_bytes(NONCE_SIZE)
    plain = json.dumps({"keys": [_row(key) for key in ring.keys]}, separators=(",", ":"))
    sealed = gcm_encrypt(_sealing_key(master, head[len(_HEAD) :]), nonce, plain.encode(), head)
    return head + nonce + sealed


def open_ring(blob: bytes, master: bytes) -> KeyRing:
    """The ring; ``BadCiphertext`` unless the file is whole, ours and under this master key."""
    if blob.startswith(_EARLIER):
        raise BadCiphertext("a keystore of an earlier development version: remove the state folder")
    smallest = _BODY + NONCE_SIZE + TAG_SIZE
    if not smallest <= len(blob) <= FILE_MAX or not blob.startswith(_HEAD):
        raise BadCiphertext("not a keystore file")
    head, nonce, sealed = blob[:_BODY], blob[_BODY:][:NONCE_SIZE], blob[_BODY + NONCE_SIZE :]
    plain = gcm_decrypt(_sealing_key(master, head[len(_HEAD) :]), nonce, sealed, head)
    try:
        document = json.loads(plain)
        ((name, rows),) = document.items()
        if name != "keys":
            raise BadEncoding("the keystore's content is not of this version")
        return KeyRing([_key(row) for row in rows])
    except CryptoError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError):
        raise BadEncoding("the keystore's content is not of this version") from None


def create(path: Path, ring: KeyRing, master: bytes) -> None:
    """Write a new keystore, readable by its owner alone; an existing file is never replaced."""
    _write(path, seal_ring(ring, master), os.O_EXCL)
    sync_folder(path.parent)


def load(path: Path, master: bytes) -> KeyRing:
    """Read and open a keystore."""
    with path.open("rb") as file:
        return open_ring(file.read(FILE_MAX + 1), master)


def replace(path: Path, ring: KeyRing, master: bytes) -> None:
    """Put a changed ring in place at one stroke: a reader sees the old file or the new one.

    When this returns, the name means the new file after a power cut too.
    """
    beside = path.with_name(f"{path.name}.{secrets.token_hex(8)}.new")
    _write(beside, seal_ring(ring, master), os.O_EXCL)
    beside.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make durable which files the folder's names mean."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def change_master(path: Path, old_master: bytes, new_master: bytes) -> None:
    """Seal the same ring under another master key."""
    replace(path, load(path, old_master), new_master)


def new_master_key() -> bytes:
    """32 random bytes."""
    return secrets.token_bytes(MASTER_KEY_SIZE)


def _write(path: Path, blob: bytes, flags: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | flags, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(blob)
        file.flush()
        os.fsync(file.fileno())
