"""The mixed insurance order's JSON, spelled as the partner spells it (payments.md 4). Cents."""

from typing import Annotated

import msgspec

from integrations.wechatpay.wire import Cents, Long, Short


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """``payer`` and ``relative``: name and digest are sealed for WeChat."""

    name: str
    id_digest: str
    card_type: str = "ID_CARD"


class CashAdd(msgspec.Struct, frozen=True, kw_only=True):
    """A member of ``cash_add_detail``."""

    cash_add_fee: int
    cash_add_type: str


class CashReduce(msgspec.Struct, frozen=True, kw_only=True):
    """A member of ``cash_reduce_detail``."""

    cash_reduce_fee: int
    cash_reduce_type: str


class MixedBody(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """POST ``/v3/med-ins/orders``."""

    mix_pay_type: str
    order_type: str
    appid: str
    sub_appid: str | None = None
    sub_mchid: str | None = None
    openid: str | None = None
    sub_openid: str | None = None
    payer: Identity
    pay_for_relatives: bool = False
    relative: Identity | None = None
    out_trade_no: str
    serial_no: str
    pay_order_id: str | None = None
    pay_auth_no: str | None = None
    geo_location: str | None = None
    city_id: str
    med_inst_name: str
    med_inst_no: str
    med_ins_order_create_time: str | None = None
    total_fee: int
    med_ins_gov_fee: int | None = None
    med_ins_self_fee: int | None = None
    med_ins_other_fee: int | None = None
    med_ins_cash_fee: int | None = None
    wechat_pay_cash_fee: int
    cash_add_detail: list[CashAdd] | None = None
    cash_reduce_detail: list[CashReduce] | None = None
    callback_url: str
    prepay_id: str | None = None
    passthrough_request_content: str | None = None
    med_ins_test_env: bool = False


class MixedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A mixed order as placed, queried or noticed."""

    mix_trade_no: Annotated[str, msgspec.Meta(min_length=1, max_length=32)]
    out_trade_no: Short
    mix_pay_status: Short
    self_pay_status: Short
    med_ins_pay_status: Short
    total_fee: Cents | None = None
    wechat_pay_cash_fee: Cents | None = None
    appid: Short | None = None
    sub_mchid: Short | None = None
    paid_time: Short | None = None
    med_ins_fail_reason: Long | None = None


class InsuredRefundBody(msgspec.Struct, frozen=True, kw_only=True):
    """POST ``/v3/med-ins/refunds/notify``."""

    med_refund_total_fee: int
    med_refund_gov_fee: int
    med_refund_self_fee: int
    med_refund_other_fee: int
    refund_time: str
    out_refund_no: str
