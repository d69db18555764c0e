"""One message through the twin: admitted, numbered, worked on, answered, and spoilt on demand."""

import asyncio
import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec
from litestar import Response
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send

from integrations.sandbox.insurance import clearing, desk, queries, settling, stays, undoing, visits
from integrations.sandbox.insurance.book import Book
from integrations.sandbox.insurance.exact import fen, yuan
from integrations.sandbox.insurance.faults import Fault, FaultPlan, ScriptedFault
from integrations.sandbox.insurance.gate import (
    NotAdmitted,
    admit,
    person_in,
    read_body,
    read_message,
)
from integrations.sandbox.insurance.model import Message, Refused, clock_text, local
from integrations.sandbox.insurance.policy import Policy

Output = dict[str, Any] | bytes | None
Work = Callable[[Book, Message], Output]
NOT_SIGNED_IN = "操作员未签到或签到已失效"


class ConnectionDropped(ConnectionError):
    """Raised on purpose, so that the server breaks the connection off."""


class BrokenAnswer(ASGIResponse):
    """Begins an answer and breaks off: the caller cannot know what was done."""

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Send a head that promises more than ever comes."""
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"999")]}
        )
        raise ConnectionDropped("dropped on purpose")


Reply = Response[Any] | ASGIResponse


class Twin:
    """The bureau: book, policy, clock, faults and the parties that may connect."""

    def __init__(
        self,
        *,
        book: Book,
        policy: Policy,
        clock: Callable[[], datetime],
        faults: FaultPlan,
        parties: Mapping[str, str],
    ) -> None:
        self.book = book
        self.wall = clock
        self.faults = faults
        self.policy = policy
        self._parties = parties
        self._answers = 0
        self._work: dict[str, Work] = {
            "9001": desk.sign_in,
            "9002": desk.sign_out,
            "1101": desk.read_person,
            "2201": visits.register,
            "2202": visits.cancel,
            "2203": visits.tell,
            "2203A": visits.tell,
            "2204": visits.upload,
            "2205": visits.withdraw,
            "2206": lambda book, message: settling.presettle(book, message, policy),
            "2206A": lambda book, message: settling.presettle(book, message, policy),
            "2207": lambda book, message: settling.settle(book, message, policy),
            "2207A": lambda book, message: settling.settle(book, message, policy),
            "2208": undoing.reverse,
            "2301": stays.upload,
            "2302": stays.withdraw,
            "2303": lambda book, message: stays.presettle(book, message, policy),
            "2304": lambda book, message: stays.settle(book, message, policy),
            "2305": undoing.reverse_stay,
            "2401": stays.admit,
            "2402": stays.discharge,
            "2403": stays.change,
            "2404": stays.cancel,
            "2405": stays.cancel_discharge,
            "2601": undoing.undo,
            "3201": queries.statement,
            "3202": clearing.compare,
            "9101": clearing.upload,
            "9102": clearing.download,
            "5201": queries.find_visits,
            "5203": queries.find_settlements,
        }

    def clock(self) -> datetime:
        """The bureau's business time, which a control route can move forward."""
        return self.wall() + timedelta(seconds=int(self.book.meta("forward_s") or "0"))

    def move_forward(self, seconds: int) -> None:
        """Let business time pass: days, tokens, orders and files grow old; signatures do not."""
        with self.book.transaction():
            passed = int(self.book.meta("forward_s") or "0") + seconds
            self.book.set_meta("forward_s", str(passed))

    async def transact(self, infno: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """One transaction of the institution interface."""
        at = self.clock()
        try:
            admit(self.book, headers, self._parties, self.wall())
        except NotAdmitted as fault:
            return said({"code": 401, "message": str(fault)}, 401)
        try:
            message = read_message(read_body(body), infno, at)
        except Refused as refused:
            return self._answer(None, at, refused.text, None)
        planned = self.faults.take(infno, message.msgid, person_in(message.input))
        early = self._before(planned, message)
        if early is not None:
            return early
        output, refusal = self._do(message)
        return await self._after(planned, message, output, refusal)

    def decode(self, body: bytes) -> Reply:
        """ec.query, answered with the person as JSON in a string."""
        at = self.clock()
        try:
            with self.book.transaction():
                answer = desk.decode_credential(self.book, read_body(body), at)
        except Refused as refused:
            answer = {"code": -1, "message": refused.text, "data": None}
        if answer["data"] is not None:
            answer["data"] = json.dumps(answer["data"], ensure_ascii=False)
        return said(answer)

    def _before(self, planned: ScriptedFault | None, message: Message) -> Reply | None:
        kind = None if planned is None else planned.fault
        if planned is None:
            return None
        if kind is Fault.DROP_BEFORE:
            return BrokenAnswer()
        if kind is Fault.ERROR_BEFORE:
            return said({"message": "internal error"}, 500)
        if kind is Fault.REJECT:
            return self._answer(message, message.at, planned.text, None)
        if kind is Fault.SIGNED_OUT:
            self.book.run("delete from sign_in where sign_no = ?", message.sign_no)
        if kind is Fault.MOVE_COUNTERS:
            year = local(message.at).year
            psn_no = person_in(message.input)
            with self.book.transaction():
                self.book.move(psn_no, planned.insutype, year, planned.moves)
        return None

    def _do(self, message: Message) -> tuple[Output, str]:
        """Number the message, then do its work or nothing. Gives output and refusal text."""
        try:
            work = self._work_for(message)
            self._number(message)
            with self.book.transaction():
                return work(self.book, message), ""
        except Refused as refused:
            return None, refused.text

    def _work_for(self, message: Message) -> Work:
        work = self._work.get(message.infno)
        if work is None or self.book.institution(message.institution) is None:
            raise Refused("交易号不支持或定点机构未登记")
        if message.infno != "9001" and not desk.is_signed_in(self.book, message):
            raise Refused(NOT_SIGNED_IN)
        return work

    def _number(self, message: Message) -> None:
        """A message number serves once, whatever becomes of the message."""
        if not self.book.run(
            "insert or ignore into message values (?, ?, ?, ?)",
            message.msgid,
            message.infno,
            person_in(message.input),
            clock_text(message.at),
        ):
            raise Refused("msgid 重复")

    async def _after(
        self,
        planned: ScriptedFault | None,
        message: Message,
        output: Output,
        refusal: str,
    ) -> Reply:
        kind = None if planned is None else planned.fault
        if planned is not None and kind is Fault.DELAY:
            await asyncio.sleep(planned.delay_ms / 1000)
        if kind is Fault.DROP_AFTER:
            return BrokenAnswer()
        if kind is Fault.ERROR_AFTER:
            return said({"message": "internal error"}, 500)
        if kind is Fault.GARBLE:
            return Response(b"\xff<html>", status_code=200, media_type="application/json")
        if isinstance(output, bytes):
            if planned is not None and kind is Fault.SPOIL_FILE:
                output = clearing.spoilt(output, planned.text)
            return Response(output, status_code=200, media_type="application/zip")
        if kind is Fault.BREAK_IDENTITY and output is not None and "setlinfo" in output:
            info = output["setlinfo"]
            info["psn_cash_pay"] = yuan(fen(info["psn_cash_pay"]) + 1)
        answer = self._answer(message, message.at, refusal, output)
        if kind is Fault.OTHER_CHARSET:
            answer.content = answer.content.decode().encode("gb18030")
        return answer

    def _answer(
        self,
        message: Message | None,
        at: datetime,
        refusal: str,
        output: dict[str, Any] | None,
    ) -> Response[Any]:
        style = self.book.style()
        code = -1 if refusal else 0
        shown: Any = output
        if style.output_text:
            shown = "" if output is None else json.dumps(output, ensure_ascii=False)
        self._answers = (self._answers + 1) % 10**10
        number = self._answers
        area = "000000" if message is None else message.area
        stamp = local(at)
        return said(
            {
                "infcode": str(code) if style.infcode_text else code,
                "inf_refmsgid": f"{area}{stamp:%Y%m%d%H%M%S}{number:010d}",
                "refmsg_time": f"{stamp:%Y%m%d%H%M%S}{stamp.microsecond // 1000:03d}",
                "respond_time": f"{local(self.clock()):%Y%m%d%H%M%S}000",
                "err_msg": refusal,
                "output": shown,
            }
        )


def said(value: object, status: int = 200) -> Response[Any]:
    """A JSON answer."""
    return Response(msgspec.json.encode(value), status_code=status, media_type="application/json")
