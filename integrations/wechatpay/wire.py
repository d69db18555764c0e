"""WeChat Pay's JSON, spelled as the partner spells it (payments.md 2.2 to 3.1).

The partner owns this wire and adds fields at will, so unknown ones are passed over; the types of
known ones are strict and their sizes bounded. Decides nothing.
"""

from typing import Annotated, TypeVar

import msgspec

from integrations.ports.money import FEN_MAX

Short = Annotated[str, msgspec.Meta(max_length=128)]
Long = Annotated[str, msgspec.Meta(max_length=1024)]
Cents = Annotated[int, msgspec.Meta(ge=0, le=FEN_MAX)]

T = TypeVar("T")


class WireInvalid(ValueError):
    """The bytes are not the JSON that the partner documents."""


def decode(body: bytes, kind: type[T]) -> T:
    """Strict decode. Raises ``WireInvalid`` whatever the bytes are."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise WireInvalid("not the documented JSON") from None


class OrderAmount(msgspec.Struct, frozen=True):
    """``amount`` of an order; cents."""

    total: int
    currency: str = "CNY"


class Payer(msgspec.Struct, frozen=True):
    """``payer`` of a jsapi order."""

    openid: str


class OrderBody(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """POST ``/v3/pay/transactions/{jsapi,native}``."""

    appid: str
    mchid: str
    description: str
    out_trade_no: str
    time_expire: str
    notify_url: str
    amount: OrderAmount
    payer: Payer | None = None


class CloseBody(msgspec.Struct, frozen=True):
    """POST ``…/close``."""

    mchid: str


class RefundAmount(msgspec.Struct, frozen=True, kw_only=True):
    """``amount`` of a refund request; cents."""

    refund: int
    total: int
    currency: str


class RefundBody(msgspec.Struct, frozen=True, kw_only=True):
    """POST ``/v3/refund/domestic/refunds``."""

    out_trade_no: str
    out_refund_no: str
    reason: str
    notify_url: str
    amount: RefundAmount


class PlacedAnswer(msgspec.Struct, frozen=True):
    """Answer to an order: one of the two."""

    prepay_id: Short | None = None
    code_url: Long | None = None


class TransactionAmount(msgspec.Struct, frozen=True, kw_only=True):
    """Amounts of a transaction; an unpaid one's may be empty."""

    total: Cents | None = None
    currency: Short = "CNY"


class TransactionPayer(msgspec.Struct, frozen=True):
    """Who paid, once paid."""

    openid: Short | None = None


class Transaction(msgspec.Struct, frozen=True, kw_only=True):
    """A query's answer, and the content of a payment notice (2.3)."""

    appid: Short
    mchid: Short
    out_trade_no: Short
    trade_state: Short
    transaction_id: Short | None = None
    success_time: Short | None = None
    amount: TransactionAmount | None = None
    payer: TransactionPayer | None = None


class RefundedAmount(msgspec.Struct, frozen=True, kw_only=True):
    """Amounts of a refund."""

    refund: Cents
    total: Cents
    currency: Short = "CNY"


class RefundAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A refund as called or queried (2.6)."""

    refund_id: Short
    out_refund_no: Short
    out_trade_no: Short
    status: Short
    amount: RefundedAmount
    success_time: Short | None = None


class RefundNotice(msgspec.Struct, frozen=True, kw_only=True):
    """Content of a refund notice (3.1)."""

    mchid: Short
    refund_id: Short
    out_refund_no: Short
    out_trade_no: Short
    refund_status: Short
    amount: RefundedAmount
    success_time: Short | None = None


class SealedResource(msgspec.Struct, frozen=True, kw_only=True):
    """The sealed part of a notice."""

    algorithm: Short
    ciphertext: str
    nonce: Short
    associated_data: Short | None = None
    original_type: Short | None = None


class NoticeEnvelope(msgspec.Struct, frozen=True, kw_only=True):
    """A notice as posted (3.1)."""

    id: Short
    event_type: Short
    resource_type: Short
    resource: SealedResource


class ErrorAnswer(msgspec.Struct, frozen=True):
    """Any answer that is not 2xx (1.9)."""

    code: Short
    message: Long = ""
