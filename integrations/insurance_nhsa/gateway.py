"""One institution's line to its bureau: implements ``InsuranceGateway`` (dossier 1).

Owns which transaction a question becomes and which of our words its answer is. The outer message
and the sign-in are the messenger's, the fields ``mapping``'s and ``reading``'s.
"""

from collections.abc import Callable
from typing import TypeVar

import msgspec

from integrations.insurance_nhsa import (
    clearing,
    mapping,
    reading,
    wire,
    wire_clearing,
    wire_settlement,
)
from integrations.insurance_nhsa.answers import done, judged, read, reversal_of
from integrations.insurance_nhsa.credential import (
    BUSINESS_TYPES,
    TEXT_MAX,
    authorisation_in,
    credential_request,
    decoded,
    face_request,
    read_credential_answer,
)
from integrations.insurance_nhsa.envelope import Answer, AnswerUnreadable, text_of
from integrations.insurance_nhsa.messenger import Line, Messenger, Sources, unusual
from integrations.insurance_nhsa.settings import NhsaSettings
from integrations.insurance_nhsa.signin import SignDesk
from integrations.insurance_nhsa.signing import TifSigner
from integrations.insurance_nhsa.wire_credential import CredentialAnswer, CredentialRequest
from integrations.kit import transport
from integrations.ports.insurance import (
    CallId,
    ChargeLine,
    ClearingCalls,
    ClearingLines,
    ClearingTotals,
    CredentialScan,
    DecodedCredential,
    Insured,
    InsuredPerson,
    LineDifference,
    PersonQuery,
    Settled,
    SettleRequest,
    Split,
    SplitRequest,
    TotalsVerdict,
    Visit,
)
from integrations.ports.outcomes import Accepted, Outcome, Rejected, Unknown

T = TypeVar("T")


