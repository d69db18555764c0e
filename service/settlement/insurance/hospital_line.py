"""The line to a bureau that the hospital's own machine keeps: it is asked, and reports.

What only prepares a bureau (visit, diagnoses, charges) goes with the question how the bill divides;
so it is answered here, and a ``presettle`` tells everything. A withdrawal is asked where the
hospital has such a question. Nothing is asked about a call that it surely never had.
"""

from typing import Any

from integrations.ports.insurance import (
    CallId,
    ChargeLine,
    Insured,
    Settled,
    SettleRequest,
    Split,
    SplitRequest,
    Visit,
)
from integrations.ports.outcomes import Accepted, NotSent, Outcome, Rejected, Unknown
from service.bill import actions as bill
from service.kernel.context import Context
from service.person import actions as person
from service.settlement.asks import asking
from service.settlement.asks.model import AskContent, AskedPerson, AskKind, Result, Told
from service.settlement.model import DoubtPhase, Progress, Settlement

REFUSED = "hospital-refused"
SETTLE, REVERSE, ADMIT = "settle", "reverse", "admit"
"""Kinds of a call in doubt."""


class HospitalLine:
    """The hospital's own machine, for one settlement as far as it got."""

    code = "hospital"

    def __init__(self, ctx: Context, row: Settlement, progress: Progress) -> None:
        self._ctx = ctx
        self._row = row
        self._progress = progress

    async def register_visit(
        self,
        insured: Insured,
        visit: Visit,
        call: CallId,
    ) -> Outcome[str]:
        """Nobody is asked."""
        return Accepted(visit.visit_no)

    async def upload_diagnoses(
        self,
        insured: Insured,
        visit_ref: str,
        visit: Visit,
        call: CallId,
    ) -> Outcome[None]:
        """Nobody is asked."""
        return Accepted(None)

    async def reopen(self, insured: Insured, visit_ref: str, call: CallId) -> Outcome[None]:
        """The hospital reports its stays itself."""
        return Accepted(None)

    async def upload_charges(
        self,
        insured: Insured,
        visit_ref: str,
        batch_no: str,
        visit: Visit,
        lines: list[ChargeLine],
        call: CallId,
    ) -> Outcome[Any]:
        """Nobody is asked."""
        return Accepted(None)

    async def withdraw_charges(
        self,
        insured: Insured,
        visit_ref: str,
        batch_no: str,
        call: CallId,
    ) -> Outcome[None]:
        """What was divided is given up."""
        if not await asking.reached_hospital(self._ctx, self._row):
            return Accepted(None)
        return _nothing(await self._ask(call, AskKind.WITHDRAW, self._content()))

    async def cancel_visit(
        self,
        insured: Insured,
        visit_ref: str,
        visit_no: str,
        call: CallId,
    ) -> Outcome[None]:
        """The hospital's visit is its own."""
        return Accepted(None)

    async def presettle(self, request: SplitRequest, call: CallId) -> Outcome[Split]:
        """Who, what and how much: all that the hospital needs to have it divided."""
        charged = await bill.read(self._ctx, self._row.record_id, self._row.bill_id)
        patient = await person.read(self._ctx, self._row.record_id)
        told = await self._ask(
            call,
            AskKind.PRESETTLE,
            self._content(
                use_account=request.use_account,
                insured=AskedPerson(
                    name=patient.name.reveal(),
                    id_no=patient.citizen_no.reveal(),
                    person_no=request.insured.person_no,
                    insurance_type=request.insured.insurance_type,
                    region=request.insured.region,
                ),
                visit=charged.visit,
                stay=charged.stay,
                lines=charged.lines,
            ),
        )
        if isinstance(told, Told) and told.result is Result.DONE and told.split is not None:
            return Accepted(told.split)
        return _not_done(told)

    async def settle(self, request: SettleRequest, call: CallId) -> Outcome[Settled]:
        """As it was divided."""
        content = self._content(use_account=request.split.use_account, promised=request.promised)
        told = await self._ask(call, AskKind.SETTLE, content)
        if isinstance(told, Told) and told.result is Result.DONE and told.settled is not None:
            return Accepted(told.settled)
        return _not_done(told)

    async def reverse(
        self,
        insured: Insured,
        visit_ref: str,
        settlement_ref: str,
        call: CallId,
    ) -> Outcome[str]:
        """Revoke by the bureau's number."""
        content = self._content(settlement_ref=settlement_ref)
        told = await self._ask(call, AskKind.REVERSE, content)
        if isinstance(told, Told) and told.result is Result.DONE and told.reversal_ref is not None:
            return Accepted(told.reversal_ref)
        return _not_done(told)

    async def undo_uncertain(
        self,
        insured: Insured,
        of_call: CallId,
        of_kind: str,
        call: CallId,
    ) -> Outcome[None]:
        """Of what the hospital never had, or refused, there is nothing to undo."""
        if of_kind == ADMIT:
            return Accepted(None)
        standing = await asking.revoke(self._ctx, self._row, of_call, AskKind(of_kind))
        if await asking.is_nothing_done(self._ctx, standing):
            return Accepted(None)
        content = self._content(of_kind=of_kind)
        return _nothing(await self._ask(call, AskKind.UNDO, content, of_call.message_no))

    async def find_settlement(
        self,
        insured: Insured,
        visit_ref: str,
        call: CallId,
    ) -> Outcome[Settled | None]:
        """What our own rows tell for certain is not asked."""
        known = await self._known()
        if known is not None:
            return known
        told = await self._ask(call, AskKind.FIND, self._content())
        if isinstance(told, Told) and told.result is Result.DONE:
            return Accepted(told.settled)
        return _not_done(told)

    async def _known(self) -> Accepted[Settled | None] | None:
        """Whether a settlement stands, as far as the call in doubt tells by itself.

        A late answer counts until the call was undone.
        """
        doubt = self._progress.doubt
        if doubt is None or doubt.kind == ADMIT:
            return None
        of_kind = AskKind(doubt.kind)
        standing = await asking.revoke(self._ctx, self._row, doubt.call, of_kind)
        settling = of_kind is AskKind.SETTLE
        if await asking.is_nothing_done(self._ctx, standing):
            return Accepted(None if settling else self._progress.settled)
        told = await asking.told_of(self._ctx, standing)
        if told is None or told.result is not Result.DONE or doubt.phase is not DoubtPhase.ASK:
            return None
        return Accepted(told.settled if settling else None)

    def _content(self, **more: Any) -> AskContent:
        progress = self._progress
        return AskContent(
            bill_no=progress.bill_no,
            bill_version=self._row.bill_version,
            bill_kind=progress.kind.value,
            **more,
        )

    async def _ask(
        self, call: CallId, kind: AskKind, content: AskContent, of_no: str | None = None
    ) -> Told | NotSent | Unknown:
        return await asking.ask(self._ctx, self._row, call, kind, content, of_no)


def _nothing(told: Told | NotSent | Unknown) -> Outcome[None]:
    """Of what has no answer but that it is done."""
    if isinstance(told, Told) and told.result is Result.DONE:
        return Accepted(None)
    return _not_done(told)


def _not_done(told: Told | NotSent | Unknown) -> Rejected | NotSent | Unknown:
    if not isinstance(told, Told):
        return told
    if told.result is Result.REFUSED:
        return Rejected(reason=REFUSED, provider_code=told.code, provider_text=told.text)
    return Unknown("answer-lost")
