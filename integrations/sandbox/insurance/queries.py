"""Looking things up: 5201, 5203, 3201, and the sums of the book (dossier 1.10, 1.11)."""

import json
from typing import Any

from integrations.sandbox.insurance.book import Book, Row
from integrations.sandbox.insurance.clearing import clearing_of
from integrations.sandbox.insurance.exact import fen
from integrations.sandbox.insurance.model import Message, Refused, need, node

LISTED_MAX = 200
BOOKED = (
    "select serial, setl_id, msgid, mdtrt_id, psn_no, institution, insutype, chrg_bchno, day,"
    " state, total_fen, fund_fen, account_fen, cash_fen, hospital_fen, reversal_id,"
    " reversal_msgid, reversal_day from settlement"
)


def settlements(book: Book, after: int, limit: int) -> list[dict[str, Any]]:
    """Settlements after a serial, in the order they happened, amounts in fen."""
    found = book.all(f"{BOOKED} where serial > ? order by serial limit ?", after, limit)
    return [dict(row) for row in found]


def newest_settlements(book: Book, limit: int) -> list[dict[str, Any]]:
    """The last ones, oldest first, amounts in fen."""
    found = book.all(f"{BOOKED} order by serial desc limit ?", limit)
    return [dict(row) for row in reversed(found)]


def find_visits(book: Book, message: Message) -> dict[str, Any]:
    """5201: visits of a person at this institution. The node's name is our guess."""
    asked = node(message.input, "data")
    psn_no = need(asked, "psn_no", 30)
    wanted = str(asked.get("mdtrt_id") or "")
    found = book.all(
        "select * from visit where psn_no = ? and institution = ? and state <> 'CANCELLED'"
        " order by mdtrt_id desc limit ?",
        psn_no,
        message.institution,
        LISTED_MAX,
    )
    return {
        "mdtrtinfo": [
            {
                "mdtrt_id": visit["mdtrt_id"],
                "psn_no": psn_no,
                "ipt_otp_no": visit["ipt_otp_no"],
                "begntime": visit["begntime"],
                "med_type": visit["med_type"],
                "setl_id": _live_reference(book, visit["mdtrt_id"]),
            }
            for visit in found
            if wanted in ("", visit["mdtrt_id"])
        ]
    }


def _live_reference(book: Book, mdtrt_id: str) -> str:
    row = book.one(
        "select setl_id from settlement where mdtrt_id = ? and state = 'LIVE'"
        " order by serial desc limit 1",
        mdtrt_id,
    )
    return "" if row is None else str(row["setl_id"])


def find_settlements(book: Book, message: Message) -> dict[str, Any]:
    """5203: one by its reference, or all of a visit with ``refd_setl_flag`` telling them apart."""
    asked = node(message.input, "data")
    psn_no = need(asked, "psn_no", 30)
    setl_id = str(asked.get("setl_id") or "")
    mdtrt_id = str(asked.get("mdtrt_id") or "")
    if not setl_id and not mdtrt_id:
        raise Refused("setl_id 与 mdtrt_id 不能同时为空")
    found = book.all(
        "select * from settlement where psn_no = ? and institution = ? and state <> 'UNDONE'"
        " and (? = '' or setl_id = ?) and (? = '' or mdtrt_id = ?) order by serial limit ?",
        psn_no,
        message.institution,
        setl_id,
        setl_id,
        mdtrt_id,
        mdtrt_id,
        LISTED_MAX,
    )
    if setl_id:
        if not found:
            raise Refused("结算信息不存在")
        return {"setlinfo": _told(found[0]), "setldetail": json.loads(found[0]["setldetail"])}
    details = json.loads(found[0]["setldetail"]) if len(found) == 1 else []
    return {"setlinfo": [_told(row) for row in found], "setldetail": details}


def _told(row: Row) -> dict[str, str]:
    info: dict[str, str] = json.loads(row["setlinfo"])
    info["refd_setl_flag"] = "0" if row["state"] == "LIVE" else "1"
    return info


def sums(
    book: Book,
    *,
    first_day: str,
    last_day: str,
    institution: str,
    insutype: str,
    clearing: str = "",
) -> dict[str, int]:
    """What the book holds for days (``yyyy-MM-dd``, both counted): reversals count negative.

    Each falls on the day it happened. Empty institution, insurance or ``clr_type`` means all.
    Undone settlements never happened.
    """
    total = {"count": 0, "total_fen": 0, "fund_fen": 0, "account_fen": 0, "cash_fen": 0}
    for sign, column in ((1, "day"), (-1, "reversal_day")):
        sql = {
            "day": "select * from settlement where state <> 'UNDONE' and day between ? and ?",
            "reversal_day": "select * from settlement where state = 'REVERSED'"
            " and reversal_day between ? and ?",
        }[column]
        for row in book.all(sql, first_day, last_day):
            if institution not in ("", row["institution"]) or insutype not in ("", row["insutype"]):
                continue
            if clearing not in ("", clearing_of(row)):
                continue
            total["count"] += 1
            for name in ("total_fen", "fund_fen", "account_fen", "cash_fen"):
                total[name] += sign * row[name]
    return total


def statement(book: Book, message: Message) -> dict[str, Any]:
    """3201: 0 when amounts and count agree, else 1. The codes are not confirmed publicly."""
    asked = node(message.input, "data")
    optins = need(asked, "setl_optins", 6)
    held = sums(
        book,
        first_day=need(asked, "stmt_begndate", 10),
        last_day=need(asked, "stmt_enddate", 10),
        institution=message.institution,
        insutype=need(asked, "insutype", 6),
        clearing=need(asked, "clr_type", 6),
    )
    try:
        asked_sums = {
            "total_fen": fen(asked.get("medfee_sumamt")),
            "fund_fen": fen(asked.get("fund_pay_sumamt")),
            "account_fen": fen(asked.get("acct_pay")),
            "count": int(str(asked.get("fixmedins_setl_cnt"))),
        }
    except ValueError:
        raise Refused("对账金额格式不符") from None
    agrees = all(held[name] == value for name, value in asked_sums.items())
    return {
        "stmtinfo": {
            "setl_optins": optins,
            "stmt_rslt": "0" if agrees else "1",
            "stmt_rslt_dscr": "平" if agrees else "不平",
        }
    }
