"""``yimatong code fetch-lists``: one run, for cron. Says a line a list and gives an exit status."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import msgspec

from crypto.certificates import Certificate, read_chain
from crypto.errors import CryptoError
from crypto.healthcode.trustfile import ROOTS_MAX
from crypto.sm2 import PublicKey
from service.fetch_lists.download import Downloader
from service.fetch_lists.fetching import Fetcher, Outcome, Told
from service.fetch_lists.folder import Folder
from service.reader.files import read_bounded

FAULTS = (OSError, CryptoError, ValueError)
"""What ``fetch_lists`` may raise: nothing could be begun."""
PAUSE_S = 10.0
"""The longest wait for a connection, or for the next bytes."""
_ROOTS_FILE_MAX = 1 << 16


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line says."""

    source: str
    folder: Path
    roots: Sequence[str] = ()
    """Compressed keys in hexadecimal; none: those of the trust file that is there."""
    classes: Sequence[int] = (0,)
    certificate_roots: Path | None = None
    within_s: float = 60.0
    """For each list."""


def fetch_lists(wanted: Wanted, now: datetime) -> list[Told]:
    """Take what is new. Raises ``FAULTS``."""
    _check_source(wanted.source)
    if any(not 0 <= one <= 255 for one in wanted.classes):
        raise ValueError("--class: 0 to 255")
    roots = [_root(root) for root in wanted.roots]
    anchors = _anchors(wanted.certificate_roots)
    folder = Folder(wanted.folder)
    try:
        pinned = roots or folder.pinned_roots()
        if not 1 <= len(pinned) <= ROOTS_MAX:
            raise ValueError(
                f"one to {ROOTS_MAX} roots are pinned: put the platform's trust file there by hand"
                " as trust.json, or name its roots by --root"
            )
        return asyncio.run(_fetch(wanted, folder, pinned, anchors, now))
    finally:
        folder.close()


def status_of(told: Sequence[Told]) -> int:
    """The first of refused, unreachable, stale, new and unchanged that became of a list."""
    outcomes = {one.outcome for one in told}
    bad = {one for one in outcomes if not one.is_good}
    return min(bad or outcomes, default=Outcome.UNCHANGED)


async def _fetch(
    wanted: Wanted,
    folder: Folder,
    pinned: Sequence[PublicKey],
    anchors: Sequence[Certificate],
    now: datetime,
) -> list[Told]:
    async with httpx.AsyncClient(
        base_url=wanted.source, timeout=PAUSE_S, follow_redirects=False, trust_env=False
    ) as client:
        fetcher = Fetcher(Downloader(client, wanted.within_s), folder, pinned, now)
        told = [await fetcher.trust(), *await fetcher.revoked(wanted.classes)]
        if anchors:
            told.append(await fetcher.certificates(anchors))
        return told


def _check_source(source: str) -> None:
    try:
        where = urlsplit(source)
        is_fine = where.scheme in {"http", "https"} and bool(where.hostname) and where.port != 0
        httpx.URL(source)
    except (ValueError, httpx.InvalidURL):
        is_fine = False
    if not is_fine:
        raise ValueError("--from: an address such as https://code.example.cn")


def _root(text: str) -> PublicKey:
    try:
        return PublicKey.from_bytes(bytes.fromhex(text), allow_compressed=True)
    except ValueError:
        raise ValueError("--root: a compressed public key, 66 hexadecimal digits") from None


def _anchors(path: Path | None) -> Sequence[Certificate]:
    if path is None:
        return ()
    return read_chain(read_bounded(path, _ROOTS_FILE_MAX).decode("ascii"))
