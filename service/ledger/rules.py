"""Pure decisions of the ledger."""

import re

from service.kernel.problems import InvariantBroken
from service.ledger.model import (
    DEPOSIT,
    HOSPITAL,
    HOSPITAL_BURDEN,
    INSURER,
    PATIENT,
    NewPosting,
    Posting,
)

_FIXED = frozenset({DEPOSIT, PATIENT, INSURER, HOSPITAL, HOSPITAL_BURDEN})
_PROVIDER = re.compile(r"provider:[a-z0-9]{1,30}", re.ASCII)


def check_posting(new: NewPosting) -> None:
    """Raises ``InvariantBroken`` for an unknown account, equal sides or no amount."""
    for account in (new.debit, new.credit):
        if account not in _FIXED and _PROVIDER.fullmatch(account) is None:
            raise InvariantBroken("a posting names an unknown account")
    if new.debit == new.credit or new.amount_fen <= 0:
        raise InvariantBroken("a posting has two sides and an amount")


def is_same(new: NewPosting, stored: Posting) -> bool:
    """Whether a repeated cause repeats its content."""
    return (new.institution_id, new.debit, new.credit, new.amount_fen) == (
        stored.institution_id,
        stored.debit,
        stored.credit,
        stored.amount_fen,
    )


def sum_accounts(postings: list[Posting]) -> dict[str, int]:
    """Debits less credits by account; over all accounts the sums cancel out."""
    sums: dict[str, int] = {}
    for posting in postings:
        sums[posting.debit] = sums.get(posting.debit, 0) + posting.amount_fen
        sums[posting.credit] = sums.get(posting.credit, 0) - posting.amount_fen
    return sums
