"""What a phone sends to pay at the insurance's payment centre."""

from typing import Annotated

import msgspec

from service.payment.rules import AUTHORISED
from service.settlement.schemas import PaymentRequest

AuthorisationNo = Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z]{8,64}$(?!\n)")]


class PhonePaymentRequest(PaymentRequest, forbid_unknown_fields=True, kw_only=True):
    """The same on a phone. ``authorised`` at ``mobile_centre``: by what the payer allowed in the
    national insurance app."""

    authorisation: AuthorisationNo | None = None
    """``payAuthNo``, for one order and for minutes; for the way ``authorised`` alone."""

    def __post_init__(self) -> None:
        if (self.way == AUTHORISED) != (self.authorisation is not None):
            raise ValueError("an authorisation goes with the way `authorised`, and only with it")


class AuthorisationRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What the payer allowed anew in the national insurance app."""

    authorisation: AuthorisationNo
