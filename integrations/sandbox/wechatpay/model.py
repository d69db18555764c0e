"""What the twin is told at its start, and the bodies it reads, spelled as the partner does."""

from typing import Annotated

import msgspec

FEN_MAX = 10**11
OrderNumber = Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z_\-*]{6,32}$")]
RefundNumber = Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z_\-|*@]{1,64}$")]
Cents = Annotated[int, msgspec.Meta(ge=1, le=FEN_MAX)]
Id32 = Annotated[str, msgspec.Meta(min_length=1, max_length=32)]
Url256 = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]


class TwinMerchant(msgspec.Struct, frozen=True, kw_only=True):
    """One merchant the twin knows: its public half, and the APIv3 key both sides share."""

    mchid: str
    name: str
    appids: tuple[str, ...]
    serial: str
    public_key_pem: str
    api_v3_key: str

    def __repr__(self) -> str:
        return f"TwinMerchant(mchid={self.mchid!r})"


class TwinKeys(msgspec.Struct, frozen=True, kw_only=True):
    """The twin's own signing key, by which it plays WeChat in public-key mode, and merchants."""

    public_key_id: str
    private_key_pem: str
    merchants: tuple[TwinMerchant, ...]

    def __repr__(self) -> str:
        return f"TwinKeys(public_key_id={self.public_key_id!r})"


class TwinPace(msgspec.Struct, frozen=True, kw_only=True):
    """How fast the twin's time-bound rules run."""

    resend_scale_ppm: int = 1_000_000
    """Resend gaps of 3.2 in millionths of the documented ones; 1000 makes 15 s into 15 ms."""
    refund_takes_s: int = 0
    refund_gap_s: int = 0
    """The document asks for 60 between partial refunds of one order."""
    bill_hour: int = 9
    """Hour of the next day, Beijing time, from which a day's bill exists."""
    tick_ms: int = 200


class Amount(msgspec.Struct, frozen=True):
    """``amount`` of an order."""

    total: Cents
    currency: str = "CNY"


class Payer(msgspec.Struct, frozen=True):
    """``payer`` of a jsapi order."""

    openid: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]


class OrderBody(msgspec.Struct, frozen=True, kw_only=True):
    """POST of an order, jsapi and native."""

    appid: Id32
    mchid: Id32
    description: Annotated[str, msgspec.Meta(min_length=1, max_length=127)]
    out_trade_no: OrderNumber
    notify_url: Url256
    amount: Amount
    payer: Payer | None = None
    time_expire: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    attach: Annotated[str, msgspec.Meta(max_length=128)] | None = None


class CloseBody(msgspec.Struct, frozen=True):
    """POST of a close."""

    mchid: Id32


class RefundAmount(msgspec.Struct, frozen=True):
    """``amount`` of a refund."""

    refund: Cents
    total: Cents
    currency: str


class RefundBody(msgspec.Struct, frozen=True, kw_only=True):
    """POST of a refund."""

    out_refund_no: RefundNumber
    amount: RefundAmount
    out_trade_no: OrderNumber | None = None
    transaction_id: Id32 | None = None
    reason: Annotated[str, msgspec.Meta(max_length=80)] | None = None
    notify_url: Url256 | None = None


class Refused(Exception):
    """An error answer of 1.9. ``detail`` is the number group at the end of ``Request-ID``."""

    def __init__(self, status: int, code: str, message: str, detail: int = 0) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.message = message
        self.detail = detail


class Reply(msgspec.Struct, frozen=True):
    """A success answer before it is signed."""

    status: int
    body: bytes
