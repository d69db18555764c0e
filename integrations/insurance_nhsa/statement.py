"""Lines of the detail statement of 3202 (dossier 1.10): TAB separated, ``null`` for no value. Pure.

One TXT in UTF-8 inside a ZIP. Result codes are not confirmed by a public source and stay texts.
"""

import io
import zipfile

import msgspec

from integrations.ports.money import yuan_text

UPLOAD_COLUMNS = (
    "setl_id",
    "mdtrt_id",
    "psn_no",
    "medfee_sumamt",
    "fund_pay_sumamt",
    "acct_pay",
    "refd_setl_flag",
    "exp_content",
)
RESULT_COLUMNS = (
    "psn_no",
    "mdtrt_id",
    "setl_id",
    "msgid",
    "stmt_rslt",
    "refd_setl_flag",
    "memo",
    "medfee_sumamt",
    "fund_pay_sumamt",
    "acct_pay",
    "exp_content",
)
NOTHING = "null"
FILE_BYTES_MAX = 64 * 1024 * 1024

Row = dict[str, str | None]


class StatementUnreadable(ValueError):
    """The file or a line is not of this form."""


class UploadLine(msgspec.Struct, frozen=True, kw_only=True):
    """One settlement (or its reversal, with amounts below zero) as 3202 is told; integer fen."""

    settlement_ref: str
    visit_ref: str
    person_no: str
    total_fen: int
    fund_fen: int
    account_fen: int
    reversed: bool


def read_line(columns: tuple[str, ...] | list[str], line: str) -> Row:
    """One line by its columns. The last column may be left out. Raises ``StatementUnreadable``."""
    values = line.rstrip("\r\n").split("\t")
    if len(values) == len(columns) - 1:
        values.append(NOTHING)
    if len(values) != len(columns):
        raise StatementUnreadable("another number of columns")
    return {
        name: None if value == NOTHING else value
        for name, value in zip(columns, values, strict=True)
    }


def write_line(columns: tuple[str, ...] | list[str], row: Row) -> str:
    """The line of a row; raises ``StatementUnreadable`` for a value that holds a separator."""
    values = [row[name] for name in columns]
    for value in values:
        if value is not None and (value == NOTHING or set(value) & set("\t\r\n")):
            raise StatementUnreadable("a value holds a separator")
    return "\t".join(NOTHING if value is None else value for value in values)


def upload_row(line: UploadLine) -> Row:
    """The columns of one line to upload."""
    return {
        "setl_id": line.settlement_ref,
        "mdtrt_id": line.visit_ref,
        "psn_no": line.person_no,
        "medfee_sumamt": yuan_text(line.total_fen),
        "fund_pay_sumamt": yuan_text(line.fund_fen),
        "acct_pay": yuan_text(line.account_fen),
        "refd_setl_flag": "1" if line.reversed else "0",
        "exp_content": None,
    }


def pack(lines: list[str], name: str) -> bytes:
    """The ZIP with the one TXT."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
        archive.writestr(entry, "".join(f"{line}\n" for line in lines).encode())
    return target.getvalue()


def unpack(content: bytes) -> list[str]:
    """The lines of the one TXT in a ZIP, bounded. Raises ``StatementUnreadable``."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            if len(entries) != 1 or entries[0].file_size > FILE_BYTES_MAX:
                raise StatementUnreadable("not one bounded file")
            with archive.open(entries[0]) as source:
                plain = source.read(FILE_BYTES_MAX + 1)
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError) as fault:
        raise StatementUnreadable("not a ZIP file") from fault
    if len(plain) > FILE_BYTES_MAX:
        raise StatementUnreadable("file too large")
    try:
        text = plain.decode()
    except UnicodeDecodeError as fault:
        raise StatementUnreadable("not UTF-8") from fault
    return [line for line in text.splitlines() if line]
