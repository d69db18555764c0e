"""Reads WeChat's trade bill and fund-flow bill (payments.md 3.3) into rows by header name.

Checks shape only. Amounts stay text here, in yuan, because fees have five decimals; ``row_fen``
turns a two-decimal column into fen.
"""

import gzip
import hashlib
import hmac
import io
import zlib
from collections.abc import Mapping

import msgspec

from integrations.ports.money import MoneyError, parse_yuan_text

STATEMENT_BYTES_MAX = 512 * 1024 * 1024


class StatementRefused(ValueError):
    """The file is damaged, too large, or not of the documented layout."""


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """Rows and the one summary line, cells by header name, without the backtick."""

    rows: list[dict[str, str]]
    summary: dict[str, str]


def read_statement(text: str) -> Statement:
    """Header, rows, summary header, summary. Raises ``StatementRefused``."""
    lines = [line.rstrip("\r") for line in text.removeprefix("\ufeff").split("\n")]
    while lines and not lines[-1].strip():
        lines.pop()
    if len(lines) < 3 or lines[0].startswith("`"):
        raise StatementRefused("no header line")
    header, summary_header, summary = lines[0], lines[-2], lines[-1]
    if summary_header.startswith("`"):
        raise StatementRefused("no summary header line")
    names = _names(header)
    return Statement(
        rows=[_row(names, line) for line in lines[1:-2]],
        summary=_row(_names(summary_header), summary),
    )


def open_statement(content: bytes, *, zipped: bool, sha1_hex: str | None) -> str:
    """The file's text; the hash is over the plain bytes even when zipped."""
    plain = _unzipped(content) if zipped else content
    if sha1_hex is not None:
        found = hashlib.sha1(plain, usedforsecurity=False).hexdigest()
        if not hmac.compare_digest(found.encode(), sha1_hex.lower().encode()):
            raise StatementRefused("the hash differs")
    try:
        return plain.decode("utf-8")
    except UnicodeDecodeError:
        raise StatementRefused("not UTF-8") from None


def check_zipped(content: bytes, sha1_hex: str) -> None:
    """The hash over the plain bytes of a GZIP file, piece by piece. Raises ``StatementRefused``."""
    digest, length = hashlib.sha1(usedforsecurity=False), 0
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
                length += len(piece)
                if length > STATEMENT_BYTES_MAX:
                    raise StatementRefused("too large")
    except (OSError, EOFError, zlib.error):
        raise StatementRefused("not gzip") from None
    if not hmac.compare_digest(digest.hexdigest().encode(), sha1_hex.lower().encode()):
        raise StatementRefused("the hash differs")


def row_fen(row: Mapping[str, str], name: str) -> int:
    """A column of yuan with at most two decimals, as fen. Raises ``StatementRefused``."""
    try:
        return parse_yuan_text(row[name])
    except (KeyError, MoneyError):
        raise StatementRefused("no such amount") from None


def summary_count(summary: Mapping[str, str], name: str) -> int:
    """A count, which the fund-flow bill prints as ``20.0``. Raises ``StatementRefused``."""
    whole, dot, rest = summary.get(name, "").partition(".")
    if (
        not (whole.isascii() and whole.isdigit())
        or len(whole) > 12
        or rest.strip("0")
        or (dot and not rest)
    ):
        raise StatementRefused("no such count")
    return int(whole)


def _names(line: str) -> list[str]:
    names = line.split(",")
    if len(set(names)) != len(names):
        raise StatementRefused("a column stands twice")
    return names


def _row(names: list[str], line: str) -> dict[str, str]:
    if not line.startswith("`"):
        raise StatementRefused("a row does not begin with a backtick")
    cells = line[1:].split(",`")
    if len(cells) != len(names):
        raise StatementRefused("a row has not one cell for each column")
    return dict(zip(names, cells, strict=True))


def _unzipped(content: bytes) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
            plain = file.read(STATEMENT_BYTES_MAX + 1)
    except (OSError, EOFError, zlib.error):
        raise StatementRefused("not gzip") from None
    if len(plain) > STATEMENT_BYTES_MAX:
        raise StatementRefused("too large")
    return plain
