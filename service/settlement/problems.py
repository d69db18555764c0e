"""Problems of settlements."""

from service.kernel.problems import Problem


class BillChanged(Problem):
    """The hospital changed the bill since the payer saw it, or it went while he decided."""

    code = "bill-changed"
    status = 409
    title = "The bill has changed; read it again"
    retryable = True


class SettlementNotPayable(Problem):
    """There is nothing to pay, or the time to pay is over."""

    code = "settlement-not-payable"
    status = 409
    title = "This settlement takes no payment now"


class PaymentStillOpen(Problem):
    """An earlier order is not surely closed yet; a second one could take the money twice."""

    code = "payment-still-open"
    status = 409
    title = "An earlier payment is still being closed; try again shortly"
    retryable = True


class SomethingToPay(Problem):
    """Confirming is for settlements that leave nothing to the payer."""

    code = "something-to-pay"
    status = 409
    title = "There is an amount to pay; confirming is not enough"


class HospitalReferenceDiffers(Problem):
    """The hospital acknowledged this settlement before under another reference."""

    code = "hospital-reference-differs"
    status = 409
    title = "This settlement was acknowledged under another reference"


class ScanNotForPaying(Problem):
    """The scan only identified: bills and payment need a code shown for paying, and recently."""

    code = "scan-not-for-paying"
    status = 403
    title = "This scan does not allow seeing or paying bills"
