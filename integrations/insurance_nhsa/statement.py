"""Lines of the detail statement of 3202 (dossier 1.10): TAB separated, ``null`` for no value. Pure.

The file has no footer and no total: a file cut between lines cannot be told from a short one, so
reconciliation judges by what it lists and never by what it leaves out.

One TXT in UTF-8 inside a ZIP. Result codes are not confirmed by a public source and stay texts.
"""

import io
import zipfile
import zlib
from collections.abc import Mapping

from integrations.insurance_nhsa.amounts import AmountUnreadable, read_fen
from integrations.ports.insurance import ClearingLine, Finding, LineDifference
from integrations.ports.money import FEN_MAX, yuan_text
from integrations.ports.statements import StatementUnusable, check_number

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

VALUE_MAX = 4000
TEXT_MAX = 200
REVERSED = {"0": False, "1": True}
UNPACKING_FAULTS = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    RuntimeError,
    NotImplementedError,
)

Row = dict[str, str | None]


def read_line(columns: tuple[str, ...] | list[str], line: str) -> Row:
    """One line by its columns. The last column may be left out. Raises ``StatementUnusable``."""
    values = line.rstrip("\r\n").split("\t")
    if len(values) == len(columns) - 1:
        values.append(NOTHING)
    if len(values) != len(columns):
        raise StatementUnusable("other-columns")
    return {
        name: None if value == NOTHING else value
        for name, value in zip(columns, values, strict=True)
    }


def write_line(columns: tuple[str, ...] | list[str], row: Row) -> str:
    """The line of a row; raises ``StatementUnusable`` for a value that holds a separator."""
    values = [row[name] for name in columns]
    for value in values:
        if value is not None and (value == NOTHING or set(value) & set("\t\r\n")):
            raise StatementUnusable("value-holds-separator")
    return "\t".join(NOTHING if value is None else value for value in values)


def upload_row(line: ClearingLine) -> Row:
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


def read_difference(
    line: str, institution_code: str, codes: Mapping[str, Finding]
) -> LineDifference:
    """One line of the bureau's file. Raises ``StatementUnusable``.

    A message number names its institution: another one's file is refused.
    """
    row = read_line(RESULT_COLUMNS, line)
    message_no, reference = row["msgid"], row["setl_id"]
    if message_no is not None and not message_no.startswith(institution_code):
        raise StatementUnusable("other-institution")
    if not reference or max(len(value or "") for value in row.values()) > VALUE_MAX:
        raise StatementUnusable("value-unreadable")
    flag, code = row["refd_setl_flag"], row["stmt_rslt"] or ""
    if flag not in REVERSED:
        raise StatementUnusable("flag-unlisted")
    try:
        total, fund, account = (
            read_fen(row[name]) for name in ("medfee_sumamt", "fund_pay_sumamt", "acct_pay")
        )
    except AmountUnreadable as fault:
        raise StatementUnusable("amount-unreadable") from fault
    if max(map(abs, (total, fund, account))) > FEN_MAX:
        raise StatementUnusable("amount-unreadable")
    return LineDifference(
        settlement_ref=check_number(reference),
        visit_ref=row["mdtrt_id"],
        message_no=message_no,
        reversed=REVERSED[flag],
        finding=codes.get(code, Finding.UNLISTED),
        code=code,
        text=(row["memo"] or "")[:TEXT_MAX],
        total_fen=total,
        fund_fen=fund,
        account_fen=account,
    )


def pack(lines: list[str], name: str) -> bytes:
    """The ZIP with the one TXT."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
        archive.writestr(entry, "".join(f"{line}\n" for line in lines).encode())
    return target.getvalue()


def unpack(content: bytes) -> list[str]:
    """The lines of the one TXT in a ZIP, bounded. Raises ``StatementUnusable``."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            if len(entries) != 1 or entries[0].file_size > FILE_BYTES_MAX:
                raise StatementUnusable("not-one-file")
            with archive.open(entries[0]) as source:
                plain = source.read(FILE_BYTES_MAX + 1)
    except UNPACKING_FAULTS as fault:
        raise StatementUnusable("not-a-zip") from fault
    if len(plain) > FILE_BYTES_MAX:
        raise StatementUnusable("too-large")
    try:
        text = plain.decode()
    except UnicodeDecodeError as fault:
        raise StatementUnusable("other-charset") from fault
    return [line for line in text.replace("\r\n", "\n").split("\n") if line]
