"""Problems of events out to hospitals."""

from service.kernel.problems import Problem


class NoticeEndpointRefused(Problem):
    """Events may not be sent to this address; ``reason`` is a fixed word."""

    code = "notice-endpoint-refused"
    status = 422
    title = "Events cannot be sent to this address"
