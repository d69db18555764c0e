"""Invoices in the partner's words and back: literal tables, exact texts, no I/O.

``totalAmt = fundPay + accountPay + selfCashPay`` plus what the hospital bears, which stands in
``otherInfo`` and is counted with insurance among the channels (dossier section 8; unconfirmed).
"""

from datetime import date, datetime, timedelta
from typing import Any

from integrations.fiscal_invoice import wire
from integrations.fiscal_invoice.settings import ChargeGroup, FiscalInvoiceSettings
from integrations.kit.clocktext import ClockTextError, beijing_day, compact_text, parse_compact
from integrations.ports.insurance import ChargeLine
from integrations.ports.invoices import (
    Invoice,
    InvoiceOrder,
    InvoiceStanding,
    InvoiceStay,
    InvoiceTender,
)
from integrations.ports.money import FEN_MAX, yuan_text
from integrations.ports.outcomes import Unknown

ANSWER_INVALID = Unknown("answer-invalid")
STATUS_UNLISTED = Unknown("status-unlisted")

INSURANCE_CHANNEL = "11"
CHANNELS = {
    "cash": "02",
    "alipay": "04",
    "wechatpay": "05",
    "pos": "07",
    "unionpay": "07",
}
"""Who took the cash part, by our word for the provider."""
DEPOSIT, PAYMENT_CENTRE, COVER = "deposit", "mobile_centre", "cover"

CARE_TYPES = {
    "310": ("01", "职工基本医疗保险"),
    "320": ("01", "职工基本医疗保险"),
    "330": ("01", "职工基本医疗保险"),
    "370": ("01", "职工基本医疗保险"),
    "380": ("02", "居民基本医疗保险"),
    "390": ("02", "居民基本医疗保险"),
    "391": ("02", "居民基本医疗保险"),
    "392": ("02", "居民基本医疗保险"),
    "340": ("06", "全公费"),
    "360": ("06", "全公费"),
}
SELF_PAID = ("07", "全自费")
OTHER_CARE = ("99", "其他")
SEXES = {"M": "男", "F": "女"}
VALID, VOID = "1", "2"


def instant_text(at: datetime) -> str:
    """``yyyyMMddHHmmssSSS`` in Beijing time."""
    return f"{compact_text(at)}{at.microsecond // 1000:03d}"


def parse_instant(text: str) -> datetime | None:
    """The instant of ``yyyyMMddHHmmssSSS``; None where nothing is told. ``ClockTextError``."""
    if not text:
        return None
    if len(text) != 17 or not text[14:].isdecimal() or not text.isascii():
        raise ClockTextError("not yyyyMMddHHmmssSSS")
    return parse_compact(text[:14]) + timedelta(milliseconds=int(text[14:]))


def order_fault(settings: FiscalInvoiceSettings, order: InvoiceOrder) -> str | None:
    """The first field that the partner's table or the sums of the order exclude, or None."""
    amounts = order.amounts
    parts = (amounts.fund_fen, amounts.account_fen, amounts.cash_fen, amounts.hospital_fen)
    lines = [line.amount_fen for line in order.lines]
    checks = {
        "business_no": 1 <= len(order.business_no) <= 50,
        "payer": 1 <= len(order.payer.name) <= 100,
        "id_type": order.payer.id_type in settings.card_types,
        "id_no": 1 <= len(order.payer.id_no) <= 50,
        "amounts": all(0 <= part <= FEN_MAX for part in (*parts, *lines))
        and 0 < amounts.total_fen == sum(parts),
        "lines": sum(lines) == amounts.total_fen,
        "tenders": all(_channel(settings, one) and one.amount_fen > 0 for one in order.tenders)
        and sum(one.amount_fen for one in order.tenders) == amounts.cash_fen,
    }
    return next((field for field, good in checks.items() if not good), None)


