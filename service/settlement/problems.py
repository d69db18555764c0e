"""Problems of settlements."""

from service.kernel.problems import Problem


class SettlementNotPayable(Problem):
    """There is nothing to pay, or the time to pay is over."""

    code = "settlement-not-payable"
    status = 409
    title = "This settlement takes no payment now"


class MoreThanOwed(Problem):
    """A payment may be for a part of what is owed, never for more."""

    code = "more-than-owed"
    status = 409
    title = "The amount is more than what is still owed"


class PayLinkNotValid(Problem):
    """The text is no link of ours to pay for somebody."""

    code = "pay-link-not-valid"
    status = 404
    title = "There is no such link to pay"


class PayLinkExpired(Problem):
    """Links to pay for somebody end by themselves."""

    code = "pay-link-expired"
    status = 409
    title = "The link to pay has expired; ask for a new one"


class PaymentStillOpen(Problem):
    """An earlier order is not surely closed yet; a second one could take the money twice."""

    code = "payment-still-open"
    status = 409
    title = "An earlier payment is still being closed; try again shortly"
    retryable = True


class SettlementTakenOver(Problem):
    """Whoever stands elsewhere with the payer's code deals with it there, and alone."""

    code = "settlement-taken-over"
    status = 409
    title = "This settlement was taken over at another place"


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


class ScanTooOldToPay(Problem):
    """Whoever was scanned may have left: a settlement is started soon after the scan."""

    code = "scan-too-old-to-pay"
    status = 403
    title = "The scan is too old to start a settlement; scan again"


class ScanNotForPayment(Problem):
    """The code was shown to identify; at a kiosk it takes one shown to pay."""

    code = "scan-not-for-payment"
    status = 403
    title = "The code was not shown to pay; choose payment on the phone and scan again"


class ScanBoundToAnotherBill(Problem):
    """The payer's phone signed for another bill, or for another amount of this one."""

    code = "scan-bound-to-another-bill"
    status = 409
    title = "The payer approved another bill or amount; show the offer again"


class CorrectionRefused(Problem):
    """What shall be given back does not fit the bill."""

    code = "correction-refused"
    status = 422
    title = "What is given back does not fit the bill"


class SettlementNotCorrectable(Problem):
    """Only what the hospital has posted is given back; before, a settlement is abandoned."""

    code = "settlement-not-correctable"
    status = 409
    title = "Nothing can be given back of this settlement now"


class OnlyAsAWhole(Problem):
    """What was paid at the insurance's payment centre is not given back by lines."""

    code = "only-as-a-whole"
    status = 409
    title = "This settlement is given back as a whole only"


class CorrectionUnderWay(Problem):
    """Another correction of the settlement waits or runs."""

    code = "correction-under-way"
    status = 409
    title = "Another correction of this settlement is under way"


class DepositCounted(Problem):
    """A discharge counts the deposit; what it does not need goes back with it."""

    code = "deposit-counted"
    status = 409
    title = "The deposit is counted by the discharge of its stay"


class AskerMayNotApprove(Problem):
    """Above the institution's limit a second person must agree."""

    code = "asker-may-not-approve"
    status = 403
    title = "Whoever asked for a correction cannot approve it"


class PostingVersionDiffers(Problem):
    """The acknowledgement is not for the version of the bill that is to be posted."""

    code = "posting-version-differs"
    status = 409
    title = "The acknowledgement is for another version of the bill"


class InsuranceAnswerUneven(Problem):
    """The parts of what the hospital reports do not give what was asked; nothing was taken over."""

    code = "insurance-answer-uneven"
    status = 422
    title = "The amounts of the answer do not add up to what was asked"


class InsuranceAnswerDiffers(Problem):
    """The hospital reported something else under this number before; that stands."""

    code = "insurance-answer-differs"
    status = 409
    title = "This call was answered before with something else"
