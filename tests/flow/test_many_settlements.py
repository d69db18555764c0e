"""Settlements under load with random faults in the twins: three books agree to the fen.

The same run with two thousand is ``make soak``.
"""

from pathlib import Path

import pytest

from loadtests import books
from loadtests.settlements import Soak, describe, run


@pytest.mark.timeout(900)
def test_faults_at_random_lose_nothing(tmp_path: Path) -> None:
    soak = Soak(settlements=16, users=6, seed=11, wechat_permille=80, insurance_permille=60)
    outcome = run(soak, tmp_path)
    said = describe(outcome)
    assert outcome.passed, said
    assert outcome.settlements >= soak.settlements, said
    ended = sum(outcome.totals.states.values())
    assert ended == outcome.settlements
    assert outcome.totals.states.get("POSTED", 0) >= soak.settlements // 2, said
    assert outcome.totals.provider_kept_fen > 0, said
    assert outcome.totals.insurer_fen > 0, said


def a_settled_bill() -> books.Books:
    """One posted settlement of 100 yuan, 60 of it the fund's, in agreement everywhere."""
    return books.Books(
        settlements=[
            {
                "settlement_id": 7,
                "kind": "OUTPATIENT",
                "stay_no": None,
                "state": "POSTED",
                "reason": None,
                "insured": True,
                "settlement_ref": "S1",
                "total_fen": 100_00,
                "insurer_fen": 60_00,
                "hospital_fen": 0,
                "cover_fen": 0,
                "cash_fen": 40_00,
                "paid_fen": 40_00,
                "refunded_fen": 0,
            }
        ],
        attempts=[
            {
                "settlement_id": 7,
                "attempt_id": 5,
                "provider": "wechatpay",
                "trade_no": "T1",
                "state": "PAID",
                "amount_fen": 40_00,
                "refunded_fen": 0,
            }
        ],
        refunds=[],
        bills=[{"bill_id": 3, "state": "PAID", "total_fen": 100_00, "holder_id": 7}],
        balances={
            7: {"provider:wechatpay": 40_00, "patient": 0, "insurer": 60_00, "hospital": -100_00}
        },
        receipts={7: 1},
        items=[],
        orders=[{"out_trade_no": "T1", "trade_state": "SUCCESS", "total_fen": 40_00}],
        returns=[],
        insured=[
            {
                "setl_id": "S1",
                "state": "LIVE",
                "fund_fen": 50_00,
                "account_fen": 10_00,
                "cash_fen": 40_00,
            }
        ],
    )


def test_books_that_agree_have_no_difference() -> None:
    assert books.differences(a_settled_bill()) == []


def paid_twice(found: books.Books) -> None:
    found.orders.append({"out_trade_no": "T2", "trade_state": "SUCCESS", "total_fen": 40_00})


def refunded_unknown(found: books.Books) -> None:
    found.returns.append(
        {"out_trade_no": "T1", "out_refund_no": "R1", "status": "SUCCESS", "refund_fen": 1}
    )


def settled_unknown(found: books.Books) -> None:
    found.insured.append({**found.insured[0], "setl_id": "S2"})


def not_settled(found: books.Books) -> None:
    found.insured[0]["state"] = "REVERSED"


def one_fen_off(found: books.Books) -> None:
    found.insured[0]["fund_fen"] += 1


def patient_owes(found: books.Books) -> None:
    found.balances[7]["patient"] = 1


def ledger_short(found: books.Books) -> None:
    found.balances[7]["provider:wechatpay"] -= 1


def bill_unpaid(found: books.Books) -> None:
    found.bills[0] |= {"state": "OPEN", "holder_id": None}


def bill_locked(found: books.Books) -> None:
    found.bills.append({"bill_id": 4, "state": "LOCKED", "total_fen": 1, "holder_id": 9})


def undone_but_kept(found: books.Books) -> None:
    found.settlements[0]["state"] = "REVERSED"


def no_receipt(found: books.Books) -> None:
    found.receipts.clear()


@pytest.mark.parametrize(
    "broken",
    [
        paid_twice,
        refunded_unknown,
        settled_unknown,
        not_settled,
        one_fen_off,
        patient_owes,
        ledger_short,
        bill_unpaid,
        bill_locked,
        undone_but_kept,
        no_receipt,
    ],
)
def test_each_disagreement_is_found(broken: object) -> None:
    found = a_settled_bill()
    broken(found)  # type: ignore[operator]
    assert books.differences(found) != []


