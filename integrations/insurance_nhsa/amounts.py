"""Amounts on the wire: exact reading, and the identities of dossier section 3.

All amounts are integer fen. An answer whose parts contradict each other is never believed.
"""

import re
from collections.abc import Iterable, Mapping

from integrations.insurance_nhsa.envelope import Text, text_of
from integrations.insurance_nhsa.wire import FeeResult
from integrations.insurance_nhsa.wire_settlement import SetlDetail, SetlInfo
from integrations.ports.money import FEN_MAX

FUND_FIELDS = (
    "hifp_pay",
    "cvlserv_pay",
    "hifes_pay",
    "hifmi_pay",
    "hifob_pay",
    "hifdm_pay",
    "maf_pay",
    "oth_pay",
)
SCOPE_FIELDS = ("fulamt_ownpay_amt", "overlmt_selfpay", "preselfpay_amt", "inscp_scp_amt")
AMOUNT_FIELDS = (
    "medfee_sumamt",
    *SCOPE_FIELDS,
    *FUND_FIELDS,
    "fund_pay_sumamt",
    "psn_part_amt",
    "acct_pay",
    "psn_cash_pay",
    "hosp_part_amt",
    "acct_mulaid_pay",
)
"""What is summed. ``pool_prop_selfpay``, ``act_pay_dedc`` and ``balc`` are shown only."""

NEEDED_FIELDS = ("medfee_sumamt", "fund_pay_sumamt", "psn_part_amt", "acct_pay", "psn_cash_pay")
OTHER_SPELLING = {"psn_part_amt": "psn_pay", "psn_cash_pay": "cash_payamt"}
ACCOUNT_FUND = "310200"
"""The personal account's code among the funds; not part of the fund sum (identity 7)."""

_YUAN = re.compile(r"(-?)([0-9]{1,12})(?:\.([0-9]{1,8}))?\Z", re.ASCII)


class AmountUnreadable(ValueError):
    """The field is no amount: other characters, or a fraction of a fen."""


def read_fen(value: Text) -> int:
    """Yuan as number or text to fen, exact and signed; zeros after the fen are tolerated."""
    if isinstance(value, int):
        return value * 100
    found = _YUAN.match(text_of(value).strip())
    if found is None:
        raise AmountUnreadable("not an amount")
    sign, whole, fraction = found.groups()
    cents = (fraction or "").ljust(2, "0")
    if cents[2:].strip("0"):
        raise AmountUnreadable("a fraction of a fen")
    size = int(whole) * 100 + int(cents[:2])
    return -size if sign else size


def read_fen_or(value: Text, fallback: int) -> int:
    """As ``read_fen``; an absent, null or empty field gives the fallback."""
    return fallback if text_of(value).strip() == "" else read_fen(value)


def amounts_of(info: SetlInfo) -> tuple[dict[str, int], list[str]]:
    """Every summed amount, and the faults found while reading. Absent ones count as nothing."""
    amounts: dict[str, int] = {}
    faults: list[str] = []
    for name in AMOUNT_FIELDS:
        value: Text = getattr(info, name)
        if text_of(value) == "" and name in OTHER_SPELLING:
            value = getattr(info, OTHER_SPELLING[name])
        if text_of(value) == "" and name in NEEDED_FIELDS:
            faults.append(f"absent:{name}")
        try:
            amounts[name] = read_fen_or(value, 0)
        except AmountUnreadable:
            amounts[name] = 0
            faults.append(f"unreadable:{name}")
    return amounts, faults


def identity_faults(amounts: Mapping[str, int]) -> list[str]:
    """Identities 2 to 6 and the range of every part; empty when all hold."""
    faults = [f"range:{name}" for name in AMOUNT_FIELDS if not 0 <= amounts[name] <= FEN_MAX]
    total, fund, person = (
        amounts["medfee_sumamt"],
        amounts["fund_pay_sumamt"],
        amounts["psn_part_amt"],
    )
    checks = {
        "scope-parts": total == sum(amounts[name] for name in SCOPE_FIELDS),
        "fund-parts": fund == sum(amounts[name] for name in FUND_FIELDS),
        "total-parts": total == fund + person + amounts["hosp_part_amt"],
        "person-parts": person == amounts["acct_pay"] + amounts["psn_cash_pay"],
        "mutual-aid": amounts["acct_mulaid_pay"] <= amounts["acct_pay"],
    }
    return faults + [name for name, holds in checks.items() if not holds]


def detail_faults(amounts: Mapping[str, int], details: Iterable[SetlDetail]) -> list[str]:
    """Identity 7: what single funds pay adds up; an empty list says nothing."""
    funds, account, listed = 0, None, False
    try:
        for row in details:
            paid = read_fen_or(row.fund_payamt, 0)
            if text_of(row.fund_pay_type) == ACCOUNT_FUND:
                account = (account or 0) + paid
            else:
                funds, listed = funds + paid, True
    except AmountUnreadable:
        return ["unreadable:setldetail"]
    faults = []
    if listed and funds != amounts["fund_pay_sumamt"]:
        faults.append("fund-details")
    if account is not None and account != amounts["acct_pay"]:
        faults.append("account-detail")
    return faults


def line_faults(line: FeeResult) -> list[str]:
    """Identity 1 for one line; only a warning, and silent where a part is missing."""
    parts = (
        line.fulamt_ownpay_amt,
        line.overlmt_amt,
        line.preselfpay_amt,
        line.inscp_scp_amt,
        line.det_item_fee_sumamt,
    )
    if any(text_of(part) == "" for part in parts):
        return []
    try:
        *split, total = (read_fen(part) for part in parts)
    except AmountUnreadable:
        return ["unreadable:line"]
    return [] if sum(split) == total else ["line-parts"]
