"""``MixedGateway`` over WeChat's medical-insurance mixed order, version 2 (payments.md 4).

Checks the three equations before anything is sent. Name and digest of the payer go out sealed for
WeChat's key and stand in no message. No retries, no database.
"""

from collections.abc import Mapping
from datetime import datetime
from urllib.parse import quote

from integrations.kit.clocktext import ClockTextError, parse_rfc3339, rfc3339_text
from integrations.kit.transport import Answer
from integrations.ports.mixed_payments import (
    InsuredRefund,
    Leg,
    MixedOrder,
    MixedPayer,
    MixedPayment,
    MixedStatus,
)
from integrations.ports.outcomes import Accepted, Outcome, Unknown
from integrations.ports.payments import NoticeRefused
from integrations.wechatpay import mapping, notices, signing
from integrations.wechatpay.line import WechatPayLine, is_absent, read, refusal, refused_here
from integrations.wechatpay.medins import (
    IdNumberRefused,
    MixedAmounts,
    MixPayType,
    amounts_fault,
    id_digest,
)
from integrations.wechatpay.party import Party
from integrations.wechatpay.wire import WireInvalid, decode
from integrations.wechatpay.wire_mixed import (
    CashAdd,
    CashReduce,
    Identity,
    InsuredRefundBody,
    MixedAnswer,
    MixedBody,
)

ORDERS = "/v3/med-ins/orders"
EVENT = "MEDICAL_INSURANCE.SUCCESS"
SCENES = {"registration": "REG_PAY", "outpatient": "DIAG_PAY", "inpatient": "IN_HOSP_PAY"}
ADD_KINDS = frozenset({"DEFAULT_ADD_TYPE", "FREIGHT", "OTHER_MEDICAL_EXPENSES"})
REDUCE_KINDS = frozenset(
    {
        "DEFAULT_REDUCE_TYPE",
        "HOSPITAL_REDUCE",
        "PHARMACY_DISCOUNT",
        "DISCOUNT",
        "PRE_PAYMENT",
        "DEPOSIT_DEDUCTION",
    }
)
STATES = {
    "MIX_PAY_CREATED": MixedStatus.UNPAID,
    "MIX_PAY_SUCCESS": MixedStatus.PAID,
    "MIX_PAY_REFUND": MixedStatus.REFUNDED,
    "MIX_PAY_FAIL": MixedStatus.FAILED,
}
CASH_LEGS = {
    "SELF_PAY_CREATED": Leg.UNPAID,
    "SELF_PAY_SUCCESS": Leg.PAID,
    "SELF_PAY_REFUND": Leg.REFUNDED,
    "SELF_PAY_FAIL": Leg.FAILED,
    "NO_SELF_PAY": Leg.NONE,
}
INSURED_LEGS = {
    "MED_INS_PAY_CREATED": Leg.UNPAID,
    "MED_INS_PAY_SUCCESS": Leg.PAID,
    "MED_INS_PAY_REFUND": Leg.REFUNDED,
    "MED_INS_PAY_FAIL": Leg.FAILED,
    "NO_MED_INS_PAY": Leg.NONE,
}


