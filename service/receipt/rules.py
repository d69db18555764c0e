"""Pure decisions about receipts."""

from datetime import date

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
RANDOM_LENGTH = 12


def receipt_no(institution_code: str, day: date, token: bytes) -> str:
    """Institution code, business day and 60 random bits; no sequence, so it tells no volume."""
    letters = "".join(_ALPHABET[byte & 31] for byte in token[:RANDOM_LENGTH])
    return f"{institution_code}{day:%Y%m%d}{letters}"
