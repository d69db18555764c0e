"""``yimatong certificates show``: what a file holds, and whether each certificate in it counts.

By its dates; by our own row, where a database is; by the lists named; and its whole path by the
folder of outside authorities. What could not be asked is said, never taken for a yes.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import asyncpg
import msgspec

from crypto.certificates import (
    Certificate,
    CertificateRefused,
    Crl,
    key_identifier,
    read_certificate,
    read_chain,
    read_crl,
    read_crls,
    read_request,
)
from crypto.errors import BadEncoding
from crypto.pem import read_blocks, write_block
from service.institution import authority, certificates
from service.institution.model import CertificateState
from service.kernel.context import Context
from service.kernel.database import UNAVAILABLE
from service.kernel.live_ring import KeystoreUnreadable
from service.kernel.outside_roots import OutsideRoots
from service.settings import Settings
from service.wiring import DatabaseAddressMissing, DatabaseNotReady, open_without_partners

FILE_MAX = 1 << 24
_REQUESTS = ("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST")
_Block = tuple[str, bytes]


class ToShow(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line says. ``crls``: files with lists to judge by, PEM or DER."""

    file: Path
    crls: Sequence[Path]
    at: datetime


class Shown(msgspec.Struct, frozen=True):
    """What to print. ``is_void``: something shown is revoked, or is not what it says."""

    text: str
    is_void: bool


class _Said(msgspec.Struct, frozen=True):
    """One judge's words about a certificate."""

    words: str
    is_void: bool = False


class _OwnRows(msgspec.Struct, frozen=True, kw_only=True):
    """What our rows say of certificates, by their bytes; ``fault`` when they were not asked."""

    said: dict[bytes, _Said] = {}
    fault: str = ""

    def of(self, certificate: Certificate) -> _Said:
        return self.said.get(certificate.encoded) or _Said(f"not asked: {self.fault}")


def show(wanted: ToShow, settings: Settings) -> Shown:
    """A PEM or DER file in words. ``OSError``, ``CryptoError``, ``RowTampered``."""
    blocks = _blocks(_read(wanted.file))
    found = [read_certificate(body) for label, body in blocks if label == "CERTIFICATE"]
    rows = _own_rows(settings, [one for one in found if not one.is_ca])
    roots = OutsideRoots(settings.certificate_roots)
    issuers = [*(one for one in found if one.is_ca), *roots.authorities(wanted.at)]
    crls = [crl for path in wanted.crls for crl in read_crls(_read(path))]
    lines: list[str] = []
    is_void = False
    for label, body in blocks:
        if label == "CERTIFICATE":
            certificate = read_certificate(body)
            lines += _certificate_lines(certificate, wanted.at)
            judges = [] if certificate.is_ca else [("our row", rows.of(certificate))]
            if wanted.crls and certificate.subject != certificate.issuer:
                judges.append(("list", _by_lists(certificate, issuers, crls, wanted.at)))
            lines += [f"  {judge:<10} {said.words}" for judge, said in judges]
            is_void = is_void or any(said.is_void for _, said in judges)
        elif label in _REQUESTS:
            lines += _request_lines(write_block(label, body))
        elif label == "X509 CRL":
            lines += _crl_lines(read_crl(body), wanted.at)
    if not lines:
        raise BadEncoding("no certificate, request or revocation list in the file")
    is_outside = bool(found) and not authority.is_ours(found[0].issuer)
    if settings.certificate_roots is not None and blocks[0][0] == "CERTIFICATE" and is_outside:
        verdict = _by_path("".join(write_block(*block) for block in blocks), roots, wanted.at)
        lines.append(f"path: {verdict.words}")
        is_void = is_void or verdict.is_void
    return Shown("\n".join(lines) + "\n", is_void)


def _read(path: Path) -> bytes:
    content = path.read_bytes()
    if len(content) > FILE_MAX:
        raise BadEncoding("the file is too long")
    return content


def _blocks(content: bytes) -> list[_Block]:
    if content[:1] == b"\x30":
        return [(_kind_of(content), content)]
    return read_blocks(content.decode("latin-1"), FILE_MAX)


def _kind_of(content: bytes) -> str:
    """A DER file is a certificate unless it reads as a list."""
    try:
        read_crl(content)
    except CertificateRefused:
        return "CERTIFICATE"
    return "X509 CRL"


