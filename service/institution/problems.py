"""Problems of enrolment and of callers."""

from service.kernel.problems import Problem


class ActivationRefused(Problem):
    """The activation code is wrong, used or too old."""

    code = "activation-refused"
    status = 403
    title = "The activation code is wrong, used or too old"


class InstitutionSuspended(Problem):
    """The institution may not work at present."""

    code = "institution-suspended"
    status = 403
    title = "The institution is suspended"


class AlreadyEnrolled(Problem):
    """An institution with this code exists."""

    code = "already-enrolled"
    status = 409
    title = "An institution with this code is enrolled already"
