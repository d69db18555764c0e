"""The statement by lines: 9101 takes a file, 3202 compares, 9102 gives the result (dossier 1.10).

Node names, result codes and the seven days a file lives are our guess: no public source tells.
"""

import base64
import binascii
import io
import json
import zipfile
import zlib
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import msgspec

from integrations.sandbox.insurance.book import Book, Row
from integrations.sandbox.insurance.exact import fen, yuan
from integrations.sandbox.insurance.model import Message, Refused, clock_text, need, node

LIFE = timedelta(days=7)
PLAIN_BYTES_MAX = 32 * 1024 * 1024
COLUMNS = 8
ONLY_THERE, ONLY_HERE, AMOUNTS, EVEN = "101", "102", "103", "0"
MEMOS = {ONLY_THERE: "中心多", ONLY_HERE: "医院多", AMOUNTS: "金额不一致", EVEN: "平"}
AMOUNT_NAMES = ("total_fen", "fund_fen", "account_fen")

Key = tuple[str, str]
"""``setl_id`` and ``refd_setl_flag``: a settlement and its reversal are two lines."""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line of either side; a reversal is negative."""

    setl_id: str
    mdtrt_id: str
    psn_no: str
    flag: str
    amounts: tuple[int, int, int]
    cash_fen: int = 0
    msgid: str = "null"


def upload(book: Book, message: Message) -> dict[str, Any]:
    """9101: keeps the file for its institution."""
    asked = node(message.input, "fsUploadIn")
    if need(asked, "fixmedins_code", 12) != message.institution:
        raise Refused("上传机构与报文机构不一致")
    name = need(asked, "filename", 200)
    content = _bytes(asked.get("in"))
    _lines_of(content)
    book.run("delete from file where until_s < ?", int(message.at.timestamp()))
    return {"fileinfo": _keep(book, message, name, content)}


def _keep(book: Book, message: Message, name: str, content: bytes) -> dict[str, str]:
    number = f"F{message.area}{book.next_number('file'):012d}"
    until = message.at + LIFE
    book.run(
        "insert into file values (?, ?, ?, ?, ?)",
        number,
        message.institution,
        name,
        content,
        int(until.timestamp()),
    )
    return {"file_qury_no": number, "filename": name, "dld_endtime": clock_text(until)}


def _bytes(found: object) -> bytes:
    try:
        if isinstance(found, list):
            return bytes(found)
        if isinstance(found, str):
            return base64.b64decode(found, validate=True)
    except (ValueError, TypeError, binascii.Error):
        pass
    raise Refused("文件内容格式不符")


def _lines_of(content: bytes) -> list[list[str]]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            if len(entries) != 1 or entries[0].file_size > PLAIN_BYTES_MAX:
                raise Refused("压缩包须只含一个文本文件")
            text = archive.read(entries[0]).decode("utf-8")
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError):
        raise Refused("文件不是 UTF-8 文本的压缩包") from None
    return [line.split("\t") for line in text.split("\n") if line]


def _file(book: Book, message: Message, number: str) -> Row:
    row = book.one("select * from file where number = ?", number)
    if row is None or row["institution"] != message.institution:
        raise Refused("文件不存在")
    if row["until_s"] < int(message.at.timestamp()):
        raise Refused("文件已过下载截止时间")
    return row


def download(book: Book, message: Message) -> bytes:
    """9102: the file itself."""
    asked = node(message.input, "fsDownloadIn")
    if need(asked, "fixmedins_code", 12) != message.institution:
        raise Refused("下载机构与报文机构不一致")
    row = _file(book, message, need(asked, "file_qury_no", 30))
    if need(asked, "filename", 200) != row["name"]:
        raise Refused("文件名不符")
    return bytes(row["content"])


def compare(book: Book, message: Message) -> dict[str, Any]:
    """3202: our lines against the uploaded ones, once their sums are those that were told."""
    asked = node(message.input, "data")
    need(asked, "setl_optins", 6)
    clearing = need(asked, "clr_type", 6)
    first, last = need(asked, "stmt_begndate", 10), need(asked, "stmt_enddate", 10)
    row = _file(book, message, need(asked, "file_qury_no", 30))
    theirs = _uploaded(_lines_of(row["content"]))
    _check_sums(asked, theirs)
    ours = {
        (line.setl_id, line.flag): line
        for line in held_lines(book, message.institution, clearing, first, last)
    }
    found = list(_compared(ours, theirs, show_even=book.style().statement_lists_all))
    name = f"RESULT_{row['name'].removesuffix('.zip')}"
    content = packed("".join(f"{line}\n" for line in found).encode(), f"{name}.txt")
    return {"fileinfo": _keep(book, message, f"{name}.zip", content)}


def _uploaded(rows: list[list[str]]) -> dict[Key, Line]:
    found: dict[Key, Line] = {}
    for cells in rows:
        if len(cells) != COLUMNS or cells[6] not in ("0", "1"):
            raise Refused("明细文件格式不符")
        try:
            amounts = (fen(cells[3]), fen(cells[4]), fen(cells[5]))
        except ValueError:
            raise Refused("明细文件金额格式不符") from None
        line = Line(
            setl_id=cells[0], mdtrt_id=cells[1], psn_no=cells[2], flag=cells[6], amounts=amounts
        )
        if (line.setl_id, line.flag) in found:
            raise Refused("明细文件有重复行")
        found[line.setl_id, line.flag] = line
    return found


def _check_sums(asked: dict[str, Any], theirs: dict[Key, Line]) -> None:
    try:
        told = (
            fen(asked.get("medfee_sumamt")),
            fen(asked.get("fund_pay_sumamt")),
            int(str(asked.get("fixmedins_setl_cnt"))),
        )
        fen(asked.get("cash_payamt"))
    except ValueError:
        raise Refused("对账金额格式不符") from None
    lines = theirs.values()
    if told != (
        sum(line.amounts[0] for line in lines),
        sum(line.amounts[1] for line in lines),
        len(theirs),
    ):
        raise Refused("汇总与明细文件不一致")


def held_lines(
    book: Book, institution: str, clearing: str, first_day: str, last_day: str
) -> Iterator[Line]:
    """What the book holds of an institution's days, reversals as lines of their own."""
    for flag, sql in (
        ("0", "select * from settlement where state <> 'UNDONE' and day between ? and ?"),
        (
            "1",
            "select * from settlement where state = 'REVERSED' and reversal_day between ? and ?",
        ),
    ):
        for row in book.all(f"{sql} order by serial", first_day, last_day):
            if row["institution"] != institution or clearing_of(row) != clearing:
                continue
            sign = 1 if flag == "0" else -1
            amounts = (row["total_fen"], row["fund_fen"], row["account_fen"])
            yield Line(
                setl_id=row["setl_id"],
                mdtrt_id=row["mdtrt_id"],
                psn_no=row["psn_no"],
                flag=flag,
                amounts=(sign * amounts[0], sign * amounts[1], sign * amounts[2]),
                msgid=row["msgid"] if flag == "0" else row["reversal_msgid"],
            )


