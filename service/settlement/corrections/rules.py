"""Pure decisions about what is given back: what remains of each line, and who must agree."""

from msgspec.structs import replace

from integrations.ports.insurance import ChargeLine
from service.bill.rules import line_amount_fen
from service.settlement.corrections.model import GivenLine
from service.settlement.problems import CorrectionRefused


def remaining_lines(lines: list[ChargeLine], given: list[GivenLine]) -> list[ChargeLine]:
    """What is left of the bill. Nothing named: nothing is left.

    A line of which a part is given back keeps its number and unit price; its amount is what the
    rest costs, rounded as every line is. Raises ``CorrectionRefused``; it names places, no values.
    """
    if not given:
        return []
    back = {one.line_no: one.quantity_e4 for one in given}
    if len(back) != len(given):
        raise CorrectionRefused("lines: a line is named twice")
    known = {line.line_no: line for line in lines}
    for place, one in enumerate(given):
        line = known.get(one.line_no)
        if line is None:
            raise CorrectionRefused(f"lines[{place}].line_no: the bill has no such line")
        if not 0 < one.quantity_e4 <= line.quantity_e4:
            raise CorrectionRefused(f"lines[{place}].quantity_e4: more than is left of the line")
    left = [_rest(line, back.get(line.line_no, 0)) for line in lines]
    return [line for line in left if line.quantity_e4 > 0]


def _rest(line: ChargeLine, back_e4: int) -> ChargeLine:
    if not back_e4:
        return line
    quantity_e4 = line.quantity_e4 - back_e4
    return replace(
        line,
        quantity_e4=quantity_e4,
        amount_fen=line_amount_fen(quantity_e4, line.unit_price_e6),
    )


def total_of(lines: list[ChargeLine]) -> int:
    """What the lines cost together."""
    return sum(line.amount_fen for line in lines)


def needs_approval(amount_fen: int, approval_above_fen: int | None) -> bool:
    """Whether a second person must agree."""
    return approval_above_fen is not None and amount_fen > approval_above_fen
