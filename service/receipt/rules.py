"""Pure decisions about receipts and invoices."""

from datetime import date, timedelta

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
RANDOM_LENGTH = 12
BACK_OFF_MAX = timedelta(minutes=10)


def receipt_no(institution_code: str, day: date, token: bytes) -> str:
    """Institution code, business day and 60 random bits; no sequence, so it tells no volume."""
    letters = "".join(_ALPHABET[byte & 31] for byte in token[:RANDOM_LENGTH])
    return f"{institution_code}{day:%Y%m%d}{letters}"


def back_off(tries: int, first: timedelta) -> timedelta:
    """Before the next try: doubled each time, at most ten minutes."""
    return min(first * (1 << min(tries, 10)), BACK_OFF_MAX)
