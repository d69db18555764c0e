"""The counter's sums: what is taken, given, in the drawer, and when a count needs words."""

from datetime import timedelta

import pytest

from service.settlement.rules import cash_part_fen
from service.shift import rules
from service.shift.model import Counted, Direction, Entry, Tender
from service.shift.states import EntryState
from tests.support.clock import FakeClock

NOW = FakeClock().now()


def entry(
    amount_fen: int,
    *,
    direction: Direction = Direction.TAKE,
    tender: Tender = Tender.CASH,
    state: EntryState = EntryState.DONE,
) -> Entry:
    return Entry(
        institution_id=1,
        entry_id=1,
        shift_id=1,
        staff_id=1,
        direction=direction,
        tender=tender,
        amount_fen=amount_fen,
        tendered_fen=None,
        record_id=1,
        settlement_id=1,
        attempt_id=1,
        refund_id=None,
        refund_version=None,
        slip_no=None,
        slip_ref=None,
        slip_day=None,
        request_key="k",
        state=state,
        made_at=NOW,
        ended_at=None,
        row_mac=b"",
    )


GIVE, POS = Direction.GIVE, Tender.POS


def test_only_ended_entries_of_a_tender_count() -> None:
    listed = [
        entry(10_00),
        entry(3_00, direction=GIVE),
        entry(7_00, tender=POS),
        entry(100_00, state=EntryState.VOID),
        entry(200_00, state=EntryState.INTENDED),
    ]
    cash, pos = rules.sums_of(listed, Tender.CASH), rules.sums_of(listed, POS)
    assert (cash.taken_fen, cash.given_fen, cash.count, cash.net_fen) == (10_00, 3_00, 2, 7_00)
    assert (pos.net_fen, pos.count) == (7_00, 1)


def test_money_in_doubt_counts_where_it_leaves() -> None:
    listed = [
        entry(10_00),
        entry(4_00, direction=GIVE, state=EntryState.INTENDED),
        entry(50_00, state=EntryState.INTENDED),
        entry(90_00, direction=GIVE, tender=POS, state=EntryState.INTENDED),
    ]
    assert rules.drawer_fen(5_00, listed) == 11_00


@pytest.mark.parametrize(
    ("cash_fen", "pos_fen", "words", "expected"),
    [
        (5, -3, None, True),
        (4, -3, None, False),
        (5, -2, None, False),
        (4, -3, "", False),
        (4, -3, "少收", True),
    ],
)
def test_a_difference_needs_words(
    cash_fen: int, pos_fen: int, words: str | None, expected: bool
) -> None:
    counted = Counted(cash_fen=cash_fen, pos_fen=pos_fen, explanation=words)
    assert rules.is_explained(counted, 5, -3) is expected


def test_the_fifth_wrong_pin_locks_and_each_further_one_again() -> None:
    locked = [rules.lock_after(failures, NOW) for failures in range(1, 8)]
    assert locked == [None] * 4 + [NOW + timedelta(minutes=15)] * 3


@pytest.mark.parametrize(
    ("owed", "tendered", "wanted", "kept"),
    [(40, 50, None, 40), (40, 30, None, 30), (40, 50, 10, 10), (40, 5, 10, 10)],
)
def test_what_of_the_cash_is_kept(owed: int, tendered: int, wanted: int | None, kept: int) -> None:
    assert cash_part_fen(owed, tendered, wanted) == kept
