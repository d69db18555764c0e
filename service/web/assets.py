"""The files of the pages, read once at start. Owns their versions, compression and entity tags.

What lies in the folders is what browsers get, without comments; ``built`` holds what ``make
clients`` made, or nothing. All files of one release share a version taken from their bytes; it
stands in every address, so they may be cached for good.
"""

import gzip
import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

FOLDERS: Mapping[str, str] = {
    "static": "",
    "resident": "resident/",
    "kiosk": "kiosk/",
    "counter": "counter/",
    "console": "console/",
    "built": "built/",
}
"""Folder of this package -> where its files stand below ``/static/{version}/``."""

MEDIA_TYPES: Mapping[str, str] = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
}
"""Only these kinds of file are served. The framework adds the charset to text types."""

HOLDER = "built/holder.js"
"""The phone's module (clients/holder), where it is built."""

WORKER = "resident/worker.js"
"""The service worker of the resident page; it lists the files that the page opens with."""

_NOTES = re.compile(rb"^[ \t]*(?://[^\n]*|/\*\*.*?\*/[ \t]*)$", re.MULTILINE | re.DOTALL)
"""Whole lines of a module that are comments."""

_VERSION_MARK = b"{{version}}"
_HOLDER_MARK = b"{{holder}}"
_FILES_MARK = b"{{files}}"


class Asset(msgspec.Struct, frozen=True, kw_only=True):
    """One file as it goes out."""

    body: bytes
    gzipped: bytes
    media_type: str
    etag: str


class Assets(msgspec.Struct, frozen=True, kw_only=True):
    """All files of one release."""

    version: str
    """Twelve hex digits over the names and bytes of all files."""
    files: Mapping[str, Asset]

    def page(self, name: str) -> Asset:
        """The start page of a folder: ``resident``, ``kiosk``, ``counter`` or ``console``."""
        return self.files[f"{name}/index.html"]

    @property
    def worker(self) -> Asset:
        """The service worker, served from the root so that its scope is the whole origin."""
        return self.files[WORKER]


def load_assets(root: Path = Path(__file__).parent, folders: Mapping[str, str] = FOLDERS) -> Assets:
    """Read every servable file below ``root``."""
    found: dict[str, tuple[bytes, str]] = {}
    for folder, prefix in folders.items():
        for path in sorted((root / folder).rglob("*")):
            media_type = MEDIA_TYPES.get(path.suffix)
            if media_type is not None and path.is_file():
                name = prefix + path.relative_to(root / folder).as_posix()
                found[name] = (_without_notes(path), media_type)
    version = _digest(
        *(part for name, (body, _) in found.items() for part in (name.encode(), body))
    )
    holder = f"/static/{version}/{HOLDER}" if HOLDER in found else ""
    marks = {
        _VERSION_MARK: version,
        _HOLDER_MARK: holder,
        _FILES_MARK: " ".join(_opened_with(found)),
    }
    return Assets(
        version=version,
        files={
            name: _asset(_filled(body, marks), media_type)
            for name, (body, media_type) in found.items()
        },
    )


def _without_notes(path: Path) -> bytes:
    """The file, of a module without comment lines: they are an eighth of what a phone would load.
    Their line ends stay, so that a browser's line numbers are those of the source."""
    body = path.read_bytes()
    if path.suffix != ".js" or path.parent.name == "built":
        return body
    return _NOTES.sub(lambda note: b"\n" * note.group().count(b"\n"), body)


def _opened_with(names: Iterable[str]) -> list[str]:
    """What the resident page needs to open: no other page's, not pages, not the worker itself."""
    return sorted(
        name
        for name in names
        if not name.startswith(("kiosk/", "counter/", "console/"))
        and not name.endswith((".html", ".txt"))
        and name != WORKER
    )


def _filled(body: bytes, marks: Mapping[bytes, str]) -> bytes:
    for mark, value in marks.items():
        body = body.replace(mark, value.encode())
    return body


def _asset(body: bytes, media_type: str) -> Asset:
    return Asset(
        body=body,
        gzipped=gzip.compress(body, 9, mtime=0),
        media_type=media_type,
        etag=f'"{_digest(body)}"',
    )


def _digest(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()[:12]
