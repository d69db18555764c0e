"""Files that outlive a power cut. The only module here that writes whole files."""

import os
from pathlib import Path

from crypto.keystore import sync_folder


def read_bounded(path: Path, size_max: int) -> bytes:
    """The file's bytes; ``ValueError`` if there are more than ``size_max``, else ``OSError``."""
    with path.open("rb") as source:
        content = source.read(size_max + 1)
    if len(content) > size_max:
        raise ValueError(f"{path.name} is larger than {size_max} bytes")
    return content


def owner_only(path: str, flags: int) -> int:
    """Opens for ``open``; a new file is its owner's alone: codes and times stand in it."""
    return os.open(path, flags, 0o600)


def write_durably(path: Path, content: bytes) -> None:
    """Replace the file so that after a crash it holds either the old or the new bytes, whole."""
    fresh = path.with_name(path.name + ".new")
    with open(fresh, "wb", opener=owner_only) as target:
        target.write(content)
        target.flush()
        os.fsync(target.fileno())
    fresh.replace(path)
    sync_folder(path.parent)
