"""What the twin is told at its start, and the bodies it reads, spelled as the partner does."""

from typing import Annotated

import msgspec

FEN_MAX = 10**11
OrderNumber = Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z_\-*]{6,32}$")]
RefundNumber = Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z_\-|*@]{1,64}$")]
Cents = Annotated[int, msgspec.Meta(ge=1, le=FEN_MAX)]
Id32 = Annotated[str, msgspec.Meta(min_length=1, max_length=32)]
Url256 = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]


class TwinSub(msgspec.Struct, frozen=True, kw_only=True):
    """A sub-merchant of a service provider."""

    mchid: str
    appid: str


class TwinMerchant(msgspec.Struct, frozen=True, kw_only=True):
    """One merchant the twin knows: its public half, and the APIv3 key both sides share."""

    mchid: str
    name: str
    appids: tuple[str, ...]
    serial: str
    public_key_pem: str
    api_v3_key: str
    scheme: str = "RSA"
    """SM: ``public_key_pem`` is SM2, and so is everything that is said to this merchant."""
    client_public_key_pem: str = ""
    """The RSA key of ``paySign`` under SM."""
    api_v2_key: str = ""
    subs: tuple[TwinSub, ...] = ()
    """Not empty: a service provider, which signs for these."""

    def __repr__(self) -> str:
        return f"TwinMerchant(mchid={self.mchid!r})"


class TwinKeys(msgspec.Struct, frozen=True, kw_only=True):
    """The twin's own signing keys and its merchants.

    Without ``certificates_pem`` it plays WeChat in public-key mode; with them, newest last, it
    names the last one's serial and gives them out. All hold the public half of the RSA key.
    """

    public_key_id: str
    private_key_pem: str
    merchants: tuple[TwinMerchant, ...]
    certificates_pem: tuple[str, ...] = ()
    sm_private_key_pem: str = ""
    sm_public_key_id: str = ""

    def __repr__(self) -> str:
        return f"TwinKeys(public_key_id={self.public_key_id!r})"


class TwinPace(msgspec.Struct, frozen=True, kw_only=True):
    """How fast the twin's time-bound rules run."""

    resend_scale_ppm: int = 1_000_000
    """Resend gaps of 3.2 in millionths of the documented ones; 1000 makes 15 s into 15 ms."""
    reverse_after_s: int = 0
    """The document asks for 15 between a pay-by-code call and its reverse."""
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


class Payer(msgspec.Struct, frozen=True, kw_only=True):
    """``payer`` of an order: somebody known, or the code that was shown."""

    openid: Annotated[str, msgspec.Meta(min_length=1, max_length=128)] | None = None
    sp_openid: Annotated[str, msgspec.Meta(min_length=1, max_length=128)] | None = None
    sub_openid: Annotated[str, msgspec.Meta(min_length=1, max_length=128)] | None = None
    auth_code: Annotated[str, msgspec.Meta(pattern=r"^1[0-5][0-9]{16}$")] | None = None


class H5Scene(msgspec.Struct, frozen=True):
    """``h5_info``."""

    type: Annotated[str, msgspec.Meta(min_length=1, max_length=32)]


class Store(msgspec.Struct, frozen=True, kw_only=True):
    """``store_info``: one of the two numbers."""

    id: Id32 | None = None
    out_id: Id32 | None = None


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """``scene_info``."""

    payer_client_ip: Annotated[str, msgspec.Meta(min_length=1, max_length=45)] | None = None
    h5_info: H5Scene | None = None
    device_id: Id32 | None = None
    device_ip: Annotated[str, msgspec.Meta(min_length=1, max_length=45)] | None = None
    store_info: Store | None = None


class OrderBody(msgspec.Struct, frozen=True, kw_only=True):
    """POST of an order of any way, of either kind of merchant."""

    description: Annotated[str, msgspec.Meta(min_length=1, max_length=127)]
    out_trade_no: OrderNumber
    amount: Amount
    appid: Id32 | None = None
    mchid: Id32 | None = None
    sp_appid: Id32 | None = None
    sp_mchid: Id32 | None = None
    sub_appid: Id32 | None = None
    sub_mchid: Id32 | None = None
    notify_url: Url256 | None = None
    payer: Payer | None = None
    scene_info: Scene | None = None
    time_expire: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    attach: Annotated[str, msgspec.Meta(max_length=128)] | None = None


class CloseBody(msgspec.Struct, frozen=True, kw_only=True):
    """POST of a close or a reverse."""

    appid: Id32 | None = None
    mchid: Id32 | None = None
    sp_appid: Id32 | None = None
    sp_mchid: Id32 | None = None
    sub_appid: Id32 | None = None
    sub_mchid: Id32 | None = None


class RefundAmount(msgspec.Struct, frozen=True):
    """``amount`` of a refund."""

    refund: Cents
    total: Cents
    currency: str


class RefundBody(msgspec.Struct, frozen=True, kw_only=True):
    """POST of a refund."""

    out_refund_no: RefundNumber
    amount: RefundAmount
    sub_mchid: Id32 | None = None
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
