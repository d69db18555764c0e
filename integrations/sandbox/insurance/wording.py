"""A division in the partner's words: ``setlinfo`` amounts, ``setldetail`` rows, line results. Pure.

Also reads the worked cases of the insurance vectors, which speak the same words.
"""

from collections.abc import Mapping
from typing import Any

from integrations.sandbox.insurance.engine import (
    FUND_NAMES,
    Claim,
    Division,
    FeeLine,
    divide,
    fund_rows,
)
from integrations.sandbox.insurance.exact import fen, scaled, unscaled, yuan
from integrations.sandbox.insurance.policy import read_policy


def setlinfo_amounts(division: Division) -> dict[str, str]:
    """Every amount of ``setlinfo``."""
    return {
        "medfee_sumamt": yuan(division.total_fen),
        "fulamt_ownpay_amt": yuan(division.full_own_fen),
        "overlmt_selfpay": yuan(division.over_limit_fen),
        "preselfpay_amt": yuan(division.first_pay_fen),
        "inscp_scp_amt": yuan(division.in_scope_fen),
        "act_pay_dedc": yuan(division.deductible_fen),
        "hifp_pay": yuan(division.pool_fen),
        "cvlserv_pay": yuan(division.civil_servant_fen),
        "hifes_pay": yuan(0),
        "hifmi_pay": yuan(division.catastrophic_fen),
        "hifob_pay": yuan(division.large_cost_fen),
        "hifdm_pay": yuan(0),
        "maf_pay": yuan(division.relief_fen),
        "oth_pay": yuan(0),
        "fund_pay_sumamt": yuan(division.fund_fen),
        "psn_part_amt": yuan(division.person_fen),
        "acct_pay": yuan(division.account_fen),
        "psn_cash_pay": yuan(division.cash_fen),
        "hosp_part_amt": yuan(division.hospital_fen),
        "balc": yuan(division.balance_fen),
        "acct_mulaid_pay": yuan(division.mutual_fen),
        "pool_prop_selfpay": unscaled(division.ratio_e4, 4),
    }


def setldetail(division: Division) -> list[dict[str, str]]:
    """One row for each fund that pays."""
    scope = yuan(division.in_scope_fen)
    return [
        {
            "fund_pay_type": code,
            "inscp_scp_amt": scope,
            "crt_payb_lmt_amt": scope,
            "fund_payamt": yuan(paid),
            "fund_pay_type_name": FUND_NAMES[code],
            "setl_proc_info": "",
        }
        for code, paid in fund_rows(division)
    ]


def read_fee_line(node: Mapping[str, Any]) -> FeeLine:
    """A line of a worked case. Raises ``ValueError`` or ``KeyError``."""
    return FeeLine(
        number=str(node["feedetl_sn"]),
        amount_fen=fen(node["det_item_fee_sumamt"]),
        quantity_e4=scaled(node["cnt"], 4),
        limit_e6=scaled(node["pric_uplmt_amt"], 6),
        selfpay_e4=scaled(node["selfpay_prop"], 4),
        level=str(node["chrgitm_lv"]),
    )


_MONEY = {
    "dedc_used": "deductible_used_fen",
    "pool_used": "pool_used_fen",
    "hifmi_base_used": "catastrophic_used_fen",
    "hifob_base_used": "large_cost_used_fen",
    "balc": "balance_fen",
    "mulaid": "mutual_fen",
    "hosp_part": "hospital_part_fen",
}
_RATIO = {
    "cvl": "civil_servant_e4",
    "maf": "relief_e4",
    "remote": "cut_points_e4",
    "remote_points": "cut_points_e4",
    "remote_minus": "cut_points_e4",
    "remote_cut": "cut_points_e4",
    "remote_factor": "cut_factor_e4",
}
_FLAG = {"retired": "retired", "again": "again", "ip_again": "again", "readmit": "again"}


def read_claim(node: Mapping[str, Any]) -> Claim:
    """The inputs of a worked case. Raises ``ValueError``, also for a name that is not known."""
    fields: dict[str, Any] = {}
    for name, value in node.items():
        if name in _MONEY:
            fields[_MONEY[name]] = fen(value)
        elif name in _RATIO:
            fields[_RATIO[name]] = scaled(value, 4)
        elif name in _FLAG:
            fields[_FLAG[name]] = value is True or value == "1"
        elif name == "acct_flag":
            fields["use_account"] = str(value) == "1"
        elif name == "acct_scope":
            fields["account_in_policy_only"] = str(value) not in ("all", "psn_part")
        elif name == "hosp_level":
            fields["hospital_level"] = str(value)
        elif name in ("insutype", "kind"):
            fields[name] = str(value)
        else:
            raise ValueError(f"unknown engine input {name[:40]}")
    return Claim(**fields)


def worked(
    engine_inputs: Mapping[str, Any],
    fee_lines: list[Mapping[str, Any]],
    policy: Mapping[str, Any],
) -> dict[str, Any]:
    """A worked case through the engine: amounts, rows, line parts and what was applied."""
    lines = [read_fee_line(node) for node in fee_lines]
    division = divide(lines, read_claim(engine_inputs), read_policy(policy))
    return {
        "setlinfo_amounts": setlinfo_amounts(division),
        "setldetail": setldetail(division),
        "applied": {
            "deductible_standard": yuan(division.deductible_standard_fen),
            "pool_ratio": unscaled(division.ratio_e4, 4),
        },
        "fee_lines": [
            {
                "feedetl_sn": line.number,
                "fulamt_ownpay_amt": yuan(split.full_own_fen),
                "overlmt_amt": yuan(split.over_limit_fen),
                "preselfpay_amt": yuan(split.first_pay_fen),
                "inscp_scp_amt": yuan(split.in_scope_fen),
            }
            for line, split in zip(lines, division.lines, strict=True)
        ],
    }
