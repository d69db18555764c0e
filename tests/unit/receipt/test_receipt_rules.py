"""Receipt numbers."""

from datetime import date

from service.receipt.rules import receipt_no

DAY = date(2026, 3, 2)


def test_a_number_says_institution_and_day_and_nothing_else() -> None:
    number = receipt_no("H99000000001", DAY, bytes(range(16)))
    assert number == "H99000000001" + "20260302" + "0123456789AB"


def test_another_token_is_another_number() -> None:
    assert receipt_no("H1", DAY, bytes(16)) != receipt_no("H1", DAY, b"\1" + bytes(15))
