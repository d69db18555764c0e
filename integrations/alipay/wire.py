"""Alipay's JSON, spelled as the partner spells it (payments.md 5.1 to 5.8).

The partner owns this wire and adds fields at will, so unknown ones are passed over; the types of
known ones are strict and their sizes bounded. Amounts stay raw: pages show them as text and, under
v3, also as numbers, and either way they are read exactly. Decides nothing.
"""

from typing import Annotated, TypeVar

import msgspec

from integrations.ports.money import FEN_MAX, MoneyError, parse_yuan_text

Short = Annotated[str, msgspec.Meta(max_length=128)]
Long = Annotated[str, msgspec.Meta(max_length=2048)]
Yuan = msgspec.Raw
NO_AMOUNT = msgspec.Raw(b"")

T = TypeVar("T")


class WireInvalid(ValueError):
    """The bytes are not the JSON that the partner documents."""


def decode(body: bytes, kind: type[T]) -> T:
    """Strict decode. Raises ``WireInvalid`` whatever the bytes are."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise WireInvalid("not the documented JSON") from None


def read_yuan(amount: msgspec.Raw) -> int | None:
    """An amount member in fen, None where it is missing. Raises ``WireInvalid``."""
    raw = bytes(amount)
    if raw in (b"", b"null"):
        return None
    return yuan_fen(decode(raw, str) if raw.startswith(b'"') else raw.decode("utf-8"))


def yuan_fen(text: str) -> int:
    """A yuan text in fen, not negative and within our range. Raises ``WireInvalid``."""
    try:
        found = parse_yuan_text(text)
    except MoneyError:
        raise WireInvalid("not an amount") from None
    if not 0 <= found <= FEN_MAX:
        raise WireInvalid("an amount is out of range")
    return found


class OrderBody(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``alipay.trade.create``, ``.precreate``, ``.pay`` and ``.wap.pay``. ``notify_url`` stands
    here in v3."""

    out_trade_no: str
    total_amount: str
    subject: str
    time_expire: str
    product_code: str | None = None
    op_app_id: str | None = None
    buyer_id: str | None = None
    buyer_open_id: str | None = None
    scene: str | None = None
    auth_code: str | None = None
    quit_url: str | None = None
    notify_url: str | None = None


class TradeBody(msgspec.Struct, frozen=True):
    """``alipay.trade.query``, ``.close`` and ``.cancel``."""

    out_trade_no: str


class RefundBody(msgspec.Struct, frozen=True, kw_only=True):
    """``alipay.trade.refund``."""

    out_trade_no: str
    refund_amount: str
    out_request_no: str
    refund_reason: str


class RefundQueryBody(msgspec.Struct, frozen=True, kw_only=True):
    """``alipay.trade.fastpay.refund.query``."""

    out_trade_no: str
    out_request_no: str
    query_options: tuple[str, ...] = ("gmt_refund_pay",)


class BillBody(msgspec.Struct, frozen=True, kw_only=True):
    """``alipay.data.dataservice.bill.downloadurl.query``; under v3 the query of the address."""

    bill_type: str
    bill_date: str


class CodeAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What every gateway answer begins with."""

    code: Short
    msg: Long = ""
    sub_code: Short = ""
    sub_msg: Long = ""


class V3Error(msgspec.Struct, frozen=True, kw_only=True):
    """A v3 answer of HTTP 400 and above."""

    code: Short
    message: Long = ""


class CreatedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """``create`` gives ``trade_no``, ``precreate`` gives ``qr_code``."""

    out_trade_no: Short
    trade_no: Short | None = None
    qr_code: Long | None = None


class TradeAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """``query`` and ``pay``: a trade. ``pay`` has no status and its own name for the time."""

    out_trade_no: Short
    trade_no: Short | None = None
    trade_status: Short | None = None
    total_amount: Yuan = NO_AMOUNT
    send_pay_date: Short | None = None
    gmt_payment: Short | None = None
    buyer_user_id: Short | None = None
    buyer_open_id: Short | None = None


class UndoneAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """``close`` and ``cancel``."""

    out_trade_no: Short | None = None
    trade_no: Short | None = None
    retry_flag: Short | None = None
    action: Short | None = None


class RefundAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """``refund``; ``refund_fee`` is the sum of all refunds of the trade so far."""

    out_trade_no: Short
    trade_no: Short | None = None
    fund_change: Short | None = None
    refund_fee: Yuan = NO_AMOUNT
    gmt_refund_pay: Short | None = None


class RefundQueryAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """``fastpay.refund.query``; nothing but the code means that there is no such refund."""

    out_trade_no: Short | None = None
    out_request_no: Short | None = None
    trade_no: Short | None = None
    refund_status: Short | None = None
    refund_amount: Yuan = NO_AMOUNT
    gmt_refund_pay: Short | None = None


class BillAnswer(msgspec.Struct, frozen=True):
    """Where the bill lies for 30 seconds."""

    bill_download_url: Long
