"""Answers given, so that a terminal that asks again with the same request id gets the same one."""

from collections import OrderedDict


class RequestIdReused(ValueError):
    """The request id was used before with another text, purpose or offer."""


class Answers:
    """The last ``answers_max`` answers by who asked and his request id."""

    def __init__(self, answers_max: int = 10_000) -> None:
        self._answers_max = answers_max
        self._given: OrderedDict[tuple[str, str], tuple[tuple[str, int, str], bytes]] = (
            OrderedDict()
        )

    def find(self, who: tuple[str, str], asked: tuple[str, int, str]) -> bytes | None:
        """What was answered. ``RequestIdReused`` if something else had been asked."""
        given = self._given.get(who)
        if given is None:
            return None
        if given[0] != asked:
            raise RequestIdReused
        return given[1]

    def keep(self, who: tuple[str, str], asked: tuple[str, int, str], answer: bytes) -> None:
        """Remember an answer; the oldest goes when there are too many."""
        self._given[who] = (asked, answer)
        if len(self._given) > self._answers_max:
            self._given.popitem(last=False)