class WechatPayMixed:
    """Mixed orders of one merchant account."""

    def __init__(self, line: WechatPayLine, party: Party) -> None:
        self._line = line
        self._party = party

    async def place_mixed(self, order: MixedOrder) -> Outcome[MixedPayment]:
        """Place (4.2). A number that exists is Unknown: query, and reuse or renumber."""
        fault = order_fault(order) or (None if self._line.settings.city_id else "city_id")
        if fault is not None:
            return refused_here(fault)
        try:
            body = self._body(order)
        except (IdNumberRefused, signing.WechatPayKeyRefused):
            return refused_here("payer")
        answer = await self._line.call("POST", ORDERS, body)
        if not isinstance(answer, Answer):
            return answer
        if answer.status != 200:
            return refusal(answer)
        return self._told(answer, order.trade_no)

    async def query_mixed(self, trade_no: str) -> Outcome[MixedPayment]:
        """Ask by our number."""
        path = f"{ORDERS}/out-trade-no/{quote(trade_no, safe='')}{self._party.sub_query()}"
        answer = await self._line.call("GET", path, None)
        if not isinstance(answer, Answer):
            return answer
        if is_absent(answer):
            return Accepted(_absent(trade_no))
        if answer.status != 200:
            return refusal(answer)
        return self._told(answer, trade_no)

    async def tell_insured_refund(self, refund: InsuredRefund) -> Outcome[None]:
        """``refunds/notify`` (4.7): the last of the three steps of a refund."""
        parts = (refund.fund_fen, refund.account_fen, refund.other_fen)
        if min(parts) < 0 or not 1 <= len(refund.refund_no) <= 64:
            return refused_here("refund")
        path = f"/v3/med-ins/refunds/notify?mix_trade_no={quote(refund.mixed_ref, safe='')}"
        body = InsuredRefundBody(
            med_refund_total_fee=sum(parts),
            med_refund_gov_fee=refund.fund_fen,
            med_refund_self_fee=refund.account_fen,
            med_refund_other_fee=refund.other_fen,
            refund_time=rfc3339_text(refund.refunded_at),
            out_refund_no=refund.refund_no,
        )
        answer = await self._line.call("POST", path + self._party.sub_query(first=False), body)
        if not isinstance(answer, Answer):
            return answer
        return Accepted(None) if answer.status in {200, 204} else refusal(answer)

    def mixed_parameters(
        self, mixed_ref: str, prepay_ref: str | None, at: datetime
    ) -> dict[str, str]:
        """The argument of ``wx.requestMedicalInsurancePay`` (4.4); ``mixTradeNo`` is not signed."""
        if prepay_ref is None:
            return {"mixTradeNo": mixed_ref}
        signed = signing.client_parameters(
            self._line.keys.client,
            appid=self._line.settings.appid,
            prepay_ref=prepay_ref,
            nonce=self._line.nonce(),
            at=at,
        )
        return {"mixTradeNo": mixed_ref, **signed}

    def read_mixed_notice(
        self, headers: Mapping[str, str], body: bytes, at: datetime
    ) -> MixedPayment:
        """Verify and open ``MEDICAL_INSURANCE.SUCCESS``. Raises ``NoticeRefused``."""
        envelope, content = notices.unseal(self._line.keys, headers, body, at)
        if envelope.event_type != EVENT:
            raise NoticeRefused("event-unlisted")
        try:
            found = decode(content, MixedAnswer)
        except WireInvalid:
            raise NoticeRefused("unreadable") from None
        if not self._party.owns_mixed(found):
            raise NoticeRefused("other-merchant")
        told = _payment(found)
        if not isinstance(told, Accepted):
            raise NoticeRefused("unreadable")
        if told.value.status is not MixedStatus.PAID:
            raise NoticeRefused("content-contradicts")
        return told.value

    def _told(self, answer: Answer, trade_no: str) -> Accepted[MixedPayment] | Unknown:
        found = read(answer, MixedAnswer)
        if found is None or found.out_trade_no != trade_no or not self._party.owns_mixed(found):
            return mapping.ANSWER_INVALID
        return _payment(found)

    def _body(self, order: MixedOrder) -> MixedBody:
        insured, settings = order.insured, self._line.settings
        is_sub = self._party.is_sub
        return MixedBody(
            mix_pay_type=_type_of(order).value,
            order_type=SCENES[order.scene],
            appid=settings.sp_appid or settings.appid,
            sub_appid=settings.appid if is_sub else None,
            sub_mchid=self._party.sub_mchid,
            openid=None if is_sub else order.openid,
            sub_openid=order.openid if is_sub else None,
            payer=self._identity(order.payer),
            pay_for_relatives=order.relative is not None,
            relative=None if order.relative is None else self._identity(order.relative),
            out_trade_no=order.trade_no,
            serial_no=order.hospital_no,
            pay_order_id=insured.order_id if insured else None,
            pay_auth_no=insured.auth_no if insured else None,
            geo_location=insured.location if insured else None,
            city_id=settings.city_id or "",
            med_inst_name=order.institution_name,
            med_inst_no=order.institution_no,
            med_ins_order_create_time=rfc3339_text(insured.settled_at) if insured else None,
            total_fee=order.total_fen,
            med_ins_gov_fee=insured.fund_fen if insured else None,
            med_ins_self_fee=insured.account_fen if insured else None,
            med_ins_other_fee=insured.other_fen if insured else None,
            med_ins_cash_fee=insured.cash_fen if insured else None,
            wechat_pay_cash_fee=order.cash_fen,
            cash_add_detail=[
                CashAdd(cash_add_fee=one.amount_fen, cash_add_type=one.kind) for one in order.adds
            ]
            or None,
            cash_reduce_detail=[
                CashReduce(cash_reduce_fee=one.amount_fen, cash_reduce_type=one.kind)
                for one in order.reduces
            ]
            or None,
            callback_url=order.notice_url,
            prepay_id=order.prepay_ref,
            passthrough_request_content=insured.passthrough if insured else None,
            med_ins_test_env=settings.med_ins_test,
        )

    def _identity(self, person: MixedPayer) -> Identity:
        key = self._line.keys.verifier.field_key
        if key is None:
            raise signing.WechatPayKeyRefused("no WeChat key is known to seal for")
        return Identity(
            name=key.encrypt_field(person.name),
            id_digest=key.encrypt_field(id_digest(person.id_no)),
        )