def clearing_of(row: Row) -> str:
    """``clr_type`` of a settlement."""
    return str(json.loads(row["setlinfo"])["clr_type"])


def _compared(ours: dict[Key, Line], theirs: dict[Key, Line], *, show_even: bool) -> Iterator[str]:
    for key in sorted({*ours, *theirs}):
        held, told = ours.get(key), theirs.get(key)
        if held is None and told is not None:
            yield _result(told, ONLY_HERE)
        elif held is not None and told is None:
            yield _result(held, ONLY_THERE)
        elif held is None or told is None:
            continue
        elif held.amounts != told.amounts:
            yield _result(held, AMOUNTS)
        elif show_even:
            yield _result(held, EVEN)


def _result(line: Line, code: str) -> str:
    cells = (line.psn_no, line.mdtrt_id, line.setl_id, line.msgid, code, line.flag, MEMOS[code])
    return "\t".join((*cells, *map(yuan, line.amounts), "null"))


def packed(plain: bytes, name: str) -> bytes:
    """A ZIP with one file."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0)), plain)
    return target.getvalue()


def spoilt(content: bytes, way: str) -> bytes:
    """The file, damaged on demand: ``cut``, ``doubled``, ``separator``, ``charset``, ``stranger``,
    ``columns``."""
    if way == "cut":
        return content[: len(content) * 2 // 3]
    lines = ["\t".join(cells) for cells in _lines_of(content)]
    if way == "doubled":
        lines = [line for line in lines for _ in range(2)]
    elif way == "separator":
        lines = [_cell(line, 7, "1,234.00") for line in lines]
    elif way == "stranger":
        lines = [_cell(line, 3, f"H98000100001{'0' * 18}") for line in lines]
    elif way == "columns":
        lines = [line.rsplit("\t", 3)[0] for line in lines]
    text = "".join(f"{line}\n" for line in lines)
    return packed(text.encode("gb18030" if way == "charset" else "utf-8"), "spoilt.txt")


def _cell(line: str, place: int, value: str) -> str:
    cells = line.split("\t")
    cells[place] = value
    return "\t".join(cells)