def _own_rows(settings: Settings, shown: Sequence[Certificate]) -> _OwnRows:
    """Without keys or database the rows are not asked, and why is said. ``RowTampered``."""
    if not shown:
        return _OwnRows()

    async def ask() -> dict[bytes, _Said]:
        async with open_without_partners(settings, "certificates") as ctx:
            return {one.encoded: await _by_own_row(ctx, one) for one in shown}

    try:
        return _OwnRows(said=asyncio.run(ask()))
    except KeystoreUnreadable:
        return _OwnRows(fault="no keystore opens here")
    except DatabaseAddressMissing:
        return _OwnRows(fault="no database is named here")
    except DatabaseNotReady as fault:
        return _OwnRows(fault=fault.what)
    except (*UNAVAILABLE, asyncpg.PostgresError) as fault:
        return _OwnRows(fault=f"the database does not answer ({type(fault).__name__})")


async def _by_own_row(ctx: Context, shown: Certificate) -> _Said:
    is_ours = authority.is_ours(shown.issuer)
    row = await certificates.row_of(ctx, shown)
    if row is None:
        words = "none, though it names our authority: not from us"
        return _Said(words, True) if is_ours else _Said("none")
    if read_chain(row.chain)[0].encoded != shown.encoded:
        return _Said("of another certificate with its number: this one is not from us", True)
    if row.state is CertificateState.REVOKED:
        reason = "no reason" if row.reason is None else row.reason.value
        since = "" if row.revoked_at is None else row.revoked_at.isoformat()
        return _Said(f"REVOKED, {reason}, since {since}", True)
    version = row.authority_version
    if version is not None and not authority.counts(ctx, version, ctx.clock.now()):
        return _Said(f"ACTIVE, but version {version} of our authority's key has ended", True)
    return _Said(row.state.value)


def _by_lists(
    shown: Certificate, issuers: Sequence[Certificate], crls: Sequence[Crl], at: datetime
) -> _Said:
    """What nothing named can clear is void: whoever names a list wants to know."""
    signed = [one for one in issuers if shown.is_signed_by(one.public)]
    issuer = next((one for one in signed if one.subject == shown.issuer), None)
    if issuer is None:
        return _Said("not judged: its issuer's certificate is not at hand", True)
    named = [crl for crl in crls if crl.issuer == issuer.subject]
    good = [crl for crl in named if crl.is_signed_by(issuer.public)]
    if not good:
        why = "its issuer did not sign the list" if named else "none is its issuer's"
        return _Said(f"not judged: {why}", True)
    newest = max(good, key=lambda crl: (crl.made_at, crl.number or 0))
    line = newest.find(shown.serial)
    if line is not None:
        return _Said(f"REVOKED, {line.reason.value}, since {line.at.isoformat()}", True)
    if newest.unknown_critical:
        return _Said(f"not judged: critical extension {', '.join(newest.unknown_critical)}", True)
    old = newest.next_at is None or at > newest.next_at
    words = f"not revoked as of {newest.made_at.isoformat()}"
    return _Said(f"{words}, but the list is too old" if old else words, old)


def _by_path(chain: str, roots: OutsideRoots, at: datetime) -> _Said:
    try:
        path = roots.check(chain, at)
    except CertificateRefused as refused:
        return _Said(f"refused, {refused}", True)
    as_of = path.revocation_as_of.isoformat() if path.revocation_as_of else "(never asked)"
    return _Said(f"accepted, {len(path.certificates)} certificates, not revoked as of {as_of}")


def _request_lines(pem: str) -> list[str]:
    request = read_request(pem)
    return [
        "request",
        f"  asks for   {request.subject.rfc4514_string()}",
        f"  key id     {key_identifier(request.public).hex()}",
        "  proof      holds",
    ]


def _certificate_lines(certificate: Certificate, at: datetime) -> list[str]:
    time = "in its time"
    if at < certificate.not_before:
        time = "not yet valid"
    elif at > certificate.not_after:
        time = "expired"
    return [
        "certificate of an authority" if certificate.is_ca else "certificate",
        f"  subject    {certificate.subject.rfc4514_string()}",
        f"  issuer     {certificate.issuer.rfc4514_string()}",
        f"  serial     {certificate.serial:x}",
        f"  from       {certificate.not_before.isoformat()}",
        f"  until      {certificate.not_after.isoformat()} ({time})",
        f"  key id     {key_identifier(certificate.public).hex()}",
    ]


def _crl_lines(crl: Crl, at: datetime) -> list[str]:
    end = crl.next_at.isoformat() if crl.next_at else "never says"
    old = crl.next_at is None or at > crl.next_at
    return [
        "revocation list",
        f"  issuer     {crl.issuer.rfc4514_string()}",
        f"  number     {crl.number}",
        f"  made       {crl.made_at.isoformat()}",
        f"  next       {end}{' (too old)' if old else ''}",
        f"  revoked    {len(crl.parsed)}",
    ]