def order_fault(order: MixedOrder) -> str | None:
    """The first rule of 4.2 and 4.3 that the order breaks, as a fixed word, or None."""
    insured = order.insured
    amounts = MixedAmounts(
        total_fee=order.total_fen,
        med_ins_gov_fee=insured.fund_fen if insured else 0,
        med_ins_self_fee=insured.account_fen if insured else 0,
        med_ins_other_fee=insured.other_fen if insured else 0,
        med_ins_cash_fee=insured.cash_fen if insured else 0,
        wechat_pay_cash_fee=order.cash_fen,
        adds=tuple(one.amount_fen for one in order.adds),
        reduces=tuple(one.amount_fen for one in order.reduces),
        mix_pay_type=_type_of(order),
    )
    checks = {
        "scene": order.scene in SCENES,
        "trade_no": 8 <= len(order.trade_no) <= 32 and order.trade_no.isalnum(),
        "hospital_no": 1 <= len(order.hospital_no) <= 20,
        "prepay_ref": (order.prepay_ref is not None) == (order.cash_fen > 0),
        "adds": all(one.kind in ADD_KINDS for one in order.adds),
        "reduces": all(one.kind in REDUCE_KINDS for one in order.reduces),
        "insured": insured is None or _is_whole(insured.order_id, insured.auth_no),
        "notice_url": 1 <= len(order.notice_url) <= 256,
    }
    bad = next((field for field, good in checks.items() if not good), None)
    return bad or amounts_fault(amounts)


def _is_whole(order_id: str, auth_no: str) -> bool:
    return 1 <= len(order_id) <= 64 and 1 <= len(auth_no) <= 40


def _type_of(order: MixedOrder) -> MixPayType:
    if order.insured is None:
        return MixPayType.CASH_ONLY
    return MixPayType.CASH_AND_INSURANCE if order.cash_fen else MixPayType.INSURANCE_ONLY


def _absent(trade_no: str) -> MixedPayment:
    return MixedPayment(
        trade_no=trade_no,
        mixed_ref=None,
        status=MixedStatus.ABSENT,
        cash=Leg.NONE,
        insured=Leg.NONE,
        total_fen=None,
        cash_fen=None,
        paid_at=None,
        why_failed=None,
    )


def _payment(found: MixedAnswer) -> Accepted[MixedPayment] | Unknown:
    """A state that no table lists, ``UNKNOWN_…`` among them, is Unknown; so is a paid whole with a
    leg that is not."""
    status = STATES.get(found.mix_pay_status)
    cash = CASH_LEGS.get(found.self_pay_status)
    insured = INSURED_LEGS.get(found.med_ins_pay_status)
    if status is None or cash is None or insured is None:
        return mapping.STATUS_UNLISTED
    if status is MixedStatus.PAID and not {cash, insured} <= {Leg.PAID, Leg.NONE, Leg.REFUNDED}:
        return mapping.ANSWER_INVALID
    if status is MixedStatus.REFUNDED and not {cash, insured} <= {Leg.REFUNDED, Leg.NONE}:
        return mapping.ANSWER_INVALID
    try:
        paid_at = parse_rfc3339(found.paid_time) if found.paid_time else None
    except ClockTextError:
        return mapping.ANSWER_INVALID
    return Accepted(
        MixedPayment(
            trade_no=found.out_trade_no,
            mixed_ref=found.mix_trade_no,
            status=status,
            cash=cash,
            insured=insured,
            total_fen=found.total_fee,
            cash_fen=found.wechat_pay_cash_fee,
            paid_at=paid_at,
            why_failed=found.med_ins_fail_reason,
        )
    )
