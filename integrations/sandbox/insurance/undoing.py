"""What undoes a settlement: 2208, 2305, 2601 (dossier 1.7 to 1.9).

settlement  LIVE -> REVERSED (2208, 2305) ; LIVE -> UNDONE (2601 of the 2207 or 2304)
            REVERSED -> LIVE (2601 of the 2208 or 2305)
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from integrations.sandbox.insurance.book import Book, Row
from integrations.sandbox.insurance.model import Message, Refused, clock_text, local, need, node
from integrations.sandbox.insurance.stay_lines import is_stay, take_again
from integrations.sandbox.insurance.stays import live_stay, undo_admission
from integrations.sandbox.insurance.visits import live_visit


def _restore(book: Book, settlement: Row, sign: int) -> None:
    moves: dict[str, int] = json.loads(settlement["moves"])
    year = int(settlement["day"][:4])
    moved = {name: sign * fen for name, fen in moves.items()}
    book.move(settlement["psn_no"], settlement["insutype"], year, moved)


def _free_lines(book: Book, settlement: Row) -> None:
    book.run("update line set setl_id = null where setl_id = ?", settlement["setl_id"])
    book.run("update stay_line set setl_id = null where setl_id = ?", settlement["setl_id"])


def reverse(book: Book, message: Message) -> dict[str, Any]:
    """2208: counters and purses go back, lines are unsettled again."""
    return _reverse(book, message, live_visit(book, node(message.input, "data"), message))


def reverse_stay(book: Book, message: Message) -> dict[str, Any]:
    """2305: the same for a settlement of a stay."""
    return _reverse(book, message, live_stay(book, node(message.input, "data"), message))


def _reverse(book: Book, message: Message, visit: Row) -> dict[str, Any]:
    asked = node(message.input, "data")
    found = book.one("select * from settlement where setl_id = ?", need(asked, "setl_id", 30))
    if found is None or found["mdtrt_id"] != visit["mdtrt_id"] or found["state"] == "UNDONE":
        raise Refused("结算信息不存在")
    if found["state"] != "LIVE":
        raise Refused("结算已撤销")
    style = book.style()
    _check_order(book, found, style.reversal_order)
    _restore(book, found, -1)
    _free_lines(book, found)
    reversal_id = (
        found["setl_id"]
        if style.same_reversal_number
        else f"{message.area}{book.next_number('settlement'):015d}"
    )
    book.run(
        "update settlement set state = 'REVERSED', reversal_id = ?, reversal_msgid = ?,"
        " reversal_day = ? where setl_id = ?",
        reversal_id,
        message.msgid,
        local(message.at).strftime("%Y-%m-%d"),
        found["setl_id"],
    )
    return _reversal(message, found, reversal_id, negative=style.negative_reversal)


PERSONAL = (
    "psn_no",
    "psn_name",
    "psn_cert_type",
    "certno",
    "gend",
    "naty",
    "brdy",
    "age",
    "insutype",
    "psn_type",
    "cvlserv_flag",
    "mdtrt_cert_type",
    "med_type",
    "clr_way",
    "clr_type",
)


def _reversal(message: Message, found: Row, reversal_id: str, *, negative: bool) -> dict[str, Any]:
    info: dict[str, str] = json.loads(found["setlinfo"])
    for name in PERSONAL:
        info.pop(name, None)
    info |= {
        "setl_id": reversal_id,
        "setl_time": clock_text(message.at),
        "medins_setl_id": message.msgid,
    }
    details: list[dict[str, str]] = json.loads(found["setldetail"])
    if negative:
        amounts = [name for name in info if name.endswith(("_pay", "amt", "dedc"))]
        info |= {name: _negated(info[name]) for name in amounts}
        for row in details:
            row["fund_payamt"] = _negated(row["fund_payamt"])
    return {"setlinfo": info, "setldetail": details}


def _negated(text: str) -> str:
    return text if not text.strip("0.") else f"-{text}"


def _check_order(book: Book, found: Row, order: str) -> None:
    sql = {
        "visit": "select 1 from settlement where serial > ? and state = 'LIVE' and mdtrt_id = ?",
        "person": "select 1 from settlement where serial > ? and state = 'LIVE' and psn_no = ?",
    }.get(order)
    column = "mdtrt_id" if order == "visit" else "psn_no"
    if sql is not None and book.one(sql, found["serial"], found[column]):
        raise Refused("存在更晚的结算，须先撤销后发生的结算")


def undo(book: Book, message: Message) -> None:
    """2601: undoes what came under that message number; repeating it is fine.

    A message that never came is barred for ever, so that it cannot arrive late and settle.
    """
    asked = node(message.input, "data")
    psn_no = need(asked, "psn_no", 30)
    omsgid = need(asked, "omsgid", 30)
    infno = need(asked, "oinfno", 5)
    if infno not in _UNDO:
        raise Refused("该交易不支持冲正")
    original = book.one("select * from message where msgid = ?", omsgid)
    if original is None:
        if book.style().absent_original == "reject":
            raise Refused("原交易不存在")
        book.run(
            "insert into message values (?, ?, ?, ?)",
            omsgid,
            infno,
            psn_no,
            clock_text(message.at),
        )
        return
    if original["infno"] != infno or original["psn_no"] != psn_no:
        raise Refused("原交易信息不一致")
    _UNDO[infno](book, omsgid)


def _undo_settle(book: Book, omsgid: str) -> None:
    found = book.one("select * from settlement where msgid = ?", omsgid)
    if found is None or found["state"] == "UNDONE":
        return
    if found["state"] == "REVERSED":
        raise Refused("原结算已撤销，不能冲正")
    _restore(book, found, -1)
    _free_lines(book, found)
    book.run("update settlement set state = 'UNDONE' where setl_id = ?", found["setl_id"])


def _undo_reverse(book: Book, omsgid: str) -> None:
    found = book.one(
        "select * from settlement where reversal_msgid = ? and state = 'REVERSED'", omsgid
    )
    if found is None:
        return
    if is_stay(book, found["mdtrt_id"]):
        take_again(book, found)
    else:
        _take_batch_again(book, found)
    _restore(book, found, 1)
    book.run(
        "update settlement set state = 'LIVE', reversal_id = null, reversal_msgid = null,"
        " reversal_day = null where setl_id = ?",
        found["setl_id"],
    )


def _take_batch_again(book: Book, found: Row) -> None:
    lines = book.all(
        "select setl_id from line where mdtrt_id = ? and chrg_bchno = ?",
        found["mdtrt_id"],
        found["chrg_bchno"],
    )
    if not lines or any(row["setl_id"] is not None for row in lines):
        raise Refused("明细已变更，不能冲正")
    book.run(
        "update line set setl_id = ? where mdtrt_id = ? and chrg_bchno = ?",
        found["setl_id"],
        found["mdtrt_id"],
        found["chrg_bchno"],
    )


_UNDO: Mapping[str, Callable[[Book, str], None]] = {
    "2207": _undo_settle,
    "2207A": _undo_settle,
    "2208": _undo_reverse,
    "2304": _undo_settle,
    "2305": _undo_reverse,
    "2401": undo_admission,
}
