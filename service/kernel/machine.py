"""State machines as literal tables, checked when they are made."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Generic, TypeVar

from service.kernel.problems import StateConflict

S = TypeVar("S", bound=StrEnum)
E = TypeVar("E", bound=StrEnum)


class Machine(Generic[S, E]):
    """Transitions ``(state, event) -> state``.

    Refuses at import time if a state cannot be reached from ``start``, or if a state that is not
    in ``final`` has no way out.
    """

    def __init__(
        self, *, start: S, table: Mapping[tuple[S, E], S], final: frozenset[S], states: type[S]
    ) -> None:
        self.start = start
        self.table = dict(table)
        self.final = final
        self.states = states
        reached = {start}
        grown = True
        while grown:
            new = {target for (source, _), target in table.items() if source in reached} - reached
            reached |= new
            grown = bool(new)
        if missing := set(states) - reached:
            raise ValueError(f"unreachable states: {sorted(missing)}")
        sources = {source for source, _ in table}
        if stuck := set(states) - sources - final:
            raise ValueError(f"states without a way out: {sorted(stuck)}")

    def allows(self, state: S, event: E) -> bool:
        """Whether ``event`` may happen in ``state``."""
        return (state, event) in self.table

    def advance(self, state: S, event: E) -> S:
        """The next state. Raises ``StateConflict`` where the table has no such entry."""
        try:
            return self.table[state, event]
        except KeyError:
            raise StateConflict(f"{event} is not possible in state {state}") from None
