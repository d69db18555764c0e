"""What travels of links by which somebody else pays. Amounts are integer fen."""

from datetime import datetime
from typing import Annotated

import msgspec

from integrations.ports.money import FenField
from service.kernel.context import Context
from service.payment.model import Way
from service.settlement.model import SettlementView
from service.settlement.pay_links.sharing import Shared
from service.settlement.schemas import PaymentAnswer, WayAnswer, Word

LinkText = Annotated[str, msgspec.Meta(min_length=1, max_length=120)]


class PayLinkRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A link as it was given."""

    link: LinkText


class SharedPaymentRequest(PayLinkRequest, forbid_unknown_fields=True, kw_only=True):
    """Pay by it: ``jsapi`` inside the provider's app, ``h5`` on the provider's page."""

    provider: Word
    way: Word


class PayLinkAnswer(msgspec.Struct, kw_only=True):
    """The link, the address at which our page takes it, and that as a QR symbol."""

    link: str
    url: str
    svg: str
    expires_at: datetime


class SharedBillAnswer(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What the holder of a link sees. ``state``: OPEN, PAID, or OVER."""

    masked_name: str
    institution_name: str
    state: str
    owed_fen: FenField
    in_progress: bool
    """Somebody may be paying just now."""
    expires_at: datetime
    ways: list[WayAnswer]
    payment: PaymentAnswer | None = None
    """The holder's own order."""

    @classmethod
    def of(cls, shared: Shared, offered: list[Way]) -> "SharedBillAnswer":
        """For somebody who can pay in the ways offered."""
        return cls(
            masked_name=shared.masked_name,
            institution_name=shared.institution_name,
            state=shared.state.value,
            owed_fen=shared.owed_fen,
            in_progress=shared.in_progress,
            expires_at=shared.expires_at,
            ways=msgspec.convert(offered, list[WayAnswer], from_attributes=True),
        )

    def with_payment(self, ctx: Context, view: SettlementView) -> "SharedBillAnswer":
        """With the order that the holder just placed."""
        return msgspec.structs.replace(self, payment=PaymentAnswer.of(ctx, view, is_own=True))
