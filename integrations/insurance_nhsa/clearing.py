"""The statement by lines: 9101 up, 3202, 9102 down (dossier 1.10).

Node names, the code of each result and how a file travels in JSON are not confirmed by a public
source. Nothing at the bureau changes, so each of the three messages may be repeated.
"""

import base64

from integrations.insurance_nhsa import wire_clearing
from integrations.insurance_nhsa.envelope import Answer, AnswerUnreadable, read_output, text_of
from integrations.insurance_nhsa.messenger import Heard, Messenger
from integrations.insurance_nhsa.settings import NhsaSettings
from integrations.insurance_nhsa.statement import (
    RESULT_COLUMNS,
    UPLOAD_COLUMNS,
    pack,
    read_difference,
    unpack,
    upload_row,
    write_line,
)
from integrations.ports.insurance import ClearingCalls, ClearingLines, LineDifference
from integrations.ports.money import yuan_text
from integrations.ports.outcomes import Accepted, NotSent, Outcome, Rejected, Unknown
from integrations.ports.statements import StatementUnusable

FILE_NO_MAX = 200


async def compare_lines(
    messenger: Messenger, settings: NhsaSettings, asked: ClearingLines, calls: ClearingCalls
) -> Outcome[bytes]:
    """Upload our lines, have them compared, fetch the file of differences."""
    numbers = settings.transactions
    name = f"{settings.institution_code}_{asked.first_day:%Y%m%d}_{asked.last_day:%Y%m%d}"
    try:
        lines = [write_line(UPLOAD_COLUMNS, upload_row(line)) for line in asked.lines]
    except StatementUnusable as fault:
        return Rejected(reason=fault.reason, provider_code="", provider_text="")
    content = pack(lines, f"{name}.txt")
    upload = _upload_input(settings, f"{name}.zip", content)
    heard = await messenger.ask(numbers.upload_file, upload, calls.upload, region="")
    uploaded = _file_of(heard)
    if not isinstance(uploaded, wire_clearing.FileInfo):
        return uploaded
    question = _question(settings, asked, text_of(uploaded.file_qury_no))
    heard = await messenger.ask(numbers.compare_lines, question, calls.compare, region="")
    result = _file_of(heard)
    if not isinstance(result, wire_clearing.FileInfo):
        return result
    download = wire_clearing.DownloadInput(
        fsDownloadIn=wire_clearing.DownloadFile(
            file_qury_no=text_of(result.file_qury_no),
            filename=text_of(result.filename),
            fixmedins_code=settings.institution_code,
        )
    )
    fetched = await messenger.fetch(numbers.download_file, download, calls.download)
    return Accepted(fetched) if isinstance(fetched, bytes) else fetched


def read_differences(content: bytes, settings: NhsaSettings) -> list[LineDifference]:
    """Every line that does not agree; one named twice spoils the file.

    Raises ``StatementUnusable``.
    """
    found: dict[tuple[str, bool], LineDifference] = {}
    for line in unpack(content):
        if line.split("\t") == list(RESULT_COLUMNS):
            continue
        told = read_difference(line, settings.institution_code, settings.line_findings)
        key = (told.settlement_ref, told.reversed)
        if key in found:
            raise StatementUnusable("line-doubled")
        found[key] = told
    return [told for told in found.values() if told.code not in settings.balanced_codes]


def _upload_input(settings: NhsaSettings, name: str, content: bytes) -> wire_clearing.UploadInput:
    return wire_clearing.UploadInput(
        fsUploadIn=wire_clearing.UploadFile(
            content=list(content)
            if settings.upload_as_numbers
            else base64.b64encode(content).decode(),
            filename=name,
            fixmedins_code=settings.institution_code,
        )
    )


def _question(
    settings: NhsaSettings, asked: ClearingLines, file_no: str
) -> wire_clearing.DetailStatementInput:
    lines = asked.lines
    return wire_clearing.DetailStatementInput(
        data=wire_clearing.DetailStatementData(
            clr_type=asked.clearing_type or settings.clearing_type,
            setl_optins=asked.region or settings.area,
            file_qury_no=file_no,
            stmt_begndate=asked.first_day.isoformat(),
            stmt_enddate=asked.last_day.isoformat(),
            medfee_sumamt=yuan_text(sum(line.total_fen for line in lines)),
            fund_pay_sumamt=yuan_text(sum(line.fund_fen for line in lines)),
            cash_payamt=yuan_text(sum(line.cash_fen for line in lines)),
            fixmedins_setl_cnt=str(len(lines)),
        )
    )


def _file_of(heard: Heard) -> wire_clearing.FileInfo | Rejected | NotSent | Unknown:
    """The file that an answer names."""
    if not isinstance(heard, Answer):
        return heard
    try:
        info = read_output(heard, wire_clearing.FileOutput).fileinfo
    except AnswerUnreadable:
        return Unknown("answer-invalid")
    if not isinstance(info, wire_clearing.FileInfo):
        return Unknown("answer-invalid")
    number = text_of(info.file_qury_no)
    return info if 0 < len(number) <= FILE_NO_MAX else Unknown("answer-invalid")
