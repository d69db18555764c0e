"""One institution's line to the mobile payment centre: implements ``MobileInsurance`` (dossier 5).

Owns the exchange of envelopes and what an answer means. Fields are ``mobile_mapping``'s, the
envelope ``mobile``'s. An answer is bound to its question by nothing but the numbers in it, so
those are compared; a refusal carries none, and rests on the private line.
"""

from datetime import datetime
from typing import Any, TypeVar

import msgspec

from crypto.sm2 import PrivateKey
from integrations.insurance_nhsa import mobile, mobile_mapping
from integrations.insurance_nhsa.envelope import AnswerUnreadable, read_json, text_of
from integrations.insurance_nhsa.messenger import Line, unusual
from integrations.insurance_nhsa.orders import refund_faults
from integrations.insurance_nhsa.settings import MobileSettings
from integrations.insurance_nhsa.wire_mobile import (
    MobileOrder as OrderNode,
)
from integrations.insurance_nhsa.wire_mobile import (
    RefundAnswer,
    RevokeAnswer,
    UploadFeesAnswer,
)
from integrations.kit import transport
from integrations.kit.clocktext import compact_text
from integrations.ports.insurance_mobile import (
    MobileFees,
    MobileNotice,
    MobileOrder,
    MobileReturn,
    MobileReturned,
    MobileStatus,
    PayerProof,
)
from integrations.ports.outcomes import Accepted, NotSent, Outcome, Rejected, Unknown
from integrations.ports.payments import NoticeRefused

T = TypeVar("T")
PATHS = {
    "6201": "uldFeeInfo",
    "6202": "pay_order",
    "6203": "refund_Order",
    "6301": "query_order_info",
    "6401": "revoke_order",
}
"""The odd capital is the partner's."""
REFERENCE_MAX = 64
TRUE = {"true", "1"}
FALSE = {"false", "0"}


