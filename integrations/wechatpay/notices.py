"""Opens a notice: verify, decode, unseal, decode, then check that it is for this merchant (3.1).

Raises only ``NoticeRefused``. Does not compare amounts with stored orders: the core does.
"""

from collections.abc import Mapping
from datetime import datetime

from integrations.ports.outcomes import Accepted, T
from integrations.ports.payments import NoticeRefused, Payment, PaymentNotice, Refund
from integrations.wechatpay.certificates import open_resource
from integrations.wechatpay.mapping import payment_of, refund_of
from integrations.wechatpay.party import Party
from integrations.wechatpay.sealing import SealBroken
from integrations.wechatpay.settings import WechatPayKeys
from integrations.wechatpay.verifier import SignatureRefused
from integrations.wechatpay.wire import (
    NoticeEnvelope,
    RefundNotice,
    SealedResource,
    Transaction,
    WireInvalid,
    decode,
)

NOTICE_BYTES_MAX = 256 * 1024

PAYMENT_EVENTS = {"TRANSACTION.SUCCESS": "SUCCESS"}
REFUND_EVENTS = {
    "REFUND.SUCCESS": "SUCCESS",
    "REFUND.ABNORMAL": "ABNORMAL",
    "REFUND.CLOSED": "CLOSED",
}
"""Event and the state its content must show."""


def unseal(
    keys: WechatPayKeys, headers: Mapping[str, str], body: bytes, at: datetime
) -> tuple[NoticeEnvelope, bytes]:
    """The envelope and the opened content of a verified notice. Raises ``NoticeRefused``."""
    if len(body) > NOTICE_BYTES_MAX:
        raise NoticeRefused("too-large")
    try:
        keys.verifier.check(headers, body, at)
    except SignatureRefused as refused:
        raise NoticeRefused(refused.reason) from None
    try:
        envelope = decode(body, NoticeEnvelope)
    except WireInvalid:
        raise NoticeRefused("unreadable") from None
    return envelope, _open(keys, envelope.resource)


def read(
    *,
    keys: WechatPayKeys,
    party: Party,
    headers: Mapping[str, str],
    body: bytes,
    at: datetime,
) -> PaymentNotice:
    """A verified payment or refund notice in our words. Raises ``NoticeRefused``."""
    envelope, content = unseal(keys, headers, body, at)
    if envelope.event_type in PAYMENT_EVENTS:
        transaction = _decode(content, Transaction)
        if not party.owns(transaction):
            raise NoticeRefused("other-merchant")
        if transaction.trade_state != PAYMENT_EVENTS[envelope.event_type]:
            raise NoticeRefused("content-contradicts")
        payment = payment_of(transaction)
        if not isinstance(payment, Accepted):
            raise NoticeRefused("unreadable")
        return _notice(envelope, payment.value, None)
    if envelope.event_type in REFUND_EVENTS:
        refund_notice = _decode(content, RefundNotice)
        if not party.owns_refund(refund_notice):
            raise NoticeRefused("other-merchant")
        if refund_notice.refund_status != REFUND_EVENTS[envelope.event_type]:
            raise NoticeRefused("content-contradicts")
        refund = refund_of(refund_notice)
        if not isinstance(refund, Accepted):
            raise NoticeRefused("unreadable")
        return _notice(envelope, None, refund.value)
    raise NoticeRefused("event-unlisted")


def _notice(
    envelope: NoticeEnvelope, payment: Payment | None, refund: Refund | None
) -> PaymentNotice:
    return PaymentNotice(notice_id=envelope.id, payment=payment, refund=refund)


def _open(keys: WechatPayKeys, resource: SealedResource) -> bytes:
    if resource.algorithm != keys.algorithm:
        raise NoticeRefused("algorithm-unlisted")
    try:
        return open_resource(keys, resource)
    except SealBroken:
        raise NoticeRefused("seal-broken") from None


def _decode(content: bytes, kind: type[T]) -> T:
    try:
        return decode(content, kind)
    except WireInvalid:
        raise NoticeRefused("unreadable") from None
