"""``yimatong person quality``: how the matcher stands by stewards' rulings, and what it asks."""

import argparse
from typing import Any

from service.commands.console import answer
from service.kernel.context import Context
from service.person import quality
from service.person.quality import Quality
from service.settings import Settings


def add_verb(verbs: Any) -> None:
    """Beside the other verbs of ``yimatong person``."""
    text = "precision and recall by what stewards ruled, and questions a thousand registrations"
    measuring = verbs.add_parser("quality", help=text, description=text)
    measuring.set_defaults(run=_measure)


def _measure(_given: argparse.Namespace, settings: Settings) -> int:
    return answer("person", settings, measure)


async def measure(ctx: Context) -> str:
    """The figures as two tables. Raises ``RowTampered``."""
    return described(await quality.measure(ctx))


def described(found: Quality) -> str:
    """Nothing personal: sources and counts."""
    lines = [
        f"model {found.model}; pairs that stewards ruled about, judged again:",
        f"  {'sources':22} {'pairs':>6} {'precision':>10} {'recall':>8} {'or asked':>9}",
    ]
    for sources, tally in found.pairs.items():
        shares = (tally.precision, tally.recall, tally.matched_or_asked)
        precision, recall, reached = (f"{one:.4f}" if one is not None else "-" for one in shares)
        lines.append(
            f"  {' + '.join(sources):22} {tally.pairs:6} {precision:>10} {recall:>8} {reached:>9}"
        )
    if not found.pairs:
        lines.append("  none")
    lines += [
        "registrations and the questions that came of them:",
        f"  {'source':22} {'number':>9} {'asked':>7} {'of 1000':>8} {'open':>6}",
    ]
    lines += [
        f"  {load.source:22} {load.registrations:9} {load.asked:7} {load.asked_of_1000:8.2f}"
        f" {load.open:6}"
        for load in found.loads
    ]
    return "\n".join(lines)
