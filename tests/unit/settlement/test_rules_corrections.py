"""What remains of a bill when lines or parts of them are given back."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.ports.insurance import ChargeLine
from service.bill.rules import line_amount_fen
from service.settlement.corrections.model import GivenLine
from service.settlement.corrections.rules import needs_approval, remaining_lines, total_of
from service.settlement.problems import CorrectionRefused
from service.settlement.states import CORRECTION, CorrectionEvent, CorrectionState


def a_line(line_no: str, quantity_e4: int, unit_price_e6: int) -> ChargeLine:
    return ChargeLine(
        line_no=line_no,
        catalogue_code="X01",
        local_code="L01",
        name="检查费",
        quantity_e4=quantity_e4,
        unit_price_e6=unit_price_e6,
        amount_fen=line_amount_fen(quantity_e4, unit_price_e6),
        charged_at=datetime(2026, 3, 2, tzinfo=UTC),
    )


LINES = [a_line("1", 30_000, 1_005_000), a_line("2", 5_000, 70_000_000)]


def back(line_no: str, quantity_e4: int) -> GivenLine:
    return GivenLine(line_no=line_no, quantity_e4=quantity_e4)


def test_a_part_of_a_line_costs_what_the_rest_costs_rounded() -> None:
    left = remaining_lines(LINES, [back("1", 10_000)])
    assert [(one.line_no, one.quantity_e4, one.amount_fen) for one in left] == [
        ("1", 20_000, 2_01),
        ("2", 5_000, 35_00),
    ]
    assert total_of(LINES) - total_of(left) == 1_01


def test_a_whole_line_is_gone_and_nothing_named_is_all() -> None:
    assert remaining_lines(LINES, [back("2", 5_000)]) == LINES[:1]
    assert remaining_lines(LINES, []) == []
    assert remaining_lines(LINES, [back("1", 30_000), back("2", 5_000)]) == []


@pytest.mark.parametrize(
    "given_back",
    [
        [back("3", 1)],
        [back("1", 30_001)],
        [back("1", 0)],
        [back("1", -1)],
        [back("1", 1), back("1", 1)],
    ],
)
def test_what_does_not_fit_is_refused(given_back: list[GivenLine]) -> None:
    with pytest.raises(CorrectionRefused):
        remaining_lines(LINES, given_back)


@given(
    st.lists(st.tuples(st.integers(1, 10**6), st.integers(0, 10**9)), min_size=1, max_size=5),
    st.data(),
)
def test_in_however_many_steps_never_more_than_the_bill_is_given_back(
    priced: list[tuple[int, int]], data: st.DataObject
) -> None:
    lines = [a_line(str(place), *one) for place, one in enumerate(priced)]
    total_fen, given_fen = total_of(lines), 0
    while lines:
        line = data.draw(st.sampled_from(lines))
        quantity = data.draw(st.integers(max(1, line.quantity_e4 // 2), line.quantity_e4))
        left = remaining_lines(lines, [back(line.line_no, quantity)])
        assert total_of(left) <= total_of(lines)
        given_fen += total_of(lines) - total_of(left)
        lines = left
    assert given_fen == total_fen


def test_above_the_limit_two_must_agree() -> None:
    assert not needs_approval(10**9, None)
    assert not needs_approval(30_00, 30_00)
    assert needs_approval(30_01, 30_00)
    assert needs_approval(1, 0)


def test_a_decided_correction_is_not_decided_again() -> None:
    for state in CorrectionState:
        may = state is CorrectionState.AWAITING_APPROVAL
        assert CORRECTION.allows(state, CorrectionEvent.APPROVE) is may
        assert CORRECTION.allows(state, CorrectionEvent.REFUSE) is may
