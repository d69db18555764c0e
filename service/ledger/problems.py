"""Problems of the ledger."""

from service.kernel.problems import Problem


class LedgerDayNotOver(Problem):
    """The day may still take postings, so nobody can close it."""

    code = "ledger-day-not-over"
    status = 409
    title = "This day still takes postings"
    retryable = True
