"""The benefit engine: how the bureau divides a bill (dossier 6.1). Pure, integer fen.

Every line split and every fund step is rounded half up to the fen. Parts always add up: what no
fund, account or hospital pays is the person's own money.
"""

import msgspec

from integrations.sandbox.insurance.exact import half_up, share
from integrations.sandbox.insurance.policy import Benefit, Insurance, Policy

FUND_NAMES = {
    "310100": "职工基本医疗保险统筹基金",
    "390100": "城乡居民基本医疗保险基金",
    "330100": "大额医疗费用补助基金",
    "390200": "城乡居民大病医疗保险基金",
    "320100": "公务员医疗补助基金",
    "610100": "医疗救助基金",
    "310200": "职工基本医疗保险个人账户基金",
}
SELF_PAID_LEVEL = "03"
RESIDENTS = "390"
WHOLE = 10_000
"""A ratio of one, in ten-thousandths."""


class FeeLine(msgspec.Struct, frozen=True, kw_only=True):
    """A charge line with what the catalogue says of it."""

    number: str
    amount_fen: int
    quantity_e4: int
    limit_e6: int
    """``pric_uplmt_amt``: the highest price of one unit that is covered, yuan times 10^6."""
    selfpay_e4: int
    level: str
    """``chrgitm_lv``: 01 covered, 02 partly, 03 not."""


class LineSplit(msgspec.Struct, frozen=True, kw_only=True):
    """The four parts of a line; they sum to its amount."""

    full_own_fen: int
    over_limit_fen: int
    first_pay_fen: int
    in_scope_fen: int


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks, for what kind of visit, with which counters of the year."""

    insutype: str
    kind: str
    """``op`` outpatient, ``ip`` inpatient, ``opsp`` outpatient chronic disease."""
    hospital_level: str
    retired: bool = False
    again: bool = False
    """Inpatient again within the year."""
    deductible_used_fen: int = 0
    pool_used_fen: int = 0
    catastrophic_used_fen: int = 0
    """The year's own burden that tiers have already counted."""
    large_cost_used_fen: int = 0
    balance_fen: int = 0
    mutual_fen: int = 0
    use_account: bool = True
    account_in_policy_only: bool = False
    """The account may pay only what is in scope or first-paid, not wholly self-paid items."""
    civil_servant_e4: int = 0
    relief_e4: int = 0
    cut_points_e4: int = 0
    """Away from home without filing, first way: points off the ratio."""
    cut_factor_e4: int = WHOLE
    """Second way: the ratio times this."""
    hospital_part_fen: int = 0


class Division(msgspec.Struct, frozen=True, kw_only=True):
    """The answer: parts of the bill, and what moves in the year's counters."""

    total_fen: int
    full_own_fen: int
    over_limit_fen: int
    first_pay_fen: int
    in_scope_fen: int
    deductible_fen: int
    deductible_standard_fen: int
    ratio_e4: int
    pool_fen: int
    civil_servant_fen: int
    catastrophic_fen: int
    large_cost_fen: int
    relief_fen: int
    hospital_fen: int
    account_fen: int
    mutual_fen: int
    cash_fen: int
    balance_fen: int
    catastrophic_base_fen: int
    large_cost_base_fen: int
    lines: list[LineSplit]
    insutype: str

    @property
    def fund_fen(self) -> int:
        """All funds together."""
        return (
            self.pool_fen
            + self.civil_servant_fen
            + self.catastrophic_fen
            + self.large_cost_fen
            + self.relief_fen
        )

    @property
    def person_fen(self) -> int:
        """The person's burden: account and cash."""
        return self.account_fen + self.cash_fen


def split_line(line: FeeLine) -> LineSplit:
    """Rule 1: self-paid items whole, else over the price limit, first payment, and the rest."""
    if line.level == SELF_PAID_LEVEL:
        return LineSplit(
            full_own_fen=line.amount_fen, over_limit_fen=0, first_pay_fen=0, in_scope_fen=0
        )
    covered = min(line.amount_fen, half_up(line.limit_e6 * line.quantity_e4, 10**8))
    first_pay = min(covered, share(covered, line.selfpay_e4))
    return LineSplit(
        full_own_fen=0,
        over_limit_fen=line.amount_fen - covered,
        first_pay_fen=first_pay,
        in_scope_fen=covered - first_pay,
    )


def applied_ratio(benefit: Benefit | None, claim: Claim) -> int:
    """Rule 3: the level's ratio, retirees' points, then the cut for being away; 0 stays 0."""
    start = 0 if benefit is None else benefit.ratio_e4.get(claim.hospital_level, 0)
    if benefit is None or start == 0:
        return 0
    ratio = start + (benefit.retiree_e4 if claim.retired else 0) - claim.cut_points_e4
    return min(WHOLE, share(max(0, ratio), claim.cut_factor_e4))


def deductible_standard(benefit: Benefit | None, claim: Claim) -> int:
    """Rule 2: by level; a repeated admission may have a lower one."""
    if benefit is None:
        return 0
    standard = benefit.deductible_fen.get(claim.hospital_level, 0)
    if claim.kind == "ip" and claim.again:
        return benefit.deductible_again_fen.get(claim.hospital_level, standard)
    return standard


