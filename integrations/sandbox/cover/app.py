"""The twin as an ASGI app: the profile's five verbs, and control routes under ``/sandbox/``."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import msgspec
from litestar import Litestar, Request, Response, get, post
from litestar.params import FromPath

from integrations.sandbox import book_page
from integrations.sandbox.breaking_off import BrokenOff
from integrations.sandbox.control_routes import control_routes
from integrations.sandbox.cover import pages, wording
from integrations.sandbox.cover.book import Book
from integrations.sandbox.cover.desk import Desk
from integrations.sandbox.cover.faults import DRAWN, Fault
from integrations.sandbox.cover.wording import Answer, Refused, TwinContract
from integrations.sandbox.fault_plan import FaultPlan, ScriptedFault
from integrations.sandbox.generic_admission import GenericAdmission

AnyRequest = Request[Any, Any, Any]
NO_FAULT = ScriptedFault(fault=Fault.SLOW)
"""Answered at once."""


class CoverTwin:
    """Contracts, book and faults."""

    def __init__(
        self, book: str, clock: Callable[[], datetime], contracts: Sequence[TwinContract]
    ) -> None:
        self._wall = clock
        self.contracts = {one.client: one for one in contracts}
        self.admission = GenericAdmission("Cover", {one.client: one.secret for one in contracts})
        self.book = Book(book)
        self.desk = Desk(self.book)
        self.faults = FaultPlan(DRAWN)

    def clock(self) -> datetime:
        """Business time: the wall's clock and all jumps so far."""
        return self._wall() + timedelta(seconds=self.book.add_to_counter("jumped", 0))

    def jump(self, forward_s: int) -> datetime:
        """Move business time forward; gives it."""
        self.book.add_to_counter("jumped", forward_s)
        return self.clock()

    def work(
        self, client: str, method: str, body: bytes, fault: ScriptedFault[Fault]
    ) -> msgspec.Struct:
        """What the call does to the book. Raises ``Refused``, ``msgspec.MsgspecError``."""
        with self.book.transaction():
            done = self._do(client, method, body, fault.fault)
            if fault.fault is Fault.LATE and isinstance(done, Answer):
                claim = self.book.find_claim(client, done.claim_no)
                if claim is not None:
                    claim.visible_ms = round(self.clock().timestamp() * 1000) + fault.delay_ms
                    self.book.put_claim(claim)
        return done

    def _do(self, client: str, method: str, body: bytes, fault: Fault) -> msgspec.Struct:
        now = self.clock()
        if fault is Fault.REFUSE:
            raise Refused("NOT_COVERED", "本次就诊不在保障范围内")
        if method == "day":
            day = msgspec.json.decode(body, type=wording.DayBody).day
            place = self.contracts[client].institution_code
            return self.desk.day(client, place, date.fromisoformat(day))
        if method == "adjudicate":
            return self.desk.adjudicate(
                client, msgspec.json.decode(body, type=wording.AdjudicateBody)
            )
        if method == "confirm":
            asked = msgspec.json.decode(body, type=wording.ConfirmBody)
            if fault is Fault.CAP_USED:
                self.desk.use_up(client, asked.claim_no)
            return self.desk.confirm(client, asked, now)
        claim_no = msgspec.json.decode(body, type=wording.ClaimBody).claim_no
        if method == "withdraw":
            return self.desk.withdraw(client, claim_no, now)
        return self.desk.find(client, claim_no, now)


def _twin(request: AnyRequest) -> CoverTwin:
    twin: CoverTwin = request.app.state.twin
    return twin


def _json(value: object, status: int = 200, headers: dict[str, str] | None = None) -> Response[Any]:
    content = value if isinstance(value, bytes) else msgspec.json.encode(value)
    return Response(
        content, status_code=status, headers=headers or {}, media_type="application/json"
    )


def _number_in(body: bytes) -> str:
    """The claim that a call speaks of, for faults."""
    try:
        return msgspec.json.decode(body, type=_Numbered).claim_no
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return ""


class _Numbered(msgspec.Struct):
    claim_no: str = ""


@post("/cover/v1/claims/{method:str}", status_code=200)
async def call(request: AnyRequest, method: FromPath[str]) -> Response[Any]:
    """One call of the profile."""
    twin = _twin(request)
    body = await request.body()
    client = twin.admission.client_of(request, body, twin.clock().timestamp())
    if client is None or method not in pages.METHODS:
        return _json({"code": "BAD_SIGNATURE", "text": ""}, 401)
    number = _number_in(body)
    fault = twin.faults.take(method, number) or NO_FAULT
    if fault.fault is Fault.DROP_BEFORE:
        return BrokenOff()
    if fault.fault in (Fault.ERROR_BEFORE, Fault.TOO_OFTEN):
        status = 500 if fault.fault is Fault.ERROR_BEFORE else 429
        return _signed(twin, request, status, b'{"code":"BUSY","text":""}', fault.fault)
    status, content = _worked(twin, client, method, body, fault)
    if fault.fault is Fault.SLOW:
        await asyncio.sleep(fault.delay_ms / 1000)
    if fault.fault in (Fault.DROP_AFTER, Fault.LATE):
        return BrokenOff()
    if fault.fault is Fault.ERROR_AFTER:
        status = 500
    return _signed(twin, request, status, content, fault.fault)


def _worked(
    twin: CoverTwin, client: str, method: str, body: bytes, fault: ScriptedFault[Fault]
) -> tuple[int, bytes]:
    try:
        done = twin.work(client, method, body, fault)
    except Refused as refused:
        if method == "confirm":
            twin.desk.close(client, _number_in(body))
        return 422, msgspec.json.encode({"code": refused.code, "text": refused.text})
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return 400, b'{"code":"BAD_REQUEST","text":""}'
    if isinstance(done, Answer):
        if fault.fault is Fault.MORE:
            done.cover_fen += 1_000_000_00
        if fault.fault is Fault.SWAPPED:
            done.claim_no += "X"
    return 200, b"<html>" if fault.fault is Fault.GARBLED else msgspec.json.encode(done)


def _signed(
    twin: CoverTwin, request: AnyRequest, status: int, content: bytes, fault: Fault
) -> Response[Any]:
    signed = content + b" " if fault is Fault.FORGED else content
    headers = twin.admission.answer_headers(request, status, signed)
    return _json(content, status, {} if fault is Fault.UNSIGNED else headers)


@get("/sandbox/book")
async def show_book(request: AnyRequest) -> Response[Any]:
    """Every claim, amounts in fen; nothing of whose it is."""
    claims = [
        {
            "claim_no": one.claim_no,
            "state": one.state,
            "cover_fen": one.cover,
            "claim_ref": one.claim_ref,
            "settlement_ref": one.settlement_ref,
        }
        for one in _twin(request).book.claims()
    ]
    return _json({"claims": claims})


@get("/sandbox/")
async def show_page(request: AnyRequest) -> Response[Any]:
    """The book for people, with forms for faults and the clock."""
    twin = _twin(request)
    return book_page.show(pages.page(twin.book, twin.faults.waiting(), twin.clock()))


def create_cover_twin(
    book: str, clock: Callable[[], datetime], contracts: Sequence[TwinContract]
) -> Litestar:
    """The twin over a book file or ``:memory:``."""
    twin = CoverTwin(book, clock, contracts)
    app = Litestar(
        route_handlers=[call, show_book, show_page, *control_routes(Fault)],
        on_shutdown=[twin.book.close],
        openapi_config=None,
        logging_config=None,
        request_max_body_size=8 * 1024 * 1024,
    )
    app.state.twin = twin
    return app