def outpatient_bill(settings: FiscalInvoiceSettings, order: InvoiceOrder) -> wire.OutpatientBill:
    """The request; the same order always gives the same bytes."""
    visit = order.visit
    return wire.OutpatientBill(
        **_any_bill(settings, order),
        busType=wire.OUTPATIENT,
        consultationDate=f"{beijing_day(visit.began_at):%Y%m%d}",
        patientCategory=visit.department_name,
        patientCategoryCode=visit.department_no,
    )


def hospitalized_bill(
    settings: FiscalInvoiceSettings, order: InvoiceOrder, stay: InvoiceStay
) -> wire.HospitalizedBill:
    """The request of a discharge; the same order always gives the same bytes."""
    visit = order.visit
    return wire.HospitalizedBill(
        **_any_bill(settings, order),
        busType=wire.HOSPITALIZED,
        category=visit.department_name,
        categoryCode=visit.department_no,
        leaveCategory=visit.department_name,
        leaveCategoryCode=visit.department_no,
        caseNumber=stay.stay_no,
        inHospitalDate=f"{beijing_day(visit.began_at):%Y-%m-%d}",
        outHospitalDate=f"{beijing_day(stay.ended_at):%Y-%m-%d}",
        otherfundPay=yuan_text(0),
    )


def _any_bill(settings: FiscalInvoiceSettings, order: InvoiceOrder) -> dict[str, Any]:
    """What every kind of bill names alike."""
    payer, amounts = order.payer, order.amounts
    care_code, care_name = _care(payer.insurance_type)
    return {
        "busNo": order.business_no,
        "payer": payer.name,
        "busDateTime": instant_text(order.at),
        "placeCode": settings.place_code,
        "payee": settings.payee,
        "author": settings.author,
        "checker": settings.checker,
        "totalAmt": yuan_text(amounts.total_fen),
        "cardType": settings.card_types[payer.id_type],
        "cardNo": payer.id_no,
        "medicalInsuranceID": payer.person_no,
        "medCareTypeCode": care_code,
        "medicalCareType": care_name,
        "patientNo": order.visit.visit_no,
        "sex": SEXES.get(payer.sex, "未知"),
        "age": _age(payer.birth_date, beijing_day(order.at)),
        "accountPay": yuan_text(amounts.account_fen),
        "fundPay": yuan_text(amounts.fund_fen),
        "ownPay": yuan_text(amounts.full_own_fen),
        "selfConceitedAmt": yuan_text(0),
        "selfPayAmt": yuan_text(amounts.first_pay_fen),
        "selfCashPay": yuan_text(amounts.cash_fen),
        "reimbursementAmt": yuan_text(amounts.fund_fen),
        "balancedNumber": order.insurance_ref,
        "otherInfo": _burden(amounts.hospital_fen),
        "payChannelDetail": _channels(settings, order),
        "isArrears": "0",
        "chargeDetail": _charges(settings, order),
        "listDetail": [_line(settings, line) for line in order.lines],
    }


def invoice_of(answer: wire.IssuedAnswer) -> Invoice:
    """An invoice in our words. Raises ``ClockTextError``."""
    return Invoice(
        code=answer.billBatchCode,
        number=answer.billNo,
        check_code=answer.random,
        issued_at=parse_instant(answer.createTime),
        download_url=answer.pictureNetUrl or answer.pictureUrl or None,
    )


def red_invoice_of(answer: wire.WrittenOffAnswer) -> Invoice:
    """The red invoice in our words. Raises ``ClockTextError``."""
    return Invoice(
        code=answer.eScarletBillBatchCode,
        number=answer.eScarletBillNo,
        check_code=answer.eScarletRandom,
        issued_at=parse_instant(answer.createTime),
        download_url=answer.pictureNetUrl or answer.pictureUrl or None,
    )


def standing_of(answer: wire.StatesAnswer) -> InvoiceStanding | None:
    """Where an invoice stands; None for a state that no table lists."""
    if answer.isScarlet == "1" and answer.scarletBillNo and answer.scarletBillBatchCode:
        red = Invoice(
            code=answer.scarletBillBatchCode,
            number=answer.scarletBillNo,
            check_code=answer.scarletRandom,
            issued_at=None,
            download_url=None,
        )
        return InvoiceStanding(is_valid=False, red=red)
    if answer.isScarlet != "0" or answer.state not in {VALID, VOID}:
        return None
    return InvoiceStanding(is_valid=answer.state == VALID, red=None)