def an_item(kind: str, subject_id: int, reason: str) -> dict[str, object]:
    return {"kind": kind, "subject_id": subject_id, "reason": reason, "told_fen": None}


def a_kept_late_payment(found: books.Books) -> None:
    """A second order was paid after its end; nothing goes back."""
    found.orders.append({"out_trade_no": "T2", "trade_state": "SUCCESS", "total_fen": 40_00})
    late = {**found.attempts[0], "attempt_id": 6, "trade_no": "T2", "state": "PAID_LATE"}
    found.attempts.append(late)
    found.balances[7] |= {"provider:wechatpay": 80_00, "patient": -40_00}


def test_an_item_that_only_tells_excuses_nothing() -> None:
    found = a_settled_bill()
    a_kept_late_payment(found)
    unexcused = books.differences(found)
    found.items = [an_item("payment", 6, "late-payment"), an_item("settlement", 7, "told")]
    assert books.differences(found) == unexcused != []


def test_a_refund_before_a_person_excuses_its_own_amount_and_no_fen_more() -> None:
    found = a_settled_bill()
    a_kept_late_payment(found)
    back = {"settlement_id": 7, "refund_id": 8, "refund_no": "R2", "trade_no": "T2"}
    found.refunds = [{**back, "state": "FAILED", "amount_fen": 40_00}]
    found.items = [an_item("refund", 8, "refund-failed")]
    assert books.differences(found) == []
    found.refunds[0]["amount_fen"] -= 1
    assert books.differences(found) != []


def a_deposit_counted(held_fen: int) -> books.Books:
    """A deposit of 50 yuan, of which a discharge of 40 yuan own money counts so much."""
    found = a_settled_bill()
    discharge, supplement = found.settlements[0], found.attempts[0]
    discharge |= {"kind": "DISCHARGE", "stay_no": "ZY-1"}
    supplement |= {"provider": "deposit", "trade_no": "D7"}
    found.orders = [
        {"out_trade_no": "T1", "trade_state": "SUCCESS", "total_fen": 50_00},
        {"out_trade_no": "D7", "trade_state": "SUCCESS", "total_fen": held_fen},
    ]
    found.returns = [
        {"out_trade_no": "T1", "out_refund_no": "R1", "status": "SUCCESS", "refund_fen": 10_00}
    ]
    returned = {"settlement_id": 6, "refund_id": 2, "refund_no": "R1", "trade_no": "T1"}
    found.refunds = [{**returned, "state": "REFUNDED", "amount_fen": 10_00}]
    found.settlements.append(
        {
            **discharge,
            "settlement_id": 6,
            "kind": "DEPOSIT",
            "insured": False,
            "total_fen": 50_00,
            "insurer_fen": 0,
            "cash_fen": 50_00,
            "paid_fen": 50_00,
            "refunded_fen": 10_00,
        }
    )
    paid = {"settlement_id": 6, "attempt_id": 4, "provider": "wechatpay", "trade_no": "T1"}
    found.attempts.append(
        {**paid, "state": "PAID", "amount_fen": 50_00, "refunded_fen": 10_00},
    )
    found.bills.append({"bill_id": 2, "state": "PAID", "total_fen": 50_00, "holder_id": 6})
    found.deposits = [{"settlement_id": 6, "stay_no": "ZY-1", "held_fen": 40_00, "taken_by": 7}]
    found.balances = {
        6: {"provider:wechatpay": 40_00, "deposit": -40_00},
        7: {"deposit": 40_00, "insurer": 60_00, "hospital": -100_00},
    }
    found.receipts = {6: 1, 7: 1}
    return found


def test_a_discharge_counts_what_its_deposits_hold_and_leaves_none() -> None:
    assert books.differences(a_deposit_counted(40_00)) == []
    assert books.differences(a_deposit_counted(39_99)) != []
    forgotten = a_deposit_counted(40_00)
    forgotten.deposits.append(
        {"settlement_id": 6, "stay_no": "ZY-1", "held_fen": 1, "taken_by": None}
    )
    assert "are left after the discharge" in "".join(books.differences(forgotten))
