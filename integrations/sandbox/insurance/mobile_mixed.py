"""Orders of the mobile payment centre whose own part a payment provider collects (dossier 5.5)."""

import json
from datetime import datetime

from integrations.sandbox.insurance.book import Book, Row
from integrations.sandbox.insurance.exact import fen
from integrations.sandbox.insurance.mobile_orders import ORDER_LIFE_S, complete
from integrations.sandbox.insurance.mobile_seal import MobileApp
from integrations.sandbox.insurance.model import Refused
from integrations.sandbox.insurance.policy import Policy
from integrations.sandbox.insured_orders import InsuredOrder

SETTLED = "6"
_PARTS = ("fundPay", "psnAcctPay", "othFeeAmt", "ownPayAmt")


def carry_out(
    book: Book, app: MobileApp, row: Row, told: InsuredOrder, at: datetime, policy: Policy
) -> None:
    """The payer confirmed at the provider: settle, if it is this order and was divided so."""
    if told.authorisation != row["proof"]:
        raise Refused("授权与订单不一致")
    if row["state"] != "2" or int(at.timestamp()) > row["made_s"] + ORDER_LIFE_S:
        raise Refused("订单不在待支付状态")
    held = json.loads(row["amounts"])
    parts = (told.fund_fen, told.account_fen, told.other_fen, told.cash_fen)
    if tuple(fen(held[name]) for name in _PARTS) != parts:
        raise Refused("金额与医保订单不一致")
    complete(book, app, row, at, policy)
