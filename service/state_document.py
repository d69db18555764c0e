"""``docs/settlement.md``: diagrams are drawn from the machines, words are held against them.

A section begins with ``## `` and names its machine once, ``<!-- machine: bill.states.BILL -->``;
what stands from there to ``<!-- end -->`` is generated. The tables below are written by hand: a row
of four cells for each state (state, hospital, resident, operator), of two for each event.
"""

import importlib
import importlib.util
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import service
from service.kernel.machine import Machine

BEGIN = re.compile(r"<!-- machine: ([a-z_]+\.states\.[A-Z_]+) -->")
END = "<!-- end -->"
_SECTION = re.compile(r"^## ", re.MULTILINE)
_ROW = re.compile(r"\| `([A-Za-z_-]{1,60})` \|(.*)\|")
_STATE_CELLS, _EVENT_CELLS = 3, 1


class DocumentFaults(Exception):
    """What the document lacks or says too much, one sentence each."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


def machines() -> dict[str, Machine[Any, Any]]:
    """Every machine of a feature's ``states`` module, by ``feature.states.NAME``."""
    found: dict[str, Machine[Any, Any]] = {}
    for feature in pkgutil.iter_modules(service.__path__):
        place = f"service.{feature.name}.states"
        if not feature.ispkg or importlib.util.find_spec(place) is None:
            continue
        for name, value in vars(importlib.import_module(place)).items():
            if isinstance(value, Machine):
                found[f"{feature.name}.states.{name}"] = value
    return found


def refreshed(text: str, known: dict[str, Machine[Any, Any]]) -> str:
    """The document with its diagrams drawn anew.

    Raises ``DocumentFaults`` where a machine has no section, or a state or event of one no words,
    and where words are left of something that is gone.
    """
    faults: list[str] = []
    head, *sections = _SECTION.split(text)
    drawn = [head]
    named: set[str] = set()
    for section in sections:
        mark = BEGIN.search(section)
        if mark is None:
            drawn.append(section)
            continue
        name = mark.group(1)
        named.add(name)
        if name not in known:
            faults.append(f"{name}: there is no such machine")
            continue
        faults += _word_faults(name, known[name], section)
        drawn.append(_redrawn(section, mark, known[name]))
    faults += [f"{name}: the machine has no section" for name in sorted(set(known) - named)]
    if faults:
        raise DocumentFaults(faults)
    return "## ".join(drawn)


def write(path: Path) -> bool:
    """Draw the diagrams of the file anew; whether it changed. Raises ``DocumentFaults``."""
    before = path.read_text("utf-8")
    after = refreshed(before, machines())
    if after != before:
        path.write_text(after, "utf-8")
    return after != before


def diagram(machine: Machine[Any, Any]) -> str:
    """The table of a machine in Mermaid, arrows between the same two states in one."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for (source, event), target in machine.table.items():
        arrows.setdefault((source.value, target.value), []).append(event.value)
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {machine.start.value}"]
    lines += [
        f"    {source} --> {target}: {', '.join(events)}"
        for (source, target), events in arrows.items()
    ]
    lines += [f"    {state.value} --> [*]" for state in machine.states if state in machine.final]
    return "\n".join([*lines, "```"])


def _redrawn(section: str, mark: re.Match[str], machine: Machine[Any, Any]) -> str:
    rest = section[mark.end() :]
    _, end, after = rest.partition(END)
    if not end:
        after = rest
    return f"{section[: mark.end()]}\n{diagram(machine)}\n{END}{after}"


def _word_faults(name: str, machine: Machine[Any, Any], section: str) -> Iterator[str]:
    states, events = {}, {}
    for line in section.splitlines():
        row = _ROW.fullmatch(line)
        if row is None:
            continue
        cells = [cell.strip() for cell in row.group(2).split("|")]
        if len(cells) == _STATE_CELLS:
            states[row.group(1)] = cells
        elif len(cells) == _EVENT_CELLS:
            events[row.group(1)] = cells
        else:
            yield f"{name}: the row of {row.group(1)} has {len(cells)} cells"
    yield from _differences(name, "state", [one.value for one in machine.states], states)
    happening = dict.fromkeys(event.value for _, event in machine.table)
    yield from _differences(name, "event", list(happening), events)


def _differences(
    name: str, what: str, wanted: list[str], written: dict[str, list[str]]
) -> Iterator[str]:
    for one in wanted:
        if not all(written.get(one, [""])):
            yield f"{name}: {what} {one} has no words"
    for one in written:
        if one not in wanted:
            yield f"{name}: there is no {what} {one}"
