"""Several reads under one distribution key in one round trip, each by its own feature's statement.

Owns how they are joined and taken apart again. A read's first parameter is the key they share, and
the first column of each is never null: so a null there says that it found nothing.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import TypeVar

import msgspec

from service.kernel.database import Connection

T = TypeVar("T", bound=msgspec.Struct)
Cells = Sequence[object]
"""One row by position."""
_PARAMETER = re.compile(r"\$([0-9]+)", re.ASCII)


class Read(msgspec.Struct, frozen=True):
    """A select of rows under the distribution key ``args[0]``, not run yet; ``width`` columns."""

    sql: str
    args: tuple[object, ...]
    width: int
    many: bool = False
    """Whether it may give more than one row: at most one of those that go together."""


async def read_together(conn: Connection, first: Read, *others: Read) -> list[list[Cells]]:
    """The rows of each read, by position; all empty where ``first`` finds none."""
    reads = (first, *others)
    sql = _joined(tuple((one.sql, len(one.args)) for one in reads))
    args = (first.args[0], *(arg for one in reads for arg in one.args[1:]))
    rows = [tuple(row) for row in await conn.fetch(sql, *args)]
    found: list[list[Cells]] = []
    begin = 0
    for one in reads:
        # A read of one row stands beside every row of the one that gives several.
        given = [row[begin : begin + one.width] for row in (rows if one.many else rows[:1])]
        found.append([cells for cells in given if cells[0] is not None])
        begin += one.width
    return found


def row_of(kind: type[T], cells: Cells) -> T:
    """A row as its Struct, whose fields are the columns in their order; checked strictly."""
    return msgspec.convert(dict(zip(kind.__struct_fields__, cells, strict=True)), kind)


@lru_cache(maxsize=64)
def _joined(reads: tuple[tuple[str, int], ...]) -> str:
    """Each read as a common table expression; the first parameter is everybody's."""
    steps, taken = [], 0
    for number, (sql, count) in enumerate(reads):
        moved = _PARAMETER.sub(
            lambda found, by=taken: "$1" if found[1] == "1" else f"${int(found[1]) + by}",  # type: ignore[misc]
            sql.strip(),
        )
        steps.append(f"read_{number} as ({moved})")
        taken += count - 1
    columns = ", ".join(f"read_{number}.*" for number in range(len(reads)))
    others = [f"left join read_{number} on true" for number in range(1, len(reads))]
    return " ".join(["with", ", ".join(steps), "select", columns, "from read_0", *others])