class NhsaGateway:
    """``InsuranceGateway`` over the national interface."""

    def __init__(
        self,
        settings: NhsaSettings,
        line: Line,
        signer: TifSigner,
        sources: Sources,
        desk: SignDesk,
    ) -> None:
        self.code = settings.code
        self._settings = settings
        self._numbers = settings.transactions
        self._messenger = Messenger(settings, line, signer, sources, desk)

    async def decode_credential(
        self,
        scan: CredentialScan,
        call: CallId,  # noqa: ARG002 - ec.query carries no number
    ) -> Outcome[DecodedCredential]:
        """ec.query. A read; a code other than 0 is Rejected as ``credential-refused``."""
        if scan.purpose not in BUSINESS_TYPES or not 0 < len(scan.text) <= TEXT_MAX:
            return Rejected(reason="credential-malformed", provider_code="", provider_text="")
        return await self._decode(credential_request(scan, self._settings), decoded)

    async def start_face(self, purpose: str, call: CallId) -> Outcome[str]:
        """cn.nhsa.ec.auth. Changes nothing; may be repeated under a new number."""
        if purpose not in BUSINESS_TYPES:
            return Rejected(reason="credential-malformed", provider_code="", provider_text="")
        request = face_request(purpose, None, self._settings, call)
        return await self._decode(request, authorisation_in)

    async def take_face(
        self, authorisation: str, purpose: str, call: CallId
    ) -> Outcome[DecodedCredential]:
        """cn.nhsa.auth.check. An authorisation serves once; after a lost answer start anew."""
        if purpose not in BUSINESS_TYPES or not 0 < len(authorisation) <= TEXT_MAX:
            return Rejected(reason="credential-malformed", provider_code="", provider_text="")
        request = face_request(purpose, authorisation, self._settings, call)
        return await self._decode(request, decoded)

    async def _decode(
        self,
        request: CredentialRequest,
        judge: Callable[[CredentialAnswer], Accepted[T] | Rejected | Unknown],
    ) -> Outcome[T]:
        try:
            answer = await self._messenger.line.send(
                method="POST",
                url=self._settings.credential_url,
                headers={"Content-Type": "application/json"},
                content=msgspec.json.encode(request),
            )
            if answer.status != 200:
                return unusual(answer.status)
            return judge(read_credential_answer(answer.body))
        except transport.ProviderFault as fault:
            return transport.outcome_of(fault)
        except AnswerUnreadable:
            return Unknown("answer-invalid")

    async def read_person(self, query: PersonQuery, call: CallId) -> Outcome[InsuredPerson]:
        """1101."""
        if query.token is None and query.id_no is None:
            return Rejected(reason="no-credential", provider_code="", provider_text="")
        heard = await self._messenger.ask(
            self._numbers.read_person, mapping.person_input(query, call), call, region=""
        )
        return read(heard, wire.PersonOutput, reading.insured_person)

    async def register_visit(self, insured: Insured, visit: Visit, call: CallId) -> Outcome[str]:
        """2201."""
        heard = await self._messenger.tell(
            self._numbers.register_visit, mapping.visit_input(insured, visit), call, insured
        )
        return read(heard, wire.VisitOutput, reading.visit_ref_of)

    async def upload_diagnoses(
        self, insured: Insured, visit_ref: str, visit: Visit, call: CallId
    ) -> Outcome[None]:
        """2203 or 2203A."""
        node = mapping.diagnoses_input(insured, visit_ref, visit)
        return done(await self._messenger.tell(self._numbers.upload_diagnoses, node, call, insured))

    async def upload_charges(
        self,
        insured: Insured,
        visit_ref: str,
        batch_no: str,
        visit: Visit,
        lines: list[ChargeLine],
        call: CallId,
    ) -> Outcome[None]:
        """2204, one message for the whole batch. More lines than fit are refused unsent."""
        if not 0 < len(lines) <= mapping.BATCH_LINES_MAX:
            return Rejected(reason="batch-size", provider_code="", provider_text="")
        approval = self._settings.approval_flag
        node = wire.ChargesInput(
            feedetail=[
                mapping.charge_node(insured, visit_ref, batch_no, visit, line, approval)
                for line in lines
            ]
        )
        return done(await self._messenger.tell(self._numbers.upload_charges, node, call, insured))

    async def withdraw_charges(
        self, insured: Insured, visit_ref: str, batch_no: str, call: CallId
    ) -> Outcome[None]:
        """2205. Batch ``0000`` withdraws everything unsettled of the visit."""
        node = mapping.withdraw_input(insured, visit_ref, batch_no)
        return done(await self._messenger.tell(self._numbers.withdraw_charges, node, call, insured))

    async def cancel_visit(
        self, insured: Insured, visit_ref: str, visit_no: str, call: CallId
    ) -> Outcome[None]:
        """2202."""
        node = mapping.cancel_visit_input(insured, visit_ref, visit_no)
        return done(await self._messenger.tell(self._numbers.cancel_visit, node, call, insured))

    async def presettle(self, request: SplitRequest, call: CallId) -> Outcome[Split]:
        """2206 or 2206A. Amounts that contradict are Unknown ``answer-contradicts``."""
        node = mapping.presettle_input(request, self._settings)
        region = request.insured.region
        heard = await self._messenger.ask(self._numbers.presettle, node, call, region=region)
        return judged(
            heard,
            wire_settlement.SettleOutput,
            lambda found: reading.split_of(*reading.setlinfo_in(found), request.total_fen),
        )

    async def settle(self, request: SettleRequest, call: CallId) -> Outcome[Settled]:
        """2207 or 2207A. ``answer-contradicts`` means: done there, and not to be believed."""
        node = mapping.settle_input(request, self._settings)
        heard = await self._messenger.tell(self._numbers.settle, node, call, request.split.insured)
        return judged(
            heard,
            wire_settlement.SettleOutput,
            lambda found: reading.settled_of(
                *reading.setlinfo_in(found),
                total_fen=request.split.total_fen,
                visit_ref=request.split.visit_ref,
            ),
        )

    async def reverse(
        self, insured: Insured, visit_ref: str, settlement_ref: str, call: CallId
    ) -> Outcome[str]:
        """2208. Gives the reference of the reversal, or the old one where none is told."""
        node = mapping.reverse_input(insured, visit_ref, settlement_ref)
        heard = await self._messenger.tell(self._numbers.reverse, node, call, insured)
        return reversal_of(heard, settlement_ref)

    async def undo_uncertain(
        self, insured: Insured, of_call: CallId, of_kind: str, call: CallId
    ) -> Outcome[None]:
        """2601 for a 2207 or 2208 whose outcome is unknown."""
        kinds = {"settle": self._numbers.settle, "reverse": self._numbers.reverse}
        if of_kind not in kinds:
            return Rejected(reason="not-undoable", provider_code="", provider_text="")
        node = mapping.undo_input(insured, of_call, kinds[of_kind])
        return done(await self._messenger.tell(self._numbers.undo, node, call, insured))

    async def find_settlement(
        self, insured: Insured, visit_ref: str, call: CallId
    ) -> Outcome[Settled | None]:
        """5203, in regions that need the reference after a 5201."""
        reference = ""
        if self._settings.lookup == "by-reference":
            found = await self._reference_of_visit(insured, visit_ref, call)
            if not isinstance(found, Accepted) or found.value is None:
                return found if not isinstance(found, Accepted) else Accepted(None)
            reference = found.value
            call = CallId(
                message_no=self._messenger.sources.message_no(), at=self._messenger.sources.clock()
            )
        node = wire_settlement.FindSettlementInput(
            data=wire_settlement.FindSettlementData(
                psn_no=insured.person_no, setl_id=reference, mdtrt_id=visit_ref
            )
        )
        heard = await self._messenger.ask(
            self._numbers.find_settlement, node, call, region=insured.region
        )
        if isinstance(heard, Answer) and not heard.output:
            return Accepted(None)
        return judged(
            heard,
            wire_settlement.FindSettlementOutput,
            lambda output: reading.live_settlement(output, visit_ref),
        )

    async def compare_totals(self, totals: ClearingTotals, call: CallId) -> Outcome[TotalsVerdict]:
        """3201. Result codes differ between regions: only listed ones mean agreement."""
        node = mapping.totals_input(totals, self._settings)
        heard = await self._messenger.ask(
            self._numbers.compare_totals, node, call, region=totals.region
        )
        return judged(heard, wire_clearing.StatementOutput, self._verdict)

    async def compare_lines(self, lines: ClearingLines, calls: ClearingCalls) -> Outcome[bytes]:
        """9101, 3202, 9102."""
        return await clearing.compare_lines(self._messenger, self._settings, lines, calls)

    def read_differences(self, content: bytes) -> list[LineDifference]:
        """The file that 9102 gave. Raises ``StatementUnusable``."""
        return clearing.read_differences(content, self._settings)

    def _verdict(self, found: wire_clearing.StatementOutput) -> Accepted[TotalsVerdict] | Unknown:
        told = found.stmtinfo
        if not isinstance(told, wire_clearing.StatementInfo) or not text_of(told.stmt_rslt):
            return Unknown("answer-invalid")
        code = text_of(told.stmt_rslt)
        return Accepted(
            TotalsVerdict(
                agrees=code in self._settings.balanced_codes,
                code=code,
                text=text_of(told.stmt_rslt_dscr)[:200],
            )
        )

    async def _reference_of_visit(
        self, insured: Insured, visit_ref: str, call: CallId
    ) -> Outcome[str | None]:
        node = wire_settlement.FindVisitInput(
            data=wire_settlement.FindVisitData(
                psn_no=insured.person_no,
                begntime="",
                endtime="",
                med_type="",
                mdtrt_id=visit_ref,
            )
        )
        heard = await self._messenger.ask(
            self._numbers.find_visit, node, call, region=insured.region
        )
        return read(
            heard,
            wire_settlement.FindVisitOutput,
            lambda output: next(
                (
                    text_of(row.setl_id)
                    for row in (output.mdtrtinfo or [])
                    if text_of(row.mdtrt_id) == visit_ref and text_of(row.setl_id)
                ),
                None,
            ),
        )
