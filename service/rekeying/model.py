"""How far re-keying got, and what stands in the way of destroying a key."""

from datetime import datetime
from enum import StrEnum

import msgspec


class JobState(StrEnum):
    """Of the job of one table."""

    RUNNING = "RUNNING"
    DONE = "DONE"
    SUPERSEDED = "SUPERSEDED"
    """A newer version came before the end."""


class JobKey(msgspec.Struct, frozen=True, kw_only=True):
    """Which table moves to which version of which kind."""

    table_name: str
    kind: str
    target_version: int


class Job(JobKey, frozen=True, kw_only=True):
    """A row of ``rekeying``. A round goes once over the table; counts are of this round."""

    state: JobState
    place: bytes | None
    changed: int
    """Rows re-keyed, over all rounds."""
    seen: int
    lost: int
    """Rows that somebody changed meanwhile: they make another round."""
    waiting: int
    """Rows that end by themselves: they make another round, later."""
    refused: int
    """Rows that did not hold under their old key. They stay as they are, each a work item."""
    started_at: datetime
    round_at: datetime
    due_at: datetime
    done_at: datetime | None

    @property
    def key(self) -> JobKey:
        """Without the progress."""
        return JobKey(
            table_name=self.table_name, kind=self.kind, target_version=self.target_version
        )


class Remaining(msgspec.Struct, frozen=True, kw_only=True):
    """What still needs one version of a kind."""

    rows: dict[str, int]
    """Table to number of rows; tables without any are left out."""
    refused: dict[str, int]
    """Table to rows that re-keying left as they are because they do not hold."""
    in_use: bool
    """Whether some process may still protect new rows with the version."""

    @property
    def nothing(self) -> bool:
        """The version can be destroyed and nothing stops opening."""
        return not self.rows and not self.in_use
