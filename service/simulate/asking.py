"""A request to the server, as a person or a program makes it: nobody may answer."""

from collections.abc import Callable, Coroutine
from typing import Any

from service.kernel.context import Context
from service.kernel.database import UNAVAILABLE
from service.kernel.problems import Problem
from service.simulate.stage import HostDown
from service.simulate.world import World

Ask = Callable[[Context], Coroutine[Any, Any, Any]]


async def ask(world: World, act: Ask) -> Any:
    """A request to the server; None where it was refused or nobody answered."""
    try:
        return await world.request(act)
    except (HostDown, Problem, *UNAVAILABLE):
        return None
