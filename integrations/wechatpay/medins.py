"""Amounts and identity digest of a mixed insurance order, before it is sent (payments.md 4).

Pure functions over integer fen; the order itself is not placed here.
"""

import hashlib
import re
from enum import StrEnum

import msgspec

from integrations.ports.money import FEN_MAX

_ID18 = re.compile(r"[0-9]{17}[0-9X]", re.ASCII)
_ID15 = re.compile(r"[0-9]{15}", re.ASCII)
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


class IdNumberRefused(ValueError):
    """Not an identity number of 15 or 18 places. The message never holds it."""


class MixPayType(StrEnum):
    """``mix_pay_type``."""

    CASH_ONLY = "CASH_ONLY"
    INSURANCE_ONLY = "INSURANCE_ONLY"
    CASH_AND_INSURANCE = "CASH_AND_INSURANCE"


class MixedAmounts(msgspec.Struct, frozen=True, kw_only=True):
    """Amounts of a mixed order in fen. ``mix_pay_type`` None checks the equations alone."""

    total_fee: int
    med_ins_gov_fee: int = 0
    med_ins_self_fee: int = 0
    med_ins_other_fee: int = 0
    med_ins_cash_fee: int = 0
    wechat_pay_cash_fee: int
    adds: tuple[int, ...] = ()
    reduces: tuple[int, ...] = ()
    mix_pay_type: MixPayType | None = None


def normalised_id_number(number: str) -> str:
    """18 places, upper-case; 15 places are lengthened by century 19 and the check digit."""
    upper = number.upper()
    if _ID18.fullmatch(upper):
        return upper
    if _ID15.fullmatch(upper) is None:
        raise IdNumberRefused("not 15 or 18 places")
    body = f"{upper[:6]}19{upper[6:]}"
    check = sum(int(digit) * weight for digit, weight in zip(body, _WEIGHTS, strict=True)) % 11
    return body + "10X98765432"[check]


def id_digest(number: str) -> str:
    """Lower-case hex of MD5 over the normalised number; sealed by the caller before sending."""
    normal = normalised_id_number(number)
    return hashlib.md5(normal.encode(), usedforsecurity=False).hexdigest()


def amounts_fault(order: MixedAmounts) -> str | None:
    """The first rule of 4.3 that the amounts break, as a fixed word, or None."""
    insured = order.med_ins_gov_fee + order.med_ins_self_fee + order.med_ins_other_fee
    adds, reduces = sum(order.adds), sum(order.reduces)
    singles = (
        order.total_fee,
        order.med_ins_gov_fee,
        order.med_ins_self_fee,
        order.med_ins_other_fee,
        order.med_ins_cash_fee,
        order.wechat_pay_cash_fee,
        *order.adds,
        *order.reduces,
    )
    if not all(0 <= amount <= FEN_MAX for amount in singles):
        return "amount-out-of-range"
    if order.total_fee != insured + order.wechat_pay_cash_fee + reduces:
        return "total-differs-from-paid"
    # A cash-only order carries no bureau cash part for the other two equations to start from.
    if order.mix_pay_type is not MixPayType.CASH_ONLY:
        if order.total_fee != insured + order.med_ins_cash_fee + adds:
            return "total-differs-from-settled"
        if order.wechat_pay_cash_fee != order.med_ins_cash_fee + adds - reduces:
            return "cash-differs"
    return _type_fault(order, insured)


def _type_fault(order: MixedAmounts, insured: int) -> str | None:
    kind = order.mix_pay_type
    if kind is MixPayType.CASH_ONLY and insured + order.med_ins_cash_fee != 0:
        return "cash-only-with-insurance"
    if kind is MixPayType.INSURANCE_ONLY and order.wechat_pay_cash_fee != 0:
        return "insurance-only-with-cash"
    if (
        kind in {MixPayType.CASH_ONLY, MixPayType.CASH_AND_INSURANCE}
        and order.wechat_pay_cash_fee == 0
    ):
        return "no-cash-to-pay"
    return None
