"""Problems of logins and registration."""

from service.kernel.problems import Problem


class LoginProviderUnknown(Problem):
    """No login platform of this name is set up."""

    code = "login-provider-unknown"
    status = 404
    title = "This login platform is not set up here"


class LoginCodeInvalid(Problem):
    """The platform refused the login code: used, expired or not its own."""

    code = "login-code-invalid"
    status = 422
    title = "The platform refused the login code"


class LoginPlatformUnavailable(Problem):
    """The platform could not be asked, or its answer was lost."""

    code = "login-platform-unavailable"
    status = 503
    title = "The login platform cannot be reached; try again shortly"
    retryable = True


class LoginStopped(Problem):
    """Another device of the person's ended this login, and voided the codes of this one."""

    code = "login-stopped"
    status = 401
    title = "This login, and the codes of its phone, were stopped from another device"


class AccountBlocked(Problem):
    """The account was blocked by the operator."""

    code = "account-blocked"
    status = 403
    title = "This account is blocked"


class RegistrationNeeded(Problem):
    """The account has no record of its own yet."""

    code = "registration-needed"
    status = 409
    title = "Register with name and ID number first"


class AlreadyRegistered(Problem):
    """The account is registered with another name or number."""

    code = "already-registered"
    status = 409
    title = "This account is registered as somebody else"


class GuardianRequired(Problem):
    """Below 14 full years a guardian registers the child; it does not register itself."""

    code = "guardian-required"
    status = 422
    title = "A guardian must register a child below 14 years"


class NameAndNumberDoNotMatch(Problem):
    """The real-name source says that this name and number do not belong together."""

    code = "name-and-number-do-not-match"
    status = 422
    title = "Name and ID number do not belong together"


class RealNameAttemptsUsedUp(Problem):
    """Too many real-name checks on one day, by this account or for this number."""

    code = "real-name-attempts-used-up"
    status = 429
    title = "No more real-name checks today"
    retryable = True


class RealNameSourceUnavailable(Problem):
    """The real-name source could not be asked, or gave no clear answer."""

    code = "real-name-source-unavailable"
    status = 503
    title = "Name and number cannot be checked at present; try again shortly"
    retryable = True
