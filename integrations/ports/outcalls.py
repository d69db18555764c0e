"""What a task's outgoing calls have to do with the work around them.

``transaction_open`` says that a database transaction is open in this task. Set by
``service.kernel.database.transaction``; ``integrations.kit.transport`` refuses to send while it is
set, so no partner is ever called with a transaction open. ``waiting`` adds up what partners took.
"""

from contextvars import ContextVar


class Waiting:
    """Seconds in which somebody waited for partners' answers."""

    __slots__ = ("seconds",)

    def __init__(self) -> None:
        self.seconds = 0.0


transaction_open: ContextVar[bool] = ContextVar("transaction_open", default=False)
waiting: ContextVar[Waiting | None] = ContextVar("waiting", default=None)
"""Of the request that is being answered; None where nobody counts."""
