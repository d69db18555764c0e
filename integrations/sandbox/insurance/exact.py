"""Exact numbers of the twin: decimal texts to scaled integers and back, rounding half up. Pure."""

import re

_DECIMAL = re.compile(r"(-?)([0-9]{1,13})(?:\.([0-9]{1,12}))?\Z", re.ASCII)


def scaled(text: object, digits: int) -> int:
    """A decimal text or whole number times ``10**digits``. Raises ``ValueError``."""
    plain = isinstance(text, str | int) and not isinstance(text, bool)
    found = _DECIMAL.match(str(text)) if plain else None
    if found is None:
        raise ValueError("not a decimal")
    sign, whole, fraction = found.groups()
    padded = (fraction or "").ljust(digits, "0")
    if padded[digits:].strip("0"):
        raise ValueError("too many decimals")
    size: int = int(whole) * 10**digits + int(padded[:digits] or "0")
    return -size if sign else size


def unscaled(value: int, digits: int) -> str:
    """The decimal text with all its digits."""
    sign, size = ("-", -value) if value < 0 else ("", value)
    scale: int = 10**digits
    return f"{sign}{size // scale}.{size % scale:0{digits}d}"


def fen(text: object) -> int:
    """Yuan to fen; raises ``ValueError``."""
    return scaled(text, 2)


def yuan(amount: int) -> str:
    """Fen to yuan with two decimals."""
    return unscaled(amount, 2)


def half_up(numerator: int, denominator: int) -> int:
    """The quotient of two numbers, neither below zero, rounded half up."""
    return (2 * numerator + denominator) // (2 * denominator)


def share(amount: int, ratio_e4: int) -> int:
    """``amount`` times a ratio in ten-thousandths, rounded half up to the fen."""
    return half_up(amount * ratio_e4, 10_000)
