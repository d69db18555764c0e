"""The twin's engine: rules that the published cases leave out, and properties over all inputs."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.sandbox.insurance import engine
from integrations.sandbox.insurance.engine import (
    Claim,
    Division,
    FeeLine,
    divide,
    fund_rows,
    split_line,
)
from integrations.sandbox.insurance.policy import read_policy

VECTORS = Path(__file__).parents[2] / "vectors" / "medical-insurance.json"
NODE = json.loads(VECTORS.read_text(encoding="utf-8"))["sandbox_policy"]
POLICY = read_policy(NODE)
NO_LIMIT = 10**12


def line(amount_fen: int, **changes: object) -> FeeLine:
    fields = {
        "number": "1",
        "quantity_e4": 10_000,
        "limit_e6": NO_LIMIT,
        "selfpay_e4": 0,
        "level": "01",
    }
    return FeeLine(amount_fen=amount_fen, **(fields | changes))  # type: ignore[arg-type]


def claim(**changes: object) -> Claim:
    fields = {"insutype": "310", "kind": "op", "hospital_level": "3"}
    return Claim(**(fields | changes))  # type: ignore[arg-type]


def run(amount_fen: int, **changes: object) -> Division:
    return divide([line(amount_fen)], claim(**changes), POLICY)


def test_packaged_policy_is_the_published_one() -> None:
    packaged = (Path(engine.__file__).parent / "policy.json").read_text(encoding="utf-8")
    assert json.loads(packaged)["policy"] == NODE["policy"]


def test_retiree_gets_points_on_top() -> None:
    assert run(10_000, deductible_used_fen=50_000, retired=True).ratio_e4 == 6000


def test_points_off_for_being_away() -> None:
    got = run(10_000, deductible_used_fen=50_000, cut_points_e4=1000)
    assert (got.ratio_e4, got.pool_fen) == (4000, 4000)


def test_factor_for_being_away_comes_after_the_retirees_points() -> None:
    got = run(10_000, deductible_used_fen=50_000, retired=True, cut_factor_e4=7000)
    assert (got.ratio_e4, got.pool_fen) == (4200, 4200)


def test_points_never_make_a_ratio_negative() -> None:
    got = run(10_000, cut_points_e4=9000)
    assert (got.ratio_e4, got.pool_fen, got.deductible_fen) == (0, 0, 0)


def test_second_admission_has_the_lower_deductible() -> None:
    first = run(500_000, kind="ip")
    again = run(500_000, kind="ip", again=True)
    assert (first.deductible_fen, again.deductible_fen) == (100_000, 80_000)
    same = run(500_000, kind="ip", hospital_level="2", again=True)
    assert same.deductible_fen == 50_000


def test_retiree_in_hospital() -> None:
    got = run(1_100_000, kind="ip", retired=True)
    assert (got.ratio_e4, got.pool_fen) == (8700, 870_000)


def test_tiers_count_only_what_this_bill_adds() -> None:
    got = run(
        2_000_000,
        insutype="390",
        kind="ip",
        hospital_level="3",
        catastrophic_used_fen=2_900_000,
    )
    burden = 2_000_000 - got.pool_fen
    assert burden == 100_000 + 665_000
    assert got.catastrophic_fen == (100_000 * 60 + 665_000 * 65) // 100


def test_large_cost_stops_at_its_span() -> None:
    got = run(60_000_000, kind="ip", pool_used_fen=15_000_000)
    assert got.pool_fen == 0
    assert got.large_cost_fen == 35_000_000 * 85 // 100


def test_hospital_part_lowers_the_persons_burden() -> None:
    got = run(10_000, hospital_part_fen=3_000, balance_fen=2_000)
    assert (got.hospital_fen, got.account_fen, got.cash_fen) == (3_000, 2_000, 5_000)
    assert run(10_000, hospital_part_fen=99_000).hospital_fen == 10_000


def test_account_in_policy_only_leaves_self_paid_items_to_cash() -> None:
    lines = [line(10_000), line(4_000, level="03")]
    got = divide(lines, claim(balance_fen=99_000, account_in_policy_only=True), POLICY)
    assert (got.account_fen, got.cash_fen) == (10_000, 4_000)


def test_own_balance_goes_before_the_familys() -> None:
    got = run(10_000, balance_fen=3_000, mutual_fen=4_000)
    assert (got.account_fen, got.mutual_fen, got.balance_fen) == (7_000, 4_000, 0)


def test_unknown_insurance_pays_nothing() -> None:
    got = run(10_000, insutype="999")
    assert (got.fund_fen, got.cash_fen) == (0, 10_000)


@pytest.mark.parametrize(
    ("limit_e6", "expected"), [(20_000_000, (0, 1300, 0, 4000)), (0, (0, 5300, 0, 0))]
)
def test_price_over_the_limit_is_the_persons(
    limit_e6: int, expected: tuple[int, int, int, int]
) -> None:
    got = split_line(line(5300, quantity_e4=20_000, limit_e6=limit_e6))
    assert (got.full_own_fen, got.over_limit_fen, got.first_pay_fen, got.in_scope_fen) == expected


money = st.integers(0, 10**9)
ratio = st.integers(0, 10_000)
lines = st.lists(
    st.builds(
        FeeLine,
        number=st.just("1"),
        amount_fen=money,
        quantity_e4=st.integers(1, 10**7),
        limit_e6=st.integers(0, 10**12),
        selfpay_e4=ratio,
        level=st.sampled_from(["01", "02", "03"]),
    ),
    min_size=1,
    max_size=8,
)
claims = st.builds(
    Claim,
    insutype=st.sampled_from(["310", "390", "999"]),
    kind=st.sampled_from(["op", "ip", "opsp"]),
    hospital_level=st.sampled_from(["1", "2", "3", "9"]),
    retired=st.booleans(),
    again=st.booleans(),
    deductible_used_fen=money,
    pool_used_fen=money,
    catastrophic_used_fen=money,
    large_cost_used_fen=money,
    balance_fen=money,
    mutual_fen=money,
    use_account=st.booleans(),
    account_in_policy_only=st.booleans(),
    civil_servant_e4=ratio,
    relief_e4=ratio,
    cut_points_e4=ratio,
    cut_factor_e4=ratio,
    hospital_part_fen=money,
)


@settings(max_examples=400, deadline=None)
@given(lines=lines, asked=claims)
def test_parts_always_add_up_and_are_never_negative(lines: list[FeeLine], asked: Claim) -> None:
    got = divide(lines, asked, POLICY)
    total = sum(one.amount_fen for one in lines)
    assert got.total_fen == total
    scope = (got.full_own_fen, got.over_limit_fen, got.first_pay_fen, got.in_scope_fen)
    assert sum(scope) == total
    assert got.fund_fen + got.person_fen + got.hospital_fen == total
    assert got.mutual_fen <= got.account_fen
    rows = dict(fund_rows(got))
    assert rows.pop("310200", 0) == got.account_fen
    assert sum(rows.values()) == got.fund_fen
    amounts = (
        *scope,
        got.deductible_fen,
        got.pool_fen,
        got.civil_servant_fen,
        got.catastrophic_fen,
        got.large_cost_fen,
        got.relief_fen,
        got.hospital_fen,
        got.account_fen,
        got.cash_fen,
        got.balance_fen,
    )
    assert min(amounts) >= 0
    assert got.fund_fen <= got.in_scope_fen
    assert asked.balance_fen - got.balance_fen == got.account_fen - got.mutual_fen


@settings(max_examples=200, deadline=None)
@given(amount=money, used=st.integers(0, 400_000), asked=claims)
def test_pool_never_exceeds_the_years_cap(amount: int, used: int, asked: Claim) -> None:
    got = divide([line(amount)], claim(pool_used_fen=used, retired=asked.retired), POLICY)
    assert got.pool_fen <= max(0, 300_000 - used)
