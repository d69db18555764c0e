"""The sums of a payment platform's insurance-and-own-money order (dossier 3.10). Pure, in fen."""

import msgspec

from integrations.ports.money import FEN_MAX


class MixedAmounts(msgspec.Struct, frozen=True, kw_only=True):
    """The order's parts, named as the platform names them; integer fen."""

    total_fee: int
    med_ins_gov_fee: int
    med_ins_self_fee: int
    med_ins_other_fee: int
    med_ins_cash_fee: int
    wechat_pay_cash_fee: int
    cash_add: list[int] = []
    cash_reduce: list[int] = []


def mixed_faults(amounts: MixedAmounts) -> list[str]:
    """Which of the three identities fail; empty when the order's amounts are consistent."""
    added, reduced = sum(amounts.cash_add), sum(amounts.cash_reduce)
    insured = amounts.med_ins_gov_fee + amounts.med_ins_self_fee + amounts.med_ins_other_fee
    paid, cash = amounts.wechat_pay_cash_fee, amounts.med_ins_cash_fee
    every = (insured, paid, cash, amounts.total_fee, amounts.med_ins_gov_fee)
    parts = (amounts.med_ins_self_fee, amounts.med_ins_other_fee)
    faults = []
    if any(
        not 0 <= part <= FEN_MAX
        for part in (*every, *parts, *amounts.cash_add, *amounts.cash_reduce)
    ):
        faults.append("range")
    if amounts.total_fee != insured + paid + reduced:
        faults.append("total-after-reductions")
    if amounts.total_fee != insured + cash + added:
        faults.append("total-before-reductions")
    if paid != cash + added - reduced:
        faults.append("own-money")
    return faults
