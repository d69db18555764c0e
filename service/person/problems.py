"""Problems of registrations."""

from service.kernel.problems import Problem


class NameInvalid(Problem):
    """The name is not a personal name; ``reason`` says which check failed."""

    code = "name-invalid"
    status = 422
    title = "The name is not valid"


class IdNumberInvalid(Problem):
    """The ID number is not valid; ``reason`` says which check failed."""

    code = "id-number-invalid"
    status = 422
    title = "The ID number is not valid"


class IdTypeUnsupported(Problem):
    """Only the resident identity card (01) is registered at present."""

    code = "id-type-unsupported"
    status = 422
    title = "This kind of identity document is not supported"


class PhoneInvalid(Problem):
    """The phone number is not valid; ``reason`` says which check failed."""

    code = "phone-invalid"
    status = 422
    title = "The phone number is not valid"


class RegistrationBusy(Problem):
    """Another registration with the same number did not finish in time."""

    code = "registration-busy"
    status = 503
    title = "The same person is being registered elsewhere; try again shortly"
    retryable = True
