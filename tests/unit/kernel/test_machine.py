"""State machines refuse to be made wrong and refuse moves that are not in their table."""

from enum import StrEnum

import pytest

from service.kernel.machine import Machine
from service.kernel.problems import StateConflict


class Lamp(StrEnum):
    OFF = "OFF"
    ON = "ON"
    BROKEN = "BROKEN"


class Act(StrEnum):
    PRESS = "press"
    DROP = "drop"


TABLE = {
    (Lamp.OFF, Act.PRESS): Lamp.ON,
    (Lamp.ON, Act.PRESS): Lamp.OFF,
    (Lamp.ON, Act.DROP): Lamp.BROKEN,
}


def a_machine() -> Machine[Lamp, Act]:
    return Machine(start=Lamp.OFF, table=TABLE, final=frozenset({Lamp.BROKEN}), states=Lamp)


def test_it_moves_along_its_table() -> None:
    assert a_machine().advance(Lamp.OFF, Act.PRESS) is Lamp.ON


def test_it_refuses_what_the_table_does_not_have() -> None:
    with pytest.raises(StateConflict):
        a_machine().advance(Lamp.BROKEN, Act.PRESS)


def test_an_unreachable_state_is_refused_when_made() -> None:
    table = {(Lamp.OFF, Act.PRESS): Lamp.ON, (Lamp.ON, Act.PRESS): Lamp.OFF}
    with pytest.raises(ValueError, match="unreachable"):
        Machine(start=Lamp.OFF, table=table, final=frozenset({Lamp.BROKEN}), states=Lamp)


def test_a_state_without_a_way_out_is_refused_when_made() -> None:
    with pytest.raises(ValueError, match="without a way out"):
        Machine(start=Lamp.OFF, table=TABLE, final=frozenset(), states=Lamp)
