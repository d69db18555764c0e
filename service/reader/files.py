"""Files that outlive a power cut. The only module here that writes whole files."""

import os
from pathlib import Path


def read_bounded(path: Path, size_max: int) -> bytes:
    """The file's bytes; ``ValueError`` if there are more than ``size_max``, else ``OSError``."""
    with path.open("rb") as source:
        content = source.read(size_max + 1)
    if len(content) > size_max:
        raise ValueError(f"{path.name} is larger than {size_max} bytes")
    return content


def write_durably(path: Path, content: bytes) -> None:
    """Replace the file so that after a crash it holds either the old or the new bytes, whole."""
    fresh = path.with_name(path.name + ".new")
    with fresh.open("wb") as target:
        target.write(content)
        target.flush()
        os.fsync(target.fileno())
    fresh.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make names created, replaced or removed in the folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
