"""What the twin is told at its start, and the bodies it reads, spelled as the partner does."""

from typing import Annotated, Any

import msgspec

Number = Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z_]{1,64}$")]
Text64 = Annotated[str, msgspec.Meta(max_length=64)]
Yuan = Annotated[str, msgspec.Meta(max_length=16)]
Url256 = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
Json = dict[str, Any]

DONE, PAYER_CONFIRMS = "10000", "10003"
BUSINESS, UNAVAILABLE, INVALID, MISSING, UNAUTHORISED = "40004", "20000", "40002", "40001", "20001"
MESSAGES = {
    DONE: "Success",
    PAYER_CONFIRMS: "order success pay inprocess",
    BUSINESS: "Business Failed",
    UNAVAILABLE: "Service Currently Unavailable",
    INVALID: "Invalid Arguments",
    MISSING: "Missing Required Arguments",
    UNAUTHORISED: "Insufficient Token Permissions",
}


class Merchant(msgspec.Struct, frozen=True, kw_only=True):
    """Whose trades a call is about, and by which application it came."""

    app_id: str
    seller_id: str
    name: str


class TwinApp(msgspec.Struct, frozen=True, kw_only=True):
    """One application: its public half, its own merchant, and merchants that authorised it."""

    app_id: str
    seller_id: str
    name: str
    public_key_pem: str
    app_cert_sn: str = ""
    """Set in certificate mode; then requests must name it, and the root's number as well."""
    root_cert_sn: str = ""
    authorised: dict[str, Merchant] = {}
    """By app_auth_token."""


class TwinKeys(msgspec.Struct, frozen=True, kw_only=True):
    """The twin's own signing key, by which it plays Alipay, and the applications."""

    private_key_pem: str
    apps: tuple[TwinApp, ...]
    alipay_cert_sn: str = ""

    def __repr__(self) -> str:
        return f"TwinKeys({len(self.apps)} applications)"


class TwinPace(msgspec.Struct, frozen=True, kw_only=True):
    """How fast the twin's time-bound rules run."""

    resend_scale_ppm: int = 1_000_000
    """Resend gaps of 5.7 in millionths of the documented ones; 1000 makes 4 min into 240 ms."""
    refund_takes_s: int = 0
    """Above zero a refund is answered ``fund_change=N`` and is done later."""
    finish_after_s: int = 366 * 86_400
    """A paid trade becomes TRADE_FINISHED; the real window is in each contract."""
    bill_hour: int = 10
    """Hour of the next day, Beijing time, from which a day's bill exists."""
    clock_window_s: int = 600
    """How far a request's time may be from ours."""
    calls_per_second: int = 0
    """Above it an application is answered 429; 0 means no limit."""
    tick_ms: int = 200


class OrderBody(msgspec.Struct, frozen=True, kw_only=True):
    """create, precreate and pay. ``notify_url`` stands here under v3 only."""

    out_trade_no: Number
    total_amount: Yuan
    subject: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    time_expire: Text64 = ""
    product_code: Text64 = ""
    op_app_id: Text64 = ""
    buyer_id: Text64 = ""
    buyer_open_id: Annotated[str, msgspec.Meta(max_length=128)] = ""
    scene: Text64 = ""
    auth_code: Text64 = ""
    quit_url: Annotated[str, msgspec.Meta(max_length=400)] = ""
    notify_url: Annotated[str, msgspec.Meta(max_length=256)] = ""


class TradeBody(msgspec.Struct, frozen=True, kw_only=True):
    """query, close and cancel."""

    out_trade_no: Text64 = ""
    trade_no: Text64 = ""


class RefundBody(TradeBody, frozen=True, kw_only=True):
    """refund."""

    refund_amount: Yuan
    out_request_no: Text64 = ""
    refund_reason: Annotated[str, msgspec.Meta(max_length=256)] = ""


class RefundQueryBody(TradeBody, frozen=True, kw_only=True):
    """fastpay.refund.query."""

    out_request_no: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    query_options: tuple[str, ...] = ()


class BillBody(msgspec.Struct, frozen=True, kw_only=True):
    """dataservice.bill.downloadurl.query."""

    bill_type: Text64
    bill_date: Text64


class Refused(Exception):
    """An answer that is not done: gateway code, sub-code, text."""

    def __init__(self, code: str, sub_code: str, text: str) -> None:
        super().__init__(sub_code)
        self.code = code
        self.sub_code = sub_code
        self.text = text


class Reply(msgspec.Struct, frozen=True):
    """A done answer before it is signed. ``code`` is 10000 or 10003."""

    fields: Json
    code: str = DONE


def business(sub_code: str, text: str) -> Refused:
    """A refusal of the business behind the gateway."""
    return Refused(BUSINESS, f"ACQ.{sub_code}", text)


def invalid(text: str) -> Refused:
    """A business parameter is wrong."""
    return business("INVALID_PARAMETER", text)