def _care(insurance_type: str | None) -> tuple[str, str]:
    return SELF_PAID if insurance_type is None else CARE_TYPES.get(insurance_type, OTHER_CARE)


def _age(birth_date: date | None, today: date) -> str:
    if birth_date is None:
        return ""
    before_birthday = (today.month, today.day) < (birth_date.month, birth_date.day)
    return str(today.year - birth_date.year - before_birthday)


def _burden(hospital_fen: int) -> list[wire.OtherInfo] | None:
    if hospital_fen == 0:
        return None
    return [wire.OtherInfo(infoNo="1", infoName="医院负担金额", infoValue=yuan_text(hospital_fen))]


def _channel(settings: FiscalInvoiceSettings, one: InvoiceTender) -> str:
    """The platform's code of who took it; empty where none is known."""
    own = {
        DEPOSIT: settings.deposit_channel,
        PAYMENT_CENTRE: settings.centre_channel,
        COVER: settings.cover_channel,
    }
    return (own | CHANNELS).get(one.provider, "")


def _channels(settings: FiscalInvoiceSettings, order: InvoiceOrder) -> list[wire.PayChannel]:
    amounts = order.amounts
    insured = amounts.fund_fen + amounts.account_fen + amounts.hospital_fen
    sums = {INSURANCE_CHANNEL: insured}
    for one in order.tenders:
        code = _channel(settings, one)
        sums[code] = sums.get(code, 0) + one.amount_fen
    return [
        wire.PayChannel(payChannelCode=code, payChannelValue=yuan_text(part))
        for code, part in sums.items()
        if part
    ]


def _group(settings: FiscalInvoiceSettings, line: ChargeLine) -> ChargeGroup:
    for group in settings.groups:
        if line.catalogue_code.startswith(group.prefixes):
            return group
    return settings.other_group


def _charges(settings: FiscalInvoiceSettings, order: InvoiceOrder) -> list[wire.ChargeDetail]:
    """One row a kind of charge, in the order in which the bill first names them."""
    sums: dict[tuple[str, str], int] = {}
    for line in order.lines:
        group = _group(settings, line)
        key = (group.code, group.name)
        sums[key] = sums.get(key, 0) + line.amount_fen
    # The bureau tells its parts for the whole bill alone: with several kinds nobody can say.
    own_fen = order.amounts.full_own_fen if len(sums) == 1 else 0
    return [
        wire.ChargeDetail(
            sortNo=number,
            chargeCode=code,
            chargeName=name,
            unit=settings.unit,
            std=yuan_text(amount),
            number="1",
            amt=yuan_text(amount),
            selfAmt=yuan_text(own_fen),
        )
        for number, ((code, name), amount) in enumerate(sums.items(), 1)
    ]


def _line(settings: FiscalInvoiceSettings, line: ChargeLine) -> wire.ListDetail:
    group = _group(settings, line)
    return wire.ListDetail(
        listDetailNo=line.line_no,
        chargeCode=group.code,
        chargeName=group.name,
        code=line.catalogue_code or line.local_code,
        name=line.name,
        unit=settings.unit,
        std=_scaled_text(_half_up(line.unit_price_e6, 100), 4),
        number=_scaled_text(_half_up(line.quantity_e4, 100), 2),
        amt=yuan_text(line.amount_fen),
        selfAmt=yuan_text(0),
    )


def _half_up(value: int, unit: int) -> int:
    """The wire has fewer places than a bill: rounded half up, the amount stays exact beside it."""
    return (value + unit // 2) // unit


def _scaled_text(value: int, places: int) -> str:
    whole, part = divmod(value, 10**places)
    return f"{whole}.{part:0{places}d}"
