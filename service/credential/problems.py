"""Problems of other owners' credentials."""

from service.kernel.problems import Problem


class InsuranceCredentialRefused(Problem):
    """The bureau refused the e-credential: expired, used, or not its own. Show a fresh one."""

    code = "insurance-credential-refused"
    status = 410
    title = "The insurance e-credential was refused; show a fresh one"


class InsuranceOwnerUnavailable(Problem):
    """The bureau could not be asked whose e-credential it is. Our own code works meanwhile."""

    code = "insurance-owner-unavailable"
    status = 503
    title = "The insurance bureau cannot be reached; use the health code or try again shortly"
    retryable = True
