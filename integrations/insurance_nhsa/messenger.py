"""Sends one transaction and judges the outer message of its answer (dossier 1.1 to 1.4).

Owns the sign-in and the verdict: done, refused, not sent, unknown. Knows no transaction but 9001.
Keeps no state but the sign-in number of the day; sends nothing twice except as written here.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Protocol, TypeVar

import msgspec

from integrations.insurance_nhsa import wire
from integrations.insurance_nhsa.envelope import (
    Answer,
    AnswerUnreadable,
    Request,
    code_of,
    read_answer,
    read_output,
    text_of,
)
from integrations.insurance_nhsa.settings import NhsaSettings
from integrations.insurance_nhsa.signin import SignDesk, SignInFailed
from integrations.insurance_nhsa.signing import TifSigner
from integrations.kit import transport
from integrations.kit.clocktext import beijing_day, spaced_text
from integrations.ports.insurance import CallId, Insured
from integrations.ports.outcomes import NotSent, Rejected, Unknown

T = TypeVar("T")
Done = Answer[dict[str, Any]]
Heard = Done | Rejected | NotSent | Unknown
"""The outer message of a success, or what else became of the call."""
ZIP_HEAD = b"PK\x03\x04"


class Line(Protocol):
    """How bytes reach the bureau: HTTP straight, an agent on the spot, or a vendor's library."""

    async def send(
        self, *, method: str, url: str, headers: Mapping[str, str], content: bytes
    ) -> transport.Answer:
        """As ``integrations.kit.transport.Transport.send``, with the same faults."""


class Sources(msgspec.Struct, frozen=True, kw_only=True):
    """What a gateway may not make up itself."""

    clock: Callable[[], datetime]
    nonce: Callable[[], str]
    message_no: Callable[[], str]
    """Numbers for messages that no caller named: sign-ins, repeated reads, second questions."""


class Messenger:
    """One institution's way of sending messages."""

    def __init__(
        self,
        settings: NhsaSettings,
        line: Line,
        signer: TifSigner,
        sources: Sources,
        desk: SignDesk,
    ) -> None:
        self.sources = sources
        self.line = line
        self._settings = settings
        self._signer = signer
        self._desk = desk

    async def ask(self, infno: str, node: msgspec.Struct, call: CallId, *, region: str) -> Heard:
        """A read: after a lost sign-in it is repeated once under a fresh message number."""
        fresh = self.sources.message_no
        return await self._transact(infno, node, call, region, fresh, self._verdict)

    async def fetch(
        self, infno: str, node: msgspec.Struct, call: CallId
    ) -> bytes | Rejected | NotSent | Unknown:
        """A read that is answered with a ZIP file instead of a message; repeated as ``ask``."""
        return await self._transact(infno, node, call, "", self.sources.message_no, self._file)

    async def tell(self, infno: str, node: msgspec.Struct, call: CallId, insured: Insured) -> Heard:
        """A write: repeated once after an explicit sign-in refusal, under the *same* number.

        The refusal says that nothing was done; the number stays, because 2601 must find it.
        """
        return await self._transact(infno, node, call, insured.region, None, self._verdict)

    async def _transact(
        self,
        infno: str,
        node: msgspec.Struct,
        call: CallId,
        region: str,
        fresh: Callable[[], str] | None,
        read: Callable[[bytes], T | Rejected | Unknown],
    ) -> T | Rejected | NotSent | Unknown:
        message_no = call.message_no
        for attempt in (1, 2):
            try:
                sign_no = await self._sign_no()
            except SignInFailed as failed:
                return NotSent(failed.why)
            heard = await self._send(infno, node, message_no, region, sign_no, read)
            if attempt == 2 or not self._asks_for_sign_in(heard):
                return heard
            self._desk.forget(sign_no)
            message_no = fresh() if fresh is not None else message_no
        raise AssertionError("unreachable")

    def _asks_for_sign_in(self, heard: object) -> bool:
        return isinstance(heard, Rejected) and any(
            hint in heard.provider_text for hint in self._settings.sign_in_hints
        )

    async def _sign_no(self) -> str:
        day = beijing_day(self.sources.clock())
        return await self._desk.number(day, self._sign_in)

    async def _sign_in(self) -> str:
        node = wire.SignInInput(
            signIn=wire.SignIn(
                opter_no=self._settings.operator_no,
                mac=self._settings.operator_mac,
                ip=self._settings.operator_ip,
            )
        )
        number = self.sources.message_no()
        infno = self._settings.transactions.sign_in
        heard = await self._send(infno, node, number, "", "", self._verdict)
        if not isinstance(heard, Answer):
            raise SignInFailed(
                "sign-in-refused" if isinstance(heard, Rejected) else "sign-in-failed"
            )
        try:
            found = read_output(heard, wire.SignInOutput).signinoutb
        except AnswerUnreadable as fault:
            raise SignInFailed("sign-in-failed") from fault
        if not isinstance(found, wire.SignedIn) or not text_of(found.sign_no):
            raise SignInFailed("sign-in-failed")
        return text_of(found.sign_no)

    async def _send(
        self,
        infno: str,
        node: msgspec.Struct,
        message_no: str,
        region: str,
        sign_no: str,
        read: Callable[[bytes], T | Rejected | Unknown],
    ) -> T | Rejected | NotSent | Unknown:
        settings, at = self._settings, self.sources.clock()
        request = Request(
            infno=infno,
            msgid=message_no,
            mdtrtarea_admvs=settings.area,
            insuplc_admdvs=region,
            recer_sys_code=settings.receiver,
            dev_no="",
            dev_safe_info="",
            cainfo="",
            signtype="",
            infver=settings.infver,
            opter_type=settings.operator_type,
            opter=settings.operator_no,
            opter_name=settings.operator_name,
            inf_time=spaced_text(at),
            fixmedins_code=settings.institution_code,
            fixmedins_name=settings.institution_name,
            sign_no=sign_no,
            input=node,
        )
        headers = self._signer.headers(at, self.sources.nonce())
        headers["Content-Type"] = "application/json; charset=utf-8"
        try:
            answer = await self.line.send(
                method="POST",
                url=settings.url_pattern.format(address=settings.address, infno=infno),
                headers=headers,
                content=msgspec.json.encode(request),
            )
        except transport.ProviderFault as fault:
            return transport.outcome_of(fault)
        if answer.status != 200:
            return unusual(answer.status)
        return read(answer.body)

    def _verdict(self, body: bytes) -> Done | Rejected | Unknown:
        try:
            answer = read_answer(body)
        except AnswerUnreadable:
            return Unknown("answer-invalid")
        code = code_of(answer)
        if code == "0":
            return answer
        if code in self._settings.refusal_codes:
            return Rejected(
                reason="partner-refused",
                provider_code=code,
                provider_text=text_of(answer.err_msg)[:200],
            )
        return Unknown("status-unlisted")

    def _file(self, body: bytes) -> bytes | Rejected | Unknown:
        if body.startswith(ZIP_HEAD):
            return body
        said = self._verdict(body)
        return Unknown("answer-invalid") if isinstance(said, Answer) else said


def unusual(status: int) -> Unknown:
    """No status but 200 proves anything: a gateway in between may have answered."""
    return Unknown("answer-lost" if status >= 500 else "answer-invalid")
