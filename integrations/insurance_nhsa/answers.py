"""From the outer message of an answer to an outcome in our words. Pure."""

from collections.abc import Callable
from typing import Any, TypeVar

from integrations.insurance_nhsa import reading, wire_settlement
from integrations.insurance_nhsa.envelope import Answer, AnswerUnreadable, read_output, text_of
from integrations.insurance_nhsa.messenger import Heard
from integrations.ports.outcomes import Accepted, Outcome, Unknown

T = TypeVar("T")


def done(heard: Heard) -> Outcome[None]:
    """For transactions without output."""
    return Accepted(None) if isinstance(heard, Answer) else heard


def read(heard: Heard, shape: type[Any], reader: Callable[[Any], T]) -> Outcome[T]:
    """The output through ``reader``, which may raise ``AnswerUnreadable``."""
    return judged(heard, shape, lambda found: Accepted(reader(found)))


def judged(
    heard: Heard,
    shape: type[Any],
    judge: Callable[[Any], Accepted[T] | Unknown],
) -> Outcome[T]:
    """Success with an unreadable output is Unknown, never a guess."""
    if not isinstance(heard, Answer):
        return heard
    try:
        return judge(read_output(heard, shape))
    except AnswerUnreadable:
        return Unknown("answer-invalid")


def reversal_of(heard: Heard, settlement_ref: str) -> Outcome[str]:
    """2208 and 2305: the reversal's own reference, or the old one where none is told."""
    if not isinstance(heard, Answer):
        return heard
    try:
        info, _ = reading.setlinfo_in(read_output(heard, wire_settlement.SettleOutput))
    except AnswerUnreadable:
        return Accepted(settlement_ref)
    return Accepted(text_of(info.setl_id) or settlement_ref)
