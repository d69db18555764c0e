"""``InvoiceGateway`` over the fiscal e-invoice platform: issue, find, write off, standing.

Packs, signs, sends once, verifies, maps. No retries, no database. The answer echoes neither our
noise nor our number, so only the private line keeps two answers from being swapped; an answer to
``getEBillStatesByBillInfo`` must name the invoice that was asked about.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from integrations.fiscal_invoice import mapping, wire
from integrations.fiscal_invoice.settings import FiscalInvoiceSettings
from integrations.fiscal_invoice.signing import (
    SUCCESS,
    InvoiceAnswer,
    InvoiceMessage,
    pack,
    read_answer,
)
from integrations.kit.clocktext import ClockTextError
from integrations.kit.transport import Answer, ProviderFault, Transport, outcome_of
from integrations.ports.invoices import Invoice, InvoiceOrder, InvoiceStanding, WriteOffOrder
from integrations.ports.outcomes import Accepted, NotSent, Outcome, Rejected, Unknown

PATH = "/api/medical/"
REASON_MAX = 200
T = TypeVar("T")
K = TypeVar("K")
Told = InvoiceAnswer | NotSent | Unknown


class FiscalInvoiceGateway:
    """One institution's line. ``nonce`` gives a text that is never given twice."""

    code = "fiscal-invoice"

    def __init__(
        self, settings: FiscalInvoiceSettings, transport: Transport, nonce: Callable[[], str]
    ) -> None:
        self._settings = settings
        self._transport = transport
        self._nonce = nonce
        self._base = settings.base_url.rstrip("/") + PATH

    async def issue(self, order: InvoiceOrder) -> Outcome[Invoice]:
        """``invoiceEBillOutpatient``, of a discharge ``invEBillHospitalized``. The same order again
        makes the same business node."""
        fault = mapping.order_fault(self._settings, order)
        if fault is not None:
            return _refused_here(fault)
        stay = order.visit.stay
        if stay is None:
            bill = mapping.outpatient_bill(self._settings, order)
            answer = await self._ask("invoiceEBillOutpatient", bill)
        else:
            discharge = mapping.hospitalized_bill(self._settings, order, stay)
            answer = await self._ask("invEBillHospitalized", discharge)
        if isinstance(answer, InvoiceAnswer) and answer.result != SUCCESS:
            return _refusal(answer)
        return _told(answer, wire.IssuedAnswer, mapping.invoice_of)

    async def find(self, business_no: str, at: datetime) -> Outcome[Invoice | None]:
        """``getEBillByBusNo``. An absence counts only under a code that the settings name."""
        body = wire.FindBody(busNo=business_no, busDateTime=mapping.instant_text(at))
        answer = await self._ask("getEBillByBusNo", body)
        if isinstance(answer, InvoiceAnswer) and answer.result != SUCCESS:
            is_absent = answer.result in self._settings.absent_codes
            return Accepted(None) if is_absent else mapping.STATUS_UNLISTED
        found = _told(answer, wire.IssuedAnswer, mapping.invoice_of)
        return Accepted(found.value) if isinstance(found, Accepted) else found

    async def write_off(self, order: WriteOffOrder) -> Outcome[Invoice]:
        """``writeOffEBill``: the whole invoice, by a red one."""
        if not 1 <= len(order.reason) <= REASON_MAX:
            return _refused_here("reason")
        body = wire.WriteOffBody(
            billBatchCode=order.code,
            billNo=order.number,
            reason=order.reason,
            operator=self._settings.author,
            busDateTime=mapping.instant_text(order.at),
            placeCode=self._settings.place_code,
        )
        answer = await self._ask("writeOffEBill", body)
        if isinstance(answer, InvoiceAnswer) and answer.result != SUCCESS:
            return _refusal(answer)
        return _told(answer, wire.WrittenOffAnswer, mapping.red_invoice_of)

    async def read_standing(self, code: str, number: str) -> Outcome[InvoiceStanding]:
        """``getEBillStatesByBillInfo``."""
        body = wire.StatesBody(billBatchCode=code, billNo=number)
        answer = await self._ask("getEBillStatesByBillInfo", body)
        if isinstance(answer, InvoiceAnswer) and answer.result != SUCCESS:
            return mapping.STATUS_UNLISTED
        told = _told(answer, wire.StatesAnswer, lambda found: found)
        if not isinstance(told, Accepted):
            return told
        if (told.value.billBatchCode, told.value.billNo) != (code, number):
            return mapping.ANSWER_INVALID
        standing = mapping.standing_of(told.value)
        return mapping.STATUS_UNLISTED if standing is None else Accepted(standing)

    async def _ask(self, method: str, body: msgspec.Struct) -> Told:
        """One exchange; an answer that comes back from here is signed with our key."""
        message = pack(
            appid=self._settings.appid,
            key=self._settings.key,
            noise=self._nonce(),
            plain=msgspec.to_builtins(body),
        )
        try:
            answer = await self._transport.send(
                method="POST",
                url=self._base + method,
                headers={"Content-Type": "application/json;charset=UTF-8"},
                content=msgspec.json.encode(message),
            )
        except ProviderFault as fault:
            return outcome_of(fault)
        return self._open(answer)

    def _open(self, answer: Answer) -> InvoiceAnswer | Unknown:
        if answer.status >= 500:
            return Unknown("provider-fault")
        if answer.status == 429:
            return Unknown("too-often")
        if answer.status != 200:
            return mapping.STATUS_UNLISTED
        try:
            message = msgspec.json.decode(answer.body, type=InvoiceMessage)
            if message.appid != self._settings.appid:
                return mapping.ANSWER_INVALID
            return read_answer(message, self._settings.key)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return mapping.ANSWER_INVALID


def _told(answer: Told, kind: type[K], read: Callable[[K], T]) -> Accepted[T] | NotSent | Unknown:
    """A success in our words."""
    if not isinstance(answer, InvoiceAnswer):
        return answer
    try:
        return Accepted(read(wire.read(answer.content, kind)))
    except (wire.WireInvalid, ClockTextError):
        return mapping.ANSWER_INVALID


def _refusal(answer: InvoiceAnswer) -> Rejected:
    """No public list of codes exists: a signed answer that is not success did nothing."""
    text: Any = answer.content
    return Rejected(
        reason="refused-by-owner",
        provider_code=answer.result[:64],
        provider_text=text[:256] if isinstance(text, str) else "",
    )


def _refused_here(field: str) -> Rejected:
    """A request that the partner's field table excludes is not sent at all."""
    return Rejected(reason="request-invalid", provider_code="", provider_text=field)
