"""The benefit policy of a region: what ``policy.json`` says, as exact numbers. Pure.

The shape is that of ``sandbox_policy`` in the insurance vectors; figures follow one published city.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from integrations.sandbox.insurance.exact import fen, scaled

LEVELS = ("1", "2", "3")


class Benefit(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of visit under one insurance. Missing levels have no benefit."""

    deductible_fen: Mapping[str, int]
    deductible_again_fen: Mapping[str, int]
    cap_fen: int
    ratio_e4: Mapping[str, int]
    retiree_e4: int


class Tier(msgspec.Struct, frozen=True):
    """A span of the year's own burden and the share of it that is paid."""

    low_fen: int
    high_fen: int
    ratio_e4: int


class LargeCost(msgspec.Struct, frozen=True, kw_only=True):
    """Employees' large-cost subsidy above the inpatient cap."""

    span_fen: int
    ratio_e4: int


class Insurance(msgspec.Struct, frozen=True, kw_only=True):
    """All of one insurance: benefits by kind (``op``, ``ip``, ``opsp``) and what comes after."""

    benefits: Mapping[str, Benefit]
    large_cost: LargeCost | None
    tiers: list[Tier]


Policy = Mapping[str, Insurance]
"""By ``insutype``."""


def _by_level(value: Any, digits: int) -> dict[str, int]:
    if isinstance(value, dict):
        return {level: scaled(one, digits) for level, one in value.items()}
    return dict.fromkeys(LEVELS, scaled(value, digits))


def _benefit(node: Mapping[str, Any]) -> Benefit:
    return Benefit(
        deductible_fen=_by_level(node.get("dedc", 0), 2),
        deductible_again_fen=_by_level(node.get("dedc_again", {}), 2),
        cap_fen=fen(node["cap"]),
        ratio_e4=_by_level(node["ratio"], 4),
        retiree_e4=scaled(node.get("retiree", 0), 4),
    )


def _insurance(node: Mapping[str, Any]) -> Insurance:
    large = node.get("hifob")
    tiers = node.get("hifmi", {}).get("tiers", [])
    return Insurance(
        benefits={kind: _benefit(node[kind]) for kind in ("op", "ip", "opsp") if kind in node},
        large_cost=None
        if large is None
        else LargeCost(
            span_fen=fen(large["to"]) - fen(large["from"]), ratio_e4=scaled(large["ratio"], 4)
        ),
        tiers=[Tier(fen(low), fen(high), scaled(ratio, 4)) for low, high, ratio in tiers],
    )


def read_policy(node: Mapping[str, Any]) -> Policy:
    """The policy of a ``{"policy": {insutype: …}}`` node. Raises ``ValueError`` or ``KeyError``."""
    return {insutype: _insurance(one) for insutype, one in node["policy"].items()}
