"""The insurance's payment centre in a world: what payers do there, and its book."""

import json
from typing import Any

from integrations.sandbox.insurance.exact import fen
from integrations.sandbox.insurance.model import Refused
from service.simulate import mixed
from service.simulate.world import World

PROVIDER, WAY = "mobile_centre", "authorised"
PAID = {"6", "7", "8", "9", "10", "11", "14"}


def allow(world: World, record_id: int) -> str:
    """The payer says yes in the national insurance app."""
    return world.twins.centre.authorise(world.person_nos[record_id])


def pay(world: World, trade_no: str) -> None:
    """The payer pays his own part, if the centre lets him."""
    row = world.twins.insurance.book.one(
        "select order_ref from mobile_order where number = ?", trade_no
    )
    if row is None:
        return
    try:
        world.twins.centre.own_money_came(row["order_ref"])
    except Refused:
        return


def orders(world: World) -> list[dict[str, Any]]:
    """Own parts that were paid there, as a provider's book would show them."""
    rows = world.twins.insurance.book.all(
        "select number, state, amounts from mobile_order order by rowid"
    )
    elsewhere = mixed.numbers(world)
    return [
        {
            "out_trade_no": row["number"],
            "trade_state": "SUCCESS" if row["state"] in PAID else "CLOSED",
            "total_fen": fen(json.loads(row["amounts"]).get("ownPayAmt", "0.00")),
        }
        for row in rows
        if row["number"] not in elsewhere
    ]


def returns(world: World) -> list[dict[str, Any]]:
    """Own money that went back."""
    rows = world.twins.insurance.book.all(
        "select mobile_refund.number as refund_no, mobile_order.number as trade_no, own_fen"
        " from mobile_refund join mobile_order using (order_ref) where own_fen > 0"
    )
    return [
        {
            "out_refund_no": row["refund_no"],
            "out_trade_no": row["trade_no"],
            "refund_fen": row["own_fen"],
            "status": "SUCCESS",
        }
        for row in rows
    ]


def made_by(world: World) -> dict[str, str]:
    """By the bureau's number of a settlement: our number of the payment that it came from."""
    elsewhere = mixed.numbers(world)
    rows = world.twins.insurance.book.all(
        "select setl_id, number from mobile_order where setl_id is not null"
    )
    return {
        str(row["setl_id"]): elsewhere.get(str(row["number"]), str(row["number"])) for row in rows
    }
