"""Outside certificate authorities: their roots, what lies between, and their revocation lists.

A folder of PEM files (lists may be DER), looked at again every two seconds: an operator, or his
``cron``, drops a new list into it and every process follows. A file that cannot be read keeps its
last good content and is told about; nothing here goes to the network.
"""

from collections import OrderedDict
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from crypto.certificates import (
    Anchors,
    Certificate,
    CertificateRefused,
    Crl,
    Refusal,
    check_path,
    read_chain,
    read_crls,
)
from crypto.certificates import Path as CertificatePath
from crypto.errors import CryptoError
from crypto.sm3 import sm3
from service.kernel.logs import get_logger

LOOK_AGAIN = timedelta(seconds=2)
CRL_GRACE = timedelta(days=7)
"""A caller in use is not stopped because his authority is late with its list."""
VERDICTS_MAX = 4096
FILES_MAX = 200
_SUFFIXES = {".pem", ".crt", ".cer", ".crl"}

_log = get_logger("outside-roots")


class _File(msgspec.Struct, frozen=True):
    stamp: tuple[int, int]
    roots: list[Certificate]
    between: list[Certificate]
    crls: list[Crl]


class OutsideRoots:
    """What the folder says now. Without a folder no outside authority counts."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._files: dict[str, _File] = {}
        self._looked_at: datetime | None = None
        self._verdicts: OrderedDict[bytes, CertificateRefused | None] = OrderedDict()

    def check(self, chain: str, now: datetime) -> CertificatePath:
        """Judge a caller's PEM chain strictly, for taking it in. ``CertificateRefused``."""
        self._look(now)
        return self._judge(chain, timedelta(0), now)

    def authorities(self, now: datetime) -> list[Certificate]:
        """Every authority in the folder, roots and what lies between."""
        self._look(now)
        return [one for file in self._files.values() for one in [*file.roots, *file.between]]

    def still_counts(self, chain: str, now: datetime) -> bool:
        """Judge a chain that was taken in, with grace for late lists; verdicts live two seconds."""
        self._look(now)
        name = sm3(chain.encode())
        if name not in self._verdicts:
            self._verdicts[name] = self._refusal(chain, now)
            if len(self._verdicts) > VERDICTS_MAX:
                self._verdicts.popitem(last=False)
        return self._verdicts[name] is None

    def _refusal(self, chain: str, now: datetime) -> CertificateRefused | None:
        try:
            self._judge(chain, CRL_GRACE, now)
        except CertificateRefused as refused:
            _log.warning("certificate.refused", refusal=refused.refusal.value)
            return refused
        return None

    def _judge(self, chain: str, grace: timedelta, now: datetime) -> CertificatePath:
        caller, *given = read_chain(chain)
        files = self._files.values()
        anchors = Anchors(
            roots=[root for file in files for root in file.roots],
            crls=[crl for file in files for crl in file.crls],
            crl_grace=grace,
        )
        known = [one for file in files for one in file.between]
        return check_path(caller, [*given, *known], anchors, now)

    def _look(self, now: datetime) -> None:
        """Read what changed. Small files, at most once in two seconds."""
        if self._looked_at is not None and abs(now - self._looked_at) < LOOK_AGAIN:
            return
        self._looked_at = now
        self._verdicts.clear()
        if self._folder is None:
            return
        if not self._folder.is_dir():
            _log.error("outside-roots.folder-missing")
            return
        found: dict[str, _File] = {}
        for path in sorted(self._folder.glob("*"))[:FILES_MAX]:
            if path.suffix not in _SUFFIXES:
                continue
            file = self._read(path)
            if file is not None:
                found[path.name] = file
        self._files = found

    def _read(self, path: Path) -> _File | None:
        known = self._files.get(path.name)
        try:
            state = path.stat()
            stamp = (state.st_mtime_ns, state.st_size)
            if known is not None and known.stamp == stamp:
                return known
            return read_file(path, stamp)
        except (OSError, CryptoError) as fault:
            _log.error("outside-roots.file-refused", file=path.name, fault=str(fault))
            return known


def read_file(path: Path, stamp: tuple[int, int] = (0, 0)) -> _File:
    """The certificates and lists of one file. Raises ``OSError`` or ``CertificateRefused``."""
    content = path.read_bytes()
    found: list[Certificate] = []
    if b"BEGIN CERTIFICATE-----" in content:
        found = read_chain(content.decode("latin-1"))
    roots = [one for one in found if one.subject == one.issuer and one.is_signed_by(one.public)]
    if any(not one.is_ca for one in found):
        raise CertificateRefused(Refusal.NOT_A_CA, "only authorities stand in this folder")
    between = [one for one in found if one not in roots]
    return _File(stamp, roots, between, read_crls(content))
