"""Money is an integer of fen. Yuan text exists only at a partner's edge, by exact string work."""

import re
from typing import Annotated, NewType

import msgspec

Fen = NewType("Fen", int)

FEN_MAX = 10**11
"""One billion yuan: above any bill, far below bigint."""

FenField = Annotated[int, msgspec.Meta(ge=0, le=FEN_MAX)]
"""An amount on a wire: integer fen, bounded. Strict decoding refuses strings and fractions."""

_YUAN = re.compile(r"(-?)(\d{1,10})(?:\.(\d{1,2}))?\Z", re.ASCII)


class MoneyError(ValueError):
    """An amount is not money we can hold: negative, too large, or with a third decimal."""


def fen(value: int) -> Fen:
    """Check the range and give the type."""
    if not 0 <= value <= FEN_MAX:
        raise MoneyError("amount out of range")
    return Fen(value)


def yuan_text(amount: int) -> str:
    """``1234`` becomes ``"12.34"``; a negative amount keeps its sign."""
    sign, size = ("-", -amount) if amount < 0 else ("", amount)
    return f"{sign}{size // 100}.{size % 100:02d}"


def parse_yuan_text(text: str) -> int:
    """``"12.3"`` becomes ``1230``. Signed; at most two decimals; no exponent, no blanks."""
    found = _YUAN.fullmatch(text)
    if found is None:
        raise MoneyError("not a yuan amount")
    sign, whole, cents = found.groups()
    amount = int(whole) * 100 + int((cents or "").ljust(2, "0"))
    return -amount if sign else amount
