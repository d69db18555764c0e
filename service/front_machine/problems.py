"""What only a front machine can answer."""

from service.kernel.problems import Problem


class ShownLogUnavailable(Problem):
    """The disk does not take the entry, so nothing was accepted."""

    code = "shown-log-unavailable"
    status = 503
    title = "The front machine cannot write its log; nothing was accepted"
    retryable = True
