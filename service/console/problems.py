"""Problems of the console."""

from service.kernel.problems import Problem


class ConsoleSignInRefused(Problem):
    """Never says whether the name, the password, the code or the operator's state is why."""

    code = "console-sign-in-refused"
    status = 403
    title = "The name, the password or the code is wrong"


class ConsoleLocked(Problem):
    """Too many refused sign-ins in a row; for a while not even the right one is looked at."""

    code = "console-locked"
    status = 403
    title = "Too many refused sign-ins; try again later"
    retryable = True


class ConsoleNotSignedIn(Problem):
    """No session, or one that ended."""

    code = "console-not-signed-in"
    status = 401
    title = "Nobody is signed in at the console"


class ConsoleRequestForged(Problem):
    """A changing request without the session's own token: another site may have made it."""

    code = "console-request-forged"
    status = 403
    title = "The request does not come from the console's own page"


class OperatorNameTaken(Problem):
    """The console has an operator of this name."""

    code = "operator-name-taken"
    status = 409
    title = "This name is taken"
