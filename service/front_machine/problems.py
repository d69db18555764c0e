"""What only a front machine can answer."""

from service.kernel.problems import Problem


class ShownLogUnavailable(Problem):
    """The disk does not take the entry, so nothing was accepted."""

    code = "shown-log-unavailable"
    status = 503
    title = "The front machine cannot write its log; nothing was accepted"
    retryable = True


class RequestTooSlow(Problem):
    """The request did not come to its end in time."""

    code = "request-too-slow"
    status = 408
    title = "The request did not arrive in time"
    retryable = True


class HeadTooLarge(Problem):
    """Request line and headers, or a body in chunks, are over the bound."""

    code = "head-too-large"
    status = 431
    title = "The request's head is too large"


class TooManyConnections(Problem):
    """As many desks as it takes are connected already."""

    code = "too-many-connections"
    status = 503
    title = "The front machine has no connection left; close one that is not used"
    retryable = True
