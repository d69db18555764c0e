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
    """Strict decode. Raises ``WireInvalid`` whatever the bytes are.

    All of it must be UTF-8: msgspec passes unknown members over without looking at their bytes.
    """
    try:
        return msgspec.json.decode(body.decode("utf-8"), type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise WireInvalid("not the documented JSON") from None


class OrderAmount(msgspec.Struct, frozen=True):
    """``amount`` of an order; cents."""

    total: int
    currency: str = "CNY"


class Payer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``payer`` of an order: an openid (jsapi), or the code that was shown (codepay)."""

    openid: str | None = None
    sub_openid: str | None = None
    auth_code: str | None = None


class H5Scene(msgspec.Struct, frozen=True):
    """``scene_info.h5_info``."""

    type: str


class Store(msgspec.Struct, frozen=True):
    """``scene_info.store_info``."""

    id: str


class Scene(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``scene_info`` of h5 and codepay."""

    payer_client_ip: str | None = None
    h5_info: H5Scene | None = None
    device_id: str | None = None
    device_ip: str | None = None
    store_info: Store | None = None


class Account(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Direct merchant, or provider with sub-merchant; also the whole body of a close."""

    appid: str | None = None
    mchid: str | None = None
    sp_appid: str | None = None
    sp_mchid: str | None = None
    sub_appid: str | None = None
    sub_mchid: str | None = None


class OrderBody(Account, frozen=True, kw_only=True, omit_defaults=True):
    """POST ``/v3/pay/transactions/{jsapi,native,h5,codepay}`` and the partner's."""

    description: str
    out_trade_no: str
    amount: OrderAmount
    time_expire: str | None = None
    notify_url: str | None = None
    payer: Payer | None = None
    scene_info: Scene | None = None


class RefundAmount(msgspec.Struct, frozen=True, kw_only=True):
    """``amount`` of a refund request; cents."""

    refund: int
    total: int
    currency: str


class RefundBody(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """POST ``/v3/refund/domestic/refunds``."""

    sub_mchid: str | None = None

    out_trade_no: str
    out_refund_no: str
    reason: str
    notify_url: str
    amount: RefundAmount


class PlacedAnswer(msgspec.Struct, frozen=True):
    """Answer to an order: one of the three."""

    prepay_id: Short | None = None
    code_url: Long | None = None
    h5_url: Long | None = None


class ReversedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Answer to a reverse."""

    out_trade_no: Short


class BillLink(msgspec.Struct, frozen=True, kw_only=True):
    """Where a bill is (3.3)."""

    hash_type: Short
    hash_value: Short
    download_url: Long


class TransactionAmount(msgspec.Struct, frozen=True, kw_only=True):
    """Amounts of a transaction; an unpaid one's may be empty."""

    total: Cents | None = None
    currency: Short = "CNY"


class TransactionPayer(msgspec.Struct, frozen=True):
    """Who paid, once paid."""

    openid: Short | None = None
    sp_openid: Short | None = None
    sub_openid: Short | None = None


class Transaction(msgspec.Struct, frozen=True, kw_only=True):
    """A query's answer, and the content of a payment notice (2.3)."""

    out_trade_no: Short
    trade_state: Short
    appid: Short | None = None
    mchid: Short | None = None
    sp_appid: Short | None = None
    sp_mchid: Short | None = None
    sub_appid: Short | None = None
    sub_mchid: Short | None = None
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

    refund_id: Short
    out_refund_no: Short
    out_trade_no: Short
    refund_status: Short
    amount: RefundedAmount
    success_time: Short | None = None
    mchid: Short | None = None
    sp_mchid: Short | None = None
    sub_mchid: Short | None = None


class SealedResource(msgspec.Struct, frozen=True, kw_only=True):
    """The sealed part of a notice."""

    algorithm: Short
    ciphertext: str
    nonce: Short
    associated_data: Short | None = None
    original_type: Short | None = None


class SealedCertificate(msgspec.Struct, frozen=True, kw_only=True):
    """A member of ``/v3/certificates``."""

    serial_no: Short
    encrypt_certificate: SealedResource


class CertificatesAnswer(msgspec.Struct, frozen=True):
    """``/v3/certificates`` (1.5)."""

    data: Annotated[list[SealedCertificate], msgspec.Meta(max_length=20)]


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