class NhsaMobile:
    """``MobileInsurance`` over the SM2/SM4 envelope."""

    def __init__(self, settings: MobileSettings, line: Line) -> None:
        self.code = settings.code
        self._settings = settings
        self._line = line
        self._application = mobile.Application(
            app_id=settings.app_id, app_secret=settings.app_secret
        )
        self._own_key = PrivateKey.from_bytes(bytes.fromhex(settings.private_key_hex))
        self._centre_key = mobile.load_public_key(settings.centre_public_key)

    async def upload_fees(self, fees: MobileFees, at: datetime) -> Outcome[MobileOrder]:
        """6201."""
        if not mobile_mapping.is_one_proof(fees.proof):
            return _unsent("proof")
        node = mobile_mapping.fees_request(fees, self._settings)
        heard = await self._ask("6201", node, at, UploadFeesAnswer)
        if not isinstance(heard, UploadFeesAnswer):
            return heard
        reference, token = text_of(heard.payOrdId), text_of(heard.payToken)
        if not (0 < len(reference) <= REFERENCE_MAX and 0 < len(token) <= REFERENCE_MAX):
            return Unknown("answer-invalid")
        more = heard.extData if isinstance(heard.extData, dict) else {}
        visit_ref = more.get("mdtrtId")
        return Accepted(
            MobileOrder(
                order_ref=reference,
                order_token=token,
                order_no=fees.order_no,
                visit_ref=visit_ref if isinstance(visit_ref, str) else fees.visit_ref,
                batch_no=fees.batch_no,
                total_fen=fees.total_fen,
                name=fees.name,
                id_no=fees.insured.id_no,
            )
        )

    async def pay(
        self, order: MobileOrder, proof: PayerProof, *, use_account: bool, at: datetime
    ) -> Outcome[MobileStatus]:
        """6202."""
        if not mobile_mapping.is_one_proof(proof):
            return _unsent("proof")
        node = mobile_mapping.pay_request(order, proof, self._settings, use_account=use_account)
        return self._status(order, await self._ask("6202", node, at, OrderNode))

    async def query(self, order: MobileOrder, at: datetime) -> Outcome[MobileStatus]:
        """6301."""
        node = mobile_mapping.question(order, self._settings)
        return self._status(order, await self._ask("6301", node, at, OrderNode))

    def _status(
        self, order: MobileOrder, heard: OrderNode | Rejected | NotSent | Unknown
    ) -> Outcome[MobileStatus]:
        if not isinstance(heard, OrderNode):
            return heard
        return mobile_mapping.status_of(order, heard)

    async def revoke(self, order: MobileOrder, at: datetime) -> Outcome[None]:
        """6401."""
        node = mobile_mapping.question(order, self._settings)
        heard = await self._ask("6401", node, at, RevokeAnswer)
        if not isinstance(heard, RevokeAnswer):
            return heard
        said = str(heard.success).lower()
        if said in TRUE:
            return Accepted(None)
        if said in FALSE:
            text = text_of(heard.message)[:200]
            return Rejected(reason="not-revoked", provider_code=said, provider_text=text)
        return Unknown("answer-invalid")

    async def refund(
        self, order: MobileOrder, asked: MobileReturn, at: datetime
    ) -> Outcome[MobileReturned]:
        """6203. What the centre would refuse is not sent."""
        node = mobile_mapping.refund_request(order, asked, self._settings)
        faults = refund_faults(mobile_mapping.paid_node(asked.paid), node)
        if faults:
            return _unsent(f"refund-{faults[0]}")
        heard = await self._ask("6203", node, at, RefundAnswer)
        if not isinstance(heard, RefundAnswer):
            return heard
        return mobile_mapping.returned_of(heard)

    def read_notice(self, body: bytes) -> MobileNotice:
        """6302. Raises ``NoticeRefused``."""
        try:
            message = read_json(body)
            if not isinstance(message, dict):
                raise NoticeRefused("unreadable")
            data = mobile.open_envelope(self._application, message, self._centre_key)
            node = msgspec.convert(data, OrderNode)
        except mobile.EnvelopeRefused as fault:
            raise NoticeRefused(fault.reason) from fault
        except (AnswerUnreadable, msgspec.ValidationError) as fault:
            raise NoticeRefused("unreadable") from fault
        reference, number = text_of(node.payOrdId), text_of(node.medOrgOrd)
        if not (0 < len(reference) <= REFERENCE_MAX and len(number) <= REFERENCE_MAX):
            raise NoticeRefused("unreadable")
        return MobileNotice(order_ref=reference, order_no=number, code=text_of(node.ordStas)[:8])

    async def _ask(
        self, number: str, node: msgspec.Struct, at: datetime, shape: type[T]
    ) -> T | Rejected | NotSent | Unknown:
        settings = self._settings
        outer = {
            "encType": "SM4",
            "signType": "SM2",
            "version": settings.version,
            "timestamp": compact_text(at),
        }
        sealed = mobile.seal(self._application, outer, msgspec.to_builtins(node), self._own_key)
        try:
            answer = await self._line.send(
                method="POST",
                url=f"{settings.address}/{PATHS[number]}",
                headers={"Content-Type": "application/json; charset=utf-8"},
                content=msgspec.json.encode(sealed),
            )
        except transport.ProviderFault as fault:
            return transport.outcome_of(fault)
        return unusual(answer.status) if answer.status != 200 else self._read(answer.body, shape)

    def _read(self, body: bytes, shape: type[T]) -> T | Rejected | Unknown:
        """Nothing is used before the signature holds, the refusal's own words neither."""
        try:
            message = read_json(body)
            if not isinstance(message, dict):
                return Unknown("answer-invalid")
            data: Any = mobile.open_answer(self._application, message, self._centre_key)
            code = str(message.get("code", "")).strip()
            if code in self._settings.refusal_codes:
                text = str(message.get("message", ""))[:200]
                return Rejected(reason="partner-refused", provider_code=code, provider_text=text)
            if code not in self._settings.success_codes:
                return Unknown("status-unlisted")
            return msgspec.convert(data, shape)
        except (mobile.EnvelopeRefused, AnswerUnreadable, msgspec.ValidationError):
            return Unknown("answer-invalid")


def _unsent(reason: str) -> Rejected:
    return Rejected(reason=reason, provider_code="", provider_text="")
