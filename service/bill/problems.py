"""Problems of bills."""

from service.kernel.problems import Problem


class BillPartsDoNotSum(Problem):
    """A line is not quantity times unit price rounded half up, or the lines are not the total."""

    code = "bill-parts-do-not-sum"
    status = 422
    title = "The amounts of the bill do not add up"


class BillRefused(Problem):
    """The bill breaks a rule of content: doubled line numbers, time to pay, diagnoses."""

    code = "bill-refused"
    status = 422
    title = "The bill breaks a rule of content"


class BillNumberExists(Problem):
    """The institution used this number for another patient or another content."""

    code = "bill-number-exists"
    status = 409
    title = "The bill number is in use for another bill"


class BillVersionStale(Problem):
    """The version named is not the bill's present one."""

    code = "bill-version-stale"
    status = 409
    title = "The bill has another version by now"


class BillLocked(Problem):
    """The bill is being paid, or was paid."""

    code = "bill-locked"
    status = 409
    title = "The bill is being paid or was paid"


class BillNotPayable(Problem):
    """The bill was paid, withdrawn, or its time to pay is over."""

    code = "bill-not-payable"
    status = 409
    title = "The bill cannot be paid any more"


class BillsNotVisible(Problem):
    """A public kiosk shows bills only after a code that was displayed just now."""

    code = "bills-not-visible"
    status = 403
    title = "Bills are shown here only after a code displayed just now"
