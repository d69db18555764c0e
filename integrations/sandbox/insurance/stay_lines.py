"""Charges of a stay: originals and returns, settled or open (dossier 1.8). Rows and sums only."""

import msgspec

from integrations.sandbox.insurance.book import Book, Row
from integrations.sandbox.insurance.engine import FeeLine
from integrations.sandbox.insurance.model import Refused


def is_stay(book: Book, mdtrt_id: str) -> bool:
    """Is it a stay, not an outpatient visit?"""
    return book.one("select 1 from stay where mdtrt_id = ?", mdtrt_id) is not None


def net_line(book: Book, mdtrt_id: str, number: str) -> FeeLine | None:
    """An unsettled charge less its returns; None where there is none."""
    rows = book.all(
        "select doc, init_sn from stay_line where mdtrt_id = ? and setl_id is null"
        " and (feedetl_sn = ? or init_sn = ?) order by rowid",
        mdtrt_id,
        number,
        number,
    )
    return _net([msgspec.json.decode(row["doc"], type=FeeLine) for row in rows], rows)


def _net(lines: list[FeeLine], rows: list[Row]) -> FeeLine | None:
    original = next(
        (line for line, row in zip(lines, rows, strict=True) if not row["init_sn"]), None
    )
    if original is None:
        return None
    back = [line for line in lines if line is not original]
    return msgspec.structs.replace(
        original,
        amount_fen=original.amount_fen - sum(line.amount_fen for line in back),
        quantity_e4=original.quantity_e4 - sum(line.quantity_e4 for line in back),
    )


def open_lines(book: Book, mdtrt_id: str) -> list[FeeLine]:
    """Every unsettled charge, returns taken off. Raises ``Refused`` where nothing is left."""
    rows = book.all(
        "select feedetl_sn from stay_line where mdtrt_id = ? and setl_id is null and init_sn = ''"
        " order by rowid",
        mdtrt_id,
    )
    nets = [net_line(book, mdtrt_id, row["feedetl_sn"]) for row in rows]
    found = [net for net in nets if net is not None and net.amount_fen > 0]
    if not found:
        raise Refused("没有未结算的费用明细")
    return found


def mark_settled(book: Book, mdtrt_id: str, setl_id: str) -> None:
    """Everything open belongs to this settlement now."""
    book.run(
        "update stay_line set setl_id = ?, last_setl = ? where mdtrt_id = ? and setl_id is null",
        setl_id,
        setl_id,
        mdtrt_id,
    )


def take_again(book: Book, settlement: Row) -> None:
    """A reversal is undone: the very same lines must still be there, and open."""
    rows = book.all(
        "select doc, init_sn, setl_id from stay_line where mdtrt_id = ? and last_setl = ?",
        settlement["mdtrt_id"],
        settlement["setl_id"],
    )
    total = 0
    for row in rows:
        amount = msgspec.json.decode(row["doc"], type=FeeLine).amount_fen
        total += -amount if row["init_sn"] else amount
    if total != settlement["total_fen"] or any(row["setl_id"] is not None for row in rows):
        raise Refused("明细已变更，不能冲正")
    book.run(
        "update stay_line set setl_id = ? where mdtrt_id = ? and last_setl = ?",
        settlement["setl_id"],
        settlement["mdtrt_id"],
        settlement["setl_id"],
    )
