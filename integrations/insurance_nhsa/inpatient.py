"""A stay in hospital at the bureau: implements ``InpatientGateway`` (dossier 1.8, 1.9)."""

import msgspec

from integrations.insurance_nhsa import (
    mapping,
    mapping_inpatient,
    reading,
    wire,
    wire_inpatient,
    wire_settlement,
)
from integrations.insurance_nhsa.answers import done, judged, read, reversal_of
from integrations.insurance_nhsa.envelope import Answer, AnswerUnreadable, text_of
from integrations.insurance_nhsa.messenger import Messenger
from integrations.insurance_nhsa.settings import NhsaSettings
from integrations.ports.insurance import CallId, Insured, Settled, Split
from integrations.ports.insurance_inpatient import (
    Admission,
    ChargeTaken,
    Discharge,
    Scope,
    StayCharge,
    StaySettle,
    StaySplit,
)
from integrations.ports.outcomes import Accepted, Outcome, Rejected


class NhsaInpatient:
    """``InpatientGateway`` over the national interface."""

    def __init__(self, settings: NhsaSettings, messenger: Messenger) -> None:
        self.code = settings.code
        self._settings = settings
        self._numbers = settings.transactions
        self._messenger = messenger

    async def admit(self, insured: Insured, admission: Admission, call: CallId) -> Outcome[str]:
        """2401."""
        node = mapping_inpatient.admission_input(insured, admission, None)
        heard = await self._messenger.tell(self._numbers.admit, node, call, insured)
        return read(heard, wire_inpatient.AdmissionOutput, _stay_ref)

    async def change_admission(
        self, insured: Insured, stay_ref: str, admission: Admission, call: CallId
    ) -> Outcome[None]:
        """2403."""
        node = mapping_inpatient.admission_input(insured, admission, stay_ref)
        number = self._numbers.change_admission
        return done(await self._messenger.tell(number, node, call, insured))

    async def cancel_admission(
        self, insured: Insured, stay_ref: str, call: CallId
    ) -> Outcome[None]:
        """2404."""
        node = mapping_inpatient.cancel_input(insured, stay_ref)
        number = self._numbers.cancel_admission
        return done(await self._messenger.tell(number, node, call, insured))

    async def discharge(
        self, insured: Insured, stay_ref: str, discharge: Discharge, call: CallId
    ) -> Outcome[None]:
        """2402."""
        node = mapping_inpatient.discharge_input(insured, stay_ref, discharge)
        return done(await self._messenger.tell(self._numbers.discharge, node, call, insured))

    async def cancel_discharge(
        self, insured: Insured, stay_ref: str, call: CallId
    ) -> Outcome[None]:
        """2405."""
        node = mapping_inpatient.cancel_input(insured, stay_ref)
        number = self._numbers.cancel_discharge
        return done(await self._messenger.tell(number, node, call, insured))

    async def upload_charges(
        self,
        insured: Insured,
        stay_ref: str,
        admission: Admission,
        lines: list[StayCharge],
        call: CallId,
    ) -> Outcome[list[ChargeTaken]]:
        """2301, one message. More lines than fit are refused unsent."""
        if not 0 < len(lines) <= mapping.BATCH_LINES_MAX:
            return Rejected(reason="batch-size", provider_code="", provider_text="")
        node = mapping_inpatient.charges_input(insured, stay_ref, admission, lines, self._settings)
        number = self._numbers.upload_stay_charges
        heard = await self._messenger.tell(number, node, call, insured)
        sent = [line.line_no for line in lines]
        return read(heard, wire.ChargesOutput, lambda found: reading.charges_taken(found, sent))

    async def withdraw_charges(
        self, insured: Insured, stay_ref: str, line_no: str | None, call: CallId
    ) -> Outcome[None]:
        """2302."""
        node = mapping_inpatient.withdraw_input(insured, stay_ref, line_no)
        number = self._numbers.withdraw_stay_charges
        return done(await self._messenger.tell(number, node, call, insured))

    async def presettle(self, request: StaySplit, call: CallId) -> Outcome[Split]:
        """2303. Amounts that contradict are Unknown ``answer-contradicts``."""
        node = mapping_inpatient.settle_input(request, "", self._settings)
        number, region = self._numbers.presettle_stay, request.insured.region
        heard = await self._messenger.ask(number, node, call, region=region)
        return judged(
            heard,
            wire_settlement.SettleOutput,
            lambda found: reading.split_of(*reading.setlinfo_in(found), request.total_fen),
        )

    async def settle(self, request: StaySettle, call: CallId) -> Outcome[Settled]:
        """2304. The four parts are those that the pre-settlement promised."""
        asked, promised = request.split, request.promised
        scope = Scope(
            full_own_fen=promised.full_own_fen,
            over_limit_fen=promised.over_limit_fen,
            first_pay_fen=promised.first_pay_fen,
            in_scope_fen=promised.in_scope_fen,
        )
        told = msgspec.structs.replace(asked, scope=scope)
        node = mapping_inpatient.settle_input(told, request.invoice_no, self._settings)
        heard = await self._messenger.tell(self._numbers.settle_stay, node, call, asked.insured)
        return judged(
            heard,
            wire_settlement.SettleOutput,
            lambda found: reading.settled_of(
                *reading.setlinfo_in(found), total_fen=asked.total_fen, visit_ref=asked.stay_ref
            ),
        )

    async def reverse(
        self, insured: Insured, stay_ref: str, settlement_ref: str, call: CallId
    ) -> Outcome[str]:
        """2305."""
        node = mapping.reverse_input(insured, stay_ref, settlement_ref)
        heard = await self._messenger.tell(self._numbers.reverse_stay, node, call, insured)
        return reversal_of(heard, settlement_ref)

    async def undo_uncertain(
        self, insured: Insured, of_call: CallId, of_kind: str, call: CallId
    ) -> Outcome[None]:
        """2601."""
        kinds = {
            "admit": self._numbers.admit,
            "settle": self._numbers.settle_stay,
            "reverse": self._numbers.reverse_stay,
        }
        node = mapping.undo_input(insured, of_call, kinds[of_kind])
        return done(await self._messenger.tell(self._numbers.undo, node, call, insured))

    async def find_settlements(
        self, insured: Insured, stay_ref: str, call: CallId
    ) -> Outcome[list[Settled]]:
        """5203 by the stay's number."""
        node = wire_settlement.FindSettlementInput(
            data=wire_settlement.FindSettlementData(
                psn_no=insured.person_no, setl_id="", mdtrt_id=stay_ref
            )
        )
        number, region = self._numbers.find_settlement, insured.region
        heard = await self._messenger.ask(number, node, call, region=region)
        if isinstance(heard, Answer) and not heard.output:
            return Accepted([])
        return judged(
            heard,
            wire_settlement.FindSettlementOutput,
            lambda found: reading.live_settlements(found, stay_ref),
        )


def _stay_ref(found: wire_inpatient.AdmissionOutput) -> str:
    """The stay's number. Raises ``AnswerUnreadable``."""
    node = found.result
    number = text_of(node.mdtrt_id) if isinstance(node, wire_inpatient.AdmissionNumber) else ""
    if not number:
        raise AnswerUnreadable("no number of the stay in the answer")
    return number
