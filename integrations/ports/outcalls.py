"""The flag that says a database transaction is open in this task.

Set by ``service.kernel.database.transaction``; ``integrations.kit.transport`` refuses to send
while it is set, so no partner is ever called with a transaction open.
"""

from contextvars import ContextVar

transaction_open: ContextVar[bool] = ContextVar("transaction_open", default=False)
