"""The settlement's document shows the machines as they are and has words for all that they have."""

from enum import StrEnum
from pathlib import Path

import pytest

from service import cli
from service.bill.states import BILL, BillEvent, BillState
from service.kernel.machine import Machine
from service.state_document import DocumentFaults, diagram, machines, refreshed

COMMITTED = Path(__file__).resolve().parents[2] / "docs" / "settlement.md"


def test_the_document_is_fresh_and_says_something_of_every_state() -> None:
    text = COMMITTED.read_text("utf-8")
    assert text == refreshed(text, machines()), "run: yimatong states"


def test_the_machines_of_the_settlement_are_all_there() -> None:
    assert {
        "settlement.states.MACHINE",
        "payment.states.ATTEMPT",
        "payment.states.REFUND",
        "bill.states.BILL",
        "receipt.states.INVOICE",
    } <= set(machines())


def test_a_diagram_has_every_state_and_every_arrow() -> None:
    drawn = diagram(BILL)
    for (source, event), target in BILL.table.items():
        (arrow,) = [one for one in drawn.splitlines() if f" {source} --> {target}:" in one]
        assert event.value in arrow.partition(": ")[2].split(", ")
    assert drawn.splitlines()[2] == "    [*] --> OPEN"
    assert [one for one in drawn.splitlines() if one.endswith("--> [*]")] == [
        "    PAID --> [*]",
        "    WITHDRAWN --> [*]",
        "    EXPIRED --> [*]",
    ]


class Wider(StrEnum):
    """The bill's states and one that nobody has written about."""

    OPEN = "OPEN"
    GONE = "GONE"


def test_what_has_no_words_or_is_gone_is_named() -> None:
    wider = Machine(
        start=Wider.OPEN,
        table={(Wider.OPEN, BillEvent.LOCK): Wider.GONE},
        final=frozenset({Wider.GONE}),
        states=Wider,
    )
    text = (
        "# Page\n\n## Bill\n\n<!-- machine: bill.states.BILL -->\n<!-- end -->\n\n"
        "| `OPEN` | a | b | |\n| `LOST` | a | b | c |\n| `AMEND` | a |\n| `LOCK` | a | b |\n"
        "\n## Other\n\n<!-- machine: other.states.OTHER -->\n"
    )
    with pytest.raises(DocumentFaults) as found:
        refreshed(text, {"bill.states.BILL": wider, "third.states.THIRD": BILL})
    assert found.value.faults == [
        "bill.states.BILL: the row of LOCK has 2 cells",
        "bill.states.BILL: state OPEN has no words",
        "bill.states.BILL: state GONE has no words",
        "bill.states.BILL: there is no state LOST",
        "bill.states.BILL: event LOCK has no words",
        "bill.states.BILL: there is no event AMEND",
        "other.states.OTHER: there is no such machine",
        "third.states.THIRD: the machine has no section",
    ]


def test_the_verb_draws_a_stale_page_anew_and_refuses_one_without_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "settlement.md"
    text = COMMITTED.read_text("utf-8")
    page.write_text(text.replace("    PAID --> OPEN: RELEASE\n", ""), "utf-8")
    assert cli.main(["states", str(page)]) == 0
    assert page.read_text("utf-8") == text
    assert cli.main(["states", str(page)]) == 0
    assert capsys.readouterr().out.splitlines() == [f"{page}: drawn anew", f"{page}: unchanged"]
    lines = [one for one in text.splitlines() if f"`{BillState.EXPIRED}`" not in one]
    page.write_text("\n".join(lines), "utf-8")
    assert cli.main(["states", str(page)]) == 1
    told = capsys.readouterr().err
    assert told == f"{page}: bill.states.BILL: state EXPIRED has no words\n"
