"""Problems of payment."""

from service.kernel.problems import Problem


class PaymentInProgress(Problem):
    """Another attempt of the settlement lives or is under review."""

    code = "payment-in-progress"
    status = 409
    title = "Another payment for this is under way or done"


class PaymentNotReady(Problem):
    """The provider has not confirmed the order yet, or the attempt has ended."""

    code = "payment-not-ready"
    status = 409
    title = "The payment cannot be shown to the payer now"
    retryable = True


class PaymentWayUnknown(Problem):
    """The institution has no account at this provider, or the provider has no such way to pay."""

    code = "payment-way-unknown"
    status = 422
    title = "This way of paying is not available here"


class PaymentNotRefundable(Problem):
    """Nothing was paid, or less is left than was asked back."""

    code = "payment-not-refundable"
    status = 409
    title = "This amount cannot be given back"
