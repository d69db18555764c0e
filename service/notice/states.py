"""The states of an event on its way to a hospital."""

from enum import StrEnum


class EventState(StrEnum):
    """How far an event got. A replay makes any of them DUE again."""

    DUE = "DUE"
    """To be sent at its time, after the earlier ones of its settlement."""
    TAKEN = "TAKEN"
    """The hospital answered 2xx."""
    KEPT = "KEPT"
    """The hospital had no endpoint; it can pull the event."""
    STUCK = "STUCK"
    """Given up after the last try, beside a work item; later ones of its settlement wait."""
