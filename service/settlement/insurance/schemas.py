"""What a phone sends to pay at the insurance's payment centre."""

from typing import Annotated

import msgspec

from service.payment.rules import BY_SETTLEMENT
from service.settlement.model import NOWHERE
from service.settlement.schemas import PaymentRequest

Location = Annotated[
    str,
    msgspec.Meta(pattern=r"^-?[0-9]{1,3}(\.[0-9]{1,12})?,-?[0-9]{1,2}(\.[0-9]{1,12})?$(?!\n)"),
]
AuthorisationNo = Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z]{8,64}$(?!\n)")]


class PhonePaymentRequest(PaymentRequest, forbid_unknown_fields=True, kw_only=True):
    """The same on a phone. ``authorised`` at ``mobile_centre``: by what the payer allowed in the
    national insurance app. ``mixed``: by that, and insurance and own part in one act inside the
    mini-program."""

    authorisation: AuthorisationNo | None = None
    """``payAuthNo``, for one order and for minutes; for the ways ``authorised`` and ``mixed``
    alone."""

    location: Location = NOWHERE
    """Longitude and latitude with a comma, as the exchange of the authorisation gave them."""

    def __post_init__(self) -> None:
        if (self.way in BY_SETTLEMENT) != (self.authorisation is not None):
            raise ValueError("an authorisation goes with `authorised` and `mixed`, and only there")


class AuthorisationRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What the payer allowed anew in the national insurance app."""

    authorisation: AuthorisationNo
