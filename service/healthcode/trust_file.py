"""The trust file on disk: read again when it changes, believed only under our own pinned roots.

The list is signed elsewhere, by the offline root. The roots that stand in the file are for
readers; which roots this service believes comes from a file of its own.
"""

from functools import lru_cache
from pathlib import Path

import msgspec

from crypto.errors import CryptoError
from crypto.healthcode.trust import LIST_MAX, TrustList, open_trust_list
from crypto.healthcode.trustfile import read_roots, split_trust_file
from crypto.sm3 import sm3

ROOTS_FILE_MAX = 1024
FILE_MAX = 2 * LIST_MAX + 4096

_Mark = tuple[int, int, int]


class TrustFileRefused(Exception):
    """Why the trust file is not served, as a fixed word in kebab case."""

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


class PublishedTrust(msgspec.Struct, frozen=True, kw_only=True):
    """The file as it goes out, its entity tag without quotes, and the list inside."""

    content: bytes
    etag: str
    trust: TrustList


def read_published(trust_list: Path | None, trust_roots: Path | None) -> PublishedTrust:
    """The file of this moment. Raises ``TrustFileRefused``.

    Words: ``not-configured``, ``no-file``, ``no-roots``, ``roots-invalid``, ``list-invalid`` and
    ``foreign-root`` (it was signed by, or names, a root that is not pinned here).
    """
    if trust_list is None or trust_roots is None:
        raise TrustFileRefused("not-configured")
    return _opened(
        trust_list,
        _mark(trust_list, "no-file"),
        trust_roots,
        _mark(trust_roots, "no-roots"),
    )


def _mark(path: Path, word: str) -> _Mark:
    """Inode, size and time: a replaced file always has another inode."""
    try:
        seen = path.stat()
    except OSError:
        raise TrustFileRefused(word) from None
    return seen.st_ino, seen.st_size, seen.st_mtime_ns


@lru_cache(maxsize=4)
def _opened(
    trust_list: Path, _list_mark: _Mark, trust_roots: Path, _roots_mark: _Mark
) -> PublishedTrust:
    try:
        roots = read_roots(_read(trust_roots, ROOTS_FILE_MAX, "no-roots").decode("ascii"))
    except (CryptoError, UnicodeDecodeError):
        raise TrustFileRefused("roots-invalid") from None
    content = _read(trust_list, FILE_MAX, "no-file")
    try:
        named, blob = split_trust_file(content.decode("ascii"))
        open_trust_list(blob, named)
    except (CryptoError, UnicodeDecodeError):
        raise TrustFileRefused("list-invalid") from None
    try:
        trust = open_trust_list(blob, roots)
    except CryptoError:
        raise TrustFileRefused("foreign-root") from None
    pinned = {root.compressed() for root in roots}
    if not {root.compressed() for root in named} <= pinned:
        raise TrustFileRefused("foreign-root")
    return PublishedTrust(content=content, etag=sm3(content).hex()[:32], trust=trust)


def _read(path: Path, size_max: int, word: str) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(size_max + 1)
    except OSError:
        raise TrustFileRefused(word) from None
    if len(content) > size_max:
        raise TrustFileRefused("list-invalid")
    return content