def divide(lines: list[FeeLine], claim: Claim, policy: Policy) -> Division:
    """The whole calculation, rules 1 to 10."""
    splits = [split_line(line) for line in lines]
    insurance = policy.get(claim.insutype) or Insurance(benefits={}, large_cost=None, tiers=[])
    benefit = insurance.benefits.get(claim.kind)
    scope = sum(split.in_scope_fen for split in splits)
    ratio = applied_ratio(benefit, claim)
    standard = deductible_standard(benefit, claim)
    deductible = _deductible(scope, ratio, standard, claim)
    pool, over_cap = _pool(scope - deductible, ratio, benefit, claim)
    large, large_base = _large_cost(over_cap, insurance, claim)
    burden = scope - pool - large
    catastrophic = _catastrophic(burden, insurance, claim)
    burden_base = burden if _counts_tiers(insurance, claim) else 0
    civil = share(burden - catastrophic, claim.civil_servant_e4)
    relief = share(burden - catastrophic - civil, claim.relief_e4)
    left_in_scope = burden - catastrophic - civil - relief

    total = sum(line.amount_fen for line in lines)
    first_pay = sum(split.first_pay_fen for split in splits)
    person = total - (scope - left_in_scope)
    hospital = min(claim.hospital_part_fen, person)
    person -= hospital
    own, mutual = _account(person, left_in_scope + first_pay, claim)
    return Division(
        total_fen=total,
        full_own_fen=sum(split.full_own_fen for split in splits),
        over_limit_fen=sum(split.over_limit_fen for split in splits),
        first_pay_fen=first_pay,
        in_scope_fen=scope,
        deductible_fen=deductible,
        deductible_standard_fen=standard,
        ratio_e4=ratio,
        pool_fen=pool,
        civil_servant_fen=civil,
        catastrophic_fen=catastrophic,
        large_cost_fen=large,
        relief_fen=relief,
        hospital_fen=hospital,
        account_fen=own + mutual,
        mutual_fen=mutual,
        cash_fen=person - own - mutual,
        balance_fen=claim.balance_fen - own,
        catastrophic_base_fen=burden_base,
        large_cost_base_fen=large_base,
        lines=splits,
        insutype=claim.insutype,
    )


def _deductible(scope: int, ratio: int, standard: int, claim: Claim) -> int:
    if ratio == 0:
        return 0
    used = 0 if claim.kind == "ip" else claim.deductible_used_fen
    return min(scope, max(0, standard - used))


def _pool(base: int, ratio: int, benefit: Benefit | None, claim: Claim) -> tuple[int, int]:
    """Rules 3 and 4: what the pool pays, and the base above the year's cap."""
    if benefit is None or ratio == 0:
        return 0, 0
    wanted = share(base, ratio)
    left = max(0, benefit.cap_fen - claim.pool_used_fen)
    if wanted <= left:
        return wanted, 0
    return left, max(0, base - half_up(left * WHOLE, ratio))


def _large_cost(over_cap: int, insurance: Insurance, claim: Claim) -> tuple[int, int]:
    """Rule 5: employees' inpatient cost above the cap, up to the subsidy's span."""
    if insurance.large_cost is None or claim.kind != "ip":
        return 0, 0
    base = min(over_cap, max(0, insurance.large_cost.span_fen - claim.large_cost_used_fen))
    return share(base, insurance.large_cost.ratio_e4), base


def _counts_tiers(insurance: Insurance, claim: Claim) -> bool:
    return bool(insurance.tiers) and claim.kind == "ip"


def _catastrophic(burden: int, insurance: Insurance, claim: Claim) -> int:
    """Rule 6: residents' inpatient burden of the year, by tiers; only what this bill adds."""
    if not _counts_tiers(insurance, claim):
        return 0
    before, after = claim.catastrophic_used_fen, claim.catastrophic_used_fen + burden
    weighted = sum(
        max(0, min(after, tier.high_fen) - max(before, tier.low_fen)) * tier.ratio_e4
        for tier in insurance.tiers
    )
    return min(burden, half_up(weighted, WHOLE))


def _account(person: int, in_policy: int, claim: Claim) -> tuple[int, int]:
    """Rule 10: own balance first, then the family's."""
    if not claim.use_account:
        return 0, 0
    usable = min(person, in_policy) if claim.account_in_policy_only else person
    own = min(claim.balance_fen, usable)
    return own, min(claim.mutual_fen, usable - own)


def fund_rows(division: Division) -> list[tuple[str, int]]:
    """Who pays how much by fund code, in the order of the rules; the account last."""
    pool = "390100" if division.insutype == RESIDENTS else "310100"
    rows = [
        (pool, division.pool_fen),
        ("330100", division.large_cost_fen),
        ("390200", division.catastrophic_fen),
        ("320100", division.civil_servant_fen),
        ("610100", division.relief_fen),
        ("310200", division.account_fen),
    ]
    return [(code, paid) for code, paid in rows if paid]
