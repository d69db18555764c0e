"""What may be posted, and what the sums say."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.kernel.problems import InvariantBroken
from service.ledger import rules
from service.ledger.model import HOSPITAL, INSURER, PATIENT, NewPosting, Posting, provider_account
from tests.support.clock import FakeClock

NOW = FakeClock().now()
ACCOUNTS = [HOSPITAL, INSURER, PATIENT, "hospital-burden", provider_account("wechatpay")]


def a_posting(debit: str, credit: str, amount_fen: int) -> NewPosting:
    return NewPosting(
        record_id=1,
        settlement_id=2,
        institution_id=3,
        cause="payment:1",
        debit=debit,
        credit=credit,
        amount_fen=amount_fen,
    )


def _stored(new: NewPosting) -> Posting:
    said = msgspec.structs.asdict(new)
    del said["moved_at"]
    where = {"day": NOW.date(), "value_day": None, "posted_at": NOW}
    return Posting(**said, **where, posting_id=9, row_mac=b"")


@pytest.mark.parametrize(
    ("debit", "credit", "amount_fen"),
    [
        (PATIENT, PATIENT, 1),
        (PATIENT, HOSPITAL, 0),
        (PATIENT, HOSPITAL, -1),
        ("till", HOSPITAL, 1),
        (PATIENT, "provider:", 1),
        (PATIENT, "provider:wechatpay\n", 1),
    ],
)
def test_what_is_no_posting(debit: str, credit: str, amount_fen: int) -> None:
    with pytest.raises(InvariantBroken):
        rules.check_posting(a_posting(debit, credit, amount_fen))


@given(
    st.lists(
        st.tuples(st.sampled_from(ACCOUNTS), st.sampled_from(ACCOUNTS), st.integers(1, 10**11)),
        max_size=30,
    )
)
def test_the_sums_of_all_accounts_cancel_out(moves: list[tuple[str, str, int]]) -> None:
    postings = [_stored(a_posting(*move)) for move in moves if move[0] != move[1]]
    sums = rules.sum_accounts(postings)
    assert sum(sums.values()) == 0
    assert sums.get(PATIENT, 0) == sum(
        p.amount_fen * ((p.debit == PATIENT) - (p.credit == PATIENT)) for p in postings
    )
