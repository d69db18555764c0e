"""The twin as an ASGI app: the platform's methods, and control routes under ``/sandbox/``."""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from litestar import Litestar, Request, Response, get, post
from litestar.params import FromPath

from integrations.sandbox import book_page
from integrations.sandbox.breaking_off import BrokenOff
from integrations.sandbox.control_routes import control_routes
from integrations.sandbox.fault_plan import FaultPlan, ScriptedFault
from integrations.sandbox.fiscal import model, pages
from integrations.sandbox.fiscal.book import Book
from integrations.sandbox.fiscal.desk import Desk
from integrations.sandbox.fiscal.faults import DRAWN, Fault
from integrations.sandbox.fiscal.model import Outer, Refused, TwinInstitution
from integrations.sandbox.fiscal.seal import (
    NotAdmitted,
    holds,
    open_node,
    read_outer,
    sealed_answer,
)

NOISE_KEPT_S = 86_400
AnyRequest = Request[Any, Any, Any]


class FiscalTwin:
    """Institutions, book and faults."""

    def __init__(
        self, book: str, clock: Callable[[], datetime], institutions: Sequence[TwinInstitution]
    ) -> None:
        self._wall = clock
        self.institutions = {one.appid: one for one in institutions}
        self.book = Book(book)
        self.desk = Desk(self.book)
        self.faults = FaultPlan(DRAWN)

    def clock(self) -> datetime:
        """Business time: the wall's clock and all jumps so far."""
        return self._wall() + timedelta(seconds=self.book.counter("jumped"))

    def jump(self, forward_s: int) -> datetime:
        """Move business time forward; gives it."""
        self.book.add_to_counter("jumped", forward_s)
        return self.clock()

    def admit(self, outer: Outer) -> TwinInstitution:
        """Who signed this. Raises ``NotAdmitted``: to a stranger nothing can be signed."""
        who = self.institutions.get(outer.appid)
        if who is None or not holds(outer, who.key):
            raise NotAdmitted
        return who

    def work(
        self, who: TwinInstitution, outer: Outer, method: str, fault: ScriptedFault[Fault]
    ) -> dict[str, Any]:
        """Do what the method says. Raises ``Refused``."""
        now_ms = int(self.clock().timestamp() * 1000)
        now = now_ms // 1000
        if not self.book.use_noise(who.appid, outer.noise, now, now - NOISE_KEPT_S):
            raise Refused(model.NOISE_REPEATED, "请求随机标识重复")
        if fault.fault is Fault.REFUSE:
            raise Refused(model.BAD_FIELD, "模拟拒绝")
        node = open_node(outer.data)
        late_ms = fault.delay_ms if fault.fault is Fault.LATE else 0
        match method:
            case "invoiceEBillOutpatient":
                return self.desk.issue(who, node, now_ms, now_ms + late_ms)
            case "invEBillHospitalized":
                seen_ms = now_ms + late_ms
                return self.desk.issue(who, node, now_ms, seen_ms, model.HospitalizedBill)
            case "getEBillByBusNo":
                return self.desk.find(who, node, now_ms)
            case "writeOffEBill":
                return self.desk.write_off(who, node, now_ms)
            case _:
                return self.desk.states(who, node)


def _twin(request: AnyRequest) -> FiscalTwin:
    twin: FiscalTwin = request.app.state.twin
    return twin


def _bare(status: int) -> Response[Any]:
    return Response(b"", status_code=status)


_EARLY: dict[Fault, Callable[[], Response[Any]]] = {
    Fault.DROP_BEFORE: BrokenOff,
    Fault.ERROR_BEFORE: lambda: _bare(500),
    Fault.TOO_OFTEN: lambda: _bare(429),
}
NO_FAULT = ScriptedFault(fault=Fault.SLOW)
"""Answered at once."""


def _number_in(outer: Outer) -> str:
    """The number a call speaks of, for faults."""
    node = open_node(outer.data)
    if not isinstance(node, dict):
        return ""
    return str(node.get("busNo") or node.get("billNo") or "")


@post("/api/medical/{method:str}", status_code=200)
async def call(request: AnyRequest, method: FromPath[str]) -> Response[Any]:
    """One call of the platform."""
    twin = _twin(request)
    if method not in pages.METHODS:
        return _bare(404)
    try:
        outer = read_outer(await request.body())
        who = twin.admit(outer)
    except NotAdmitted:
        return _bare(401)
    fault = twin.faults.take(method, _number_in(outer)) or NO_FAULT
    if fault.fault in _EARLY:
        return _EARLY[fault.fault]()
    result: str = model.SUCCESS
    content: dict[str, Any] | str
    try:
        content = twin.work(who, outer, method, fault)
    except Refused as refused:
        result, content = refused.code, refused.text
    if fault.fault is Fault.SLOW:
        await asyncio.sleep(fault.delay_ms / 1000)
    return _answer(sealed_answer(who, secrets.token_hex(16), result, content), fault.fault)


def _answer(body: bytes, kind: Fault) -> Response[Any]:
    """The answer to what was done, as far as it reaches the caller."""
    match kind:
        case Fault.DROP_AFTER | Fault.LATE:
            return BrokenOff()
        case Fault.ERROR_AFTER:
            return _bare(500)
        case Fault.FORGED:
            return _said(body.replace(b'"noise":"', b'"noise":"0'))
        case Fault.GARBLED:
            return _said(b"<html>")
        case _:
            return _said(body)


def _said(content: bytes) -> Response[Any]:
    return Response(content, media_type="application/json")


def _json(value: object, status: int = 200) -> Response[Any]:
    return Response(msgspec.json.encode(value), status_code=status, media_type="application/json")


@get("/sandbox/book")
async def show_book(request: AnyRequest) -> Response[Any]:
    """Every bill, amounts in fen; nothing of whose it is."""
    bills = [
        {
            "bus_no": row.bus_no,
            "code": row.batch,
            "number": row.number,
            "total_fen": row.total,
            "red_code": row.red_batch,
            "red_number": row.red_number,
            "red_reason": row.red_reason,
        }
        for row in _twin(request).book.all()
    ]
    return _json({"bills": bills})


@get("/sandbox/")
async def show_page(request: AnyRequest) -> Response[Any]:
    """The book for people, with forms for faults and the clock."""
    twin = _twin(request)
    return book_page.show(pages.book(twin.book.all(), twin.faults.waiting(), twin.clock()))


def create_fiscal_twin(
    book: str, clock: Callable[[], datetime], institutions: Sequence[TwinInstitution]
) -> Litestar:
    """The twin over a book file or ``:memory:``."""
    twin = FiscalTwin(book, clock, institutions)
    app = Litestar(
        route_handlers=[call, show_book, show_page, *control_routes(Fault)],
        on_shutdown=[twin.book.close],
        openapi_config=None,
        logging_config=None,
        request_max_body_size=8 * 1024 * 1024,
    )
    app.state.twin = twin
    return app
