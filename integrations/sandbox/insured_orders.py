"""What a payment provider's twin asks the insurance twin when a payer confirms a mixed order.

Each twin is written from its own partner's document; only this question joins their worlds.
"""

from collections.abc import Callable

import msgspec


class InsuredOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order of the mobile payment centre whose own part was collected elsewhere; fen."""

    order_ref: str
    authorisation: str
    fund_fen: int
    account_fen: int
    other_fen: int
    cash_fen: int


Insurer = Callable[[InsuredOrder], str | None]
"""Settles the order now. Gives the reason of a refusal, or None where it is settled."""
