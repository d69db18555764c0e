"""Opens a notice: read the form once, verify, then check that it is for this merchant (5.7).

Raises only ``NoticeRefused``. Does not compare amounts with stored orders: the core does.
"""

from urllib.parse import parse_qsl

from integrations.alipay.mapping import TRADE_STATES, instant
from integrations.alipay.settings import AlipaySettings
from integrations.alipay.verifier import SignatureRefused, Verifier
from integrations.alipay.wire import WireInvalid, yuan_fen
from integrations.kit.clocktext import ClockTextError
from integrations.ports.payments import NoticeRefused, Payment, PaymentNotice, PaymentStatus

NOTICE_BYTES_MAX = 64 * 1024
FIELDS_MAX = 100
NUMBER_MAX = 128


def read_form(body: bytes) -> dict[str, str]:
    """A notice's parameters, decoded once, each standing once. Raises ``NoticeRefused``."""
    if len(body) > NOTICE_BYTES_MAX:
        raise NoticeRefused("too-large")
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            encoding="utf-8",
            errors="strict",
            max_num_fields=FIELDS_MAX,
        )
    except ValueError:
        raise NoticeRefused("unreadable") from None
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NoticeRefused("unreadable")
    return found


def read(*, settings: AlipaySettings, verifier: Verifier, body: bytes) -> PaymentNotice:
    """A verified notice about a trade in our words. Raises ``NoticeRefused``."""
    form = read_form(body)
    try:
        verifier.check_notice(form)
    except SignatureRefused as refused:
        raise NoticeRefused(refused.reason) from None
    if (form.get("app_id"), form.get("seller_id")) != (settings.app_id, settings.seller_id):
        raise NoticeRefused("other-merchant")
    if form.get("notify_type") != "trade_status_sync":
        raise NoticeRefused("event-unlisted")
    notice_id = form.get("notify_id", "")
    if not 1 <= len(notice_id) <= NUMBER_MAX:
        raise NoticeRefused("unreadable")
    return PaymentNotice(notice_id=notice_id, payment=_payment(form), refund=None)


def _payment(form: dict[str, str]) -> Payment:
    """The trade. One with a refund was paid, whatever its status is now (5.3)."""
    status = TRADE_STATES.get(form.get("trade_status", ""))
    if status is None:
        raise NoticeRefused("status-unlisted")
    trade_no, provider_ref = form.get("out_trade_no", ""), form.get("trade_no", "")
    try:
        amount_fen = yuan_fen(form.get("total_amount", ""))
        refunded_fen = yuan_fen(form["refund_fee"]) if form.get("refund_fee") else 0
        paid_at = instant(form.get("gmt_payment"))
    except (WireInvalid, ClockTextError):
        raise NoticeRefused("unreadable") from None
    if refunded_fen or form.get("gmt_refund"):
        status = PaymentStatus.REFUNDED
    needs_time = status in {PaymentStatus.PAID, PaymentStatus.REFUNDED}
    numbers_good = all(1 <= len(number) <= NUMBER_MAX for number in (trade_no, provider_ref))
    if not numbers_good or (needs_time and paid_at is None):
        raise NoticeRefused("unreadable")
    return Payment(
        trade_no=trade_no,
        status=status,
        provider_ref=provider_ref,
        amount_fen=amount_fen,
        paid_at=paid_at,
        payer=form.get("buyer_open_id") or form.get("buyer_id") or None,
    )
