"""Refunds of the mobile payment centre: 6203 (dossier 5.2, 5.3)."""

import json
from datetime import datetime
from typing import Any

from integrations.sandbox.insurance import undoing
from integrations.sandbox.insurance.book import Book, Row
from integrations.sandbox.insurance.exact import fen
from integrations.sandbox.insurance.mobile_orders import (
    digest_of,
    find,
    message_of,
    proof_in,
    proved,
)
from integrations.sandbox.insurance.mobile_seal import MobileApp
from integrations.sandbox.insurance.model import Refused, local, need

SETTLED = ("6", "8", "9", "10", "11")
PARTS = ("fundRefdAmt", "psnAcctRefdAmt", "cashRefdAmt")
PAID = ("fundPay", "psnAcctPay", "ownPayAmt")


def refund(
    book: Book, app: MobileApp, asked: dict[str, Any], at: datetime, *, uneven: bool
) -> dict[str, Any]:
    """6203: the same ``appRefdSn`` with the same content is answered alike.

    ``uneven``: one side gives back and the other fails, so that the order ends in state 14.
    """
    number, digest = need(asked, "appRefdSn", 64), digest_of(asked)
    known = book.one(
        "select * from mobile_refund where institution = ? and number = ?", app.institution, number
    )
    if known is not None:
        if known["digest"] != digest:
            raise Refused("appRefdSn 重复而内容不同")
        return dict(json.loads(known["answer"]))
    row = find(book, app, asked, at)
    person = proved(book, proof_in(asked), at, row["order_ref"])
    if person.psn_no != row["psn_no"]:
        raise Refused("授权与订单不一致")
    if row["state"] not in SETTLED:
        raise Refused("订单未结算或已退")
    parts = _parts(asked)
    kind = need(asked, "refdType", 4)
    _check(book, row, kind, parts)
    insured = kind in ("ALL", "HI")
    if insured:
        _reverse(book, app, row, at)
    own = 0 if uneven else parts[2]
    answer: dict[str, Any] = {
        "refdSn": f"RS{local(at):%Y%m%d%H%M%S}{book.next_number('mobile-refund'):06d}",
        "hiFefdSn": row["setl_id"] if insured else "",
        "hiTrnsDate": f"{local(at):%Y%m%d}",
        "hiTrnsTime": f"{local(at):%H%M%S}",
        "refStatus": "EXP" if uneven else "SUCC",
        "extData": {},
    }
    book.run(
        "insert into mobile_refund values (?, ?, ?, ?, ?, ?, ?)",
        app.institution,
        number,
        digest,
        row["order_ref"],
        own,
        int(insured),
        json.dumps(answer),
    )
    state = "14" if uneven else _state_after(book, row)
    book.run("update mobile_order set state = ? where order_ref = ?", state, row["order_ref"])
    return answer


def _parts(asked: dict[str, Any]) -> tuple[int, int, int]:
    try:
        parts = tuple(fen(asked.get(name)) for name in PARTS)
        total = fen(asked.get("totlRefdAmt"))
    except ValueError:
        raise Refused("退费金额格式不符") from None
    if min(parts) < 0 or total != sum(parts) or total == 0:
        raise Refused("退费合计与分项不符")
    return parts[0], parts[1], parts[2]


def _given(book: Book, row: Row) -> tuple[int, bool]:
    """Own money given back so far, and whether the insurance side was."""
    found = book.all("select * from mobile_refund where order_ref = ?", row["order_ref"])
    return sum(one["own_fen"] for one in found), any(one["insured"] for one in found)


def _paid(row: Row) -> tuple[int, int, int]:
    amounts = json.loads(row["amounts"])
    fund, account, own = (fen(amounts[name]) for name in PAID)
    return fund, account, own


def _check(book: Book, row: Row, kind: str, parts: tuple[int, int, int]) -> None:
    paid, (own_given, insured_given) = _paid(row), _given(book, row)
    allowed = {
        "ALL": parts == paid and own_given == 0 and not insured_given,
        "CASH": parts[:2] == (0, 0) and parts[2] <= paid[2] - own_given,
        "HI": parts == (paid[0], paid[1], 0) and not insured_given,
    }
    if not allowed.get(kind, False):
        raise Refused("退费类型与金额不符，或超出可退")


def _reverse(book: Book, app: MobileApp, row: Row, at: datetime) -> None:
    kept = json.loads(row["doc"])
    data = {"setl_id": row["setl_id"], "mdtrt_id": row["mdtrt_id"], "psn_no": row["psn_no"]}
    message = message_of(book, app, at, kept["insuCode"], data)
    undoing.reverse(book, message)


def _state_after(book: Book, row: Row) -> str:
    own_paid, (own_given, insured) = _paid(row)[2], _given(book, row)
    if insured:
        if own_given == own_paid:
            return "7"
        return "11" if own_given else "8"
    return "9" if own_given == own_paid else "10"
