"""The twin's control routes under ``/sandbox/``: for tests and demonstrations only."""

import json
from typing import Annotated, Any, TypeVar

import msgspec
from litestar import Request, Response, delete, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, QueryParameter

from integrations.sandbox.book_page import Jump
from integrations.sandbox.insurance import desk, queries
from integrations.sandbox.insurance.faults import RandomFaults, ScriptedFault
from integrations.sandbox.insurance.model import (
    CatalogueItem,
    Institution,
    Person,
    Refused,
    Style,
    local,
)
from integrations.sandbox.insurance.twin import Twin, said

T = TypeVar("T")
AnyRequest = Request[Any, Any, Any]
PERSONS_AT_ONCE = 20_000
Limit = Annotated[int, QueryParameter(ge=1, le=500)]


class CounterMove(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Add fen to a person's counters of this year and to his purses."""

    psn_no: str
    moves: dict[str, int]
    insutype: str = "310"


class Face(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A person before a terminal; an empty ``psn_no`` is nobody."""

    institution: str
    psn_no: str


def twin_of(request: AnyRequest) -> Twin:
    """The twin behind this application."""
    found: Twin = request.app.state.twin
    return found


async def _read(request: AnyRequest, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(await request.body(), type=kind)
    except msgspec.MsgspecError as fault:
        raise Refused(f"请求格式不符：{fault}") from None


@get("/sandbox/persons")
async def list_persons(
    request: AnyRequest, limit: Limit = 100, after: FromQuery[str] = ""
) -> Response[Any]:
    """Persons by number, each with the text that his e-credential shows now."""
    twin = twin_of(request)
    found = twin.book.all(
        "select psn_no, doc, balance_fen, mutual_fen from person where psn_no > ?"
        " order by psn_no limit ?",
        after,
        limit,
    )
    at = twin.clock()
    return said(
        [
            {
                **json.loads(row["doc"]),
                "balance_fen": row["balance_fen"],
                "mutual_fen": row["mutual_fen"],
                "credential_text": desk.credential_text(twin.book, row["psn_no"], at),
            }
            for row in found
        ]
    )


@post("/sandbox/persons", status_code=200)
async def add_persons(request: AnyRequest) -> Response[Any]:
    """Add invented persons; those already known keep their purses."""
    persons = await _read(request, list[Person])
    if len(persons) > PERSONS_AT_ONCE:
        raise Refused("一次添加人数超限")
    twin = twin_of(request)
    with twin.book.transaction():
        for person in persons:
            twin.book.add_person(person)
    return said({"added": len(persons)})


@get("/sandbox/persons/{psn_no:str}/credential")
async def show_credential(request: AnyRequest, psn_no: FromPath[str]) -> Response[Any]:
    """The text that one person's e-credential shows now."""
    twin = twin_of(request)
    text = desk.credential_text(twin.book, psn_no, twin.clock())
    return said({"credential_text": text, "lives_s": desk.STEP_S})


@post("/sandbox/counters", status_code=200)
async def move_counters(request: AnyRequest) -> Response[Any]:
    """Move counters as another institution's settlement would; gives the year's counters."""
    asked = await _read(request, CounterMove)
    twin = twin_of(request)
    year = local(twin.clock()).year
    with twin.book.transaction():
        twin.book.move(asked.psn_no, asked.insutype, year, asked.moves)
    balance, mutual = twin.book.purse(asked.psn_no)
    held = twin.book.counters(asked.psn_no, asked.insutype, year)
    return said({"counters": held, "balance_fen": balance, "mutual_fen": mutual})


@get("/sandbox/book")
async def read_book(
    request: AnyRequest, limit: Limit = 500, after: FromQuery[int] = 0
) -> Response[Any]:
    """Settlements in the order they happened, amounts in fen; ``after`` is the last ``serial``."""
    return said(queries.settlements(twin_of(request).book, after, limit))


@get("/sandbox/sums")
async def read_sums(
    request: AnyRequest,
    first_day: FromQuery[str],
    last_day: FromQuery[str],
    institution: FromQuery[str] = "",
    insutype: FromQuery[str] = "",
) -> Response[Any]:
    """The book's totals for days (``yyyy-MM-dd``); reversals count negative on their own day."""
    found = queries.sums(
        twin_of(request).book,
        first_day=first_day,
        last_day=last_day,
        institution=institution,
        insutype=insutype,
    )
    return said(found)


@post("/sandbox/faults", status_code=200)
async def plan_faults(request: AnyRequest) -> Response[Any]:
    """Add scripted faults to the plan."""
    asked = await _read(request, list[ScriptedFault])
    plan = twin_of(request).faults
    plan.scripted.extend(asked)
    return said({"planned": len(plan.scripted)})


@get("/sandbox/faults")
async def list_faults(request: AnyRequest) -> Response[Any]:
    """What is still planned."""
    plan = twin_of(request).faults
    return said({"scripted": plan.scripted, "random": plan.random})


@delete("/sandbox/faults", status_code=200)
async def clear_faults(request: AnyRequest) -> Response[Any]:
    """Forget all faults."""
    twin_of(request).faults.clear()
    return said({"planned": 0})


@post("/sandbox/faults/random", status_code=200)
async def plan_random(request: AnyRequest) -> Response[Any]:
    """Seeded faults from now on; ``rate_e4`` 0 ends them."""
    twin_of(request).faults.random = await _read(request, RandomFaults)
    return said({"ok": True})


@post("/sandbox/institutions", status_code=200)
async def add_institutions(request: AnyRequest) -> Response[Any]:
    """Enrol or change institutions."""
    asked = await _read(request, list[Institution])
    twin = twin_of(request)
    with twin.book.transaction():
        for institution in asked:
            twin.book.add_institution(institution)
    return said({"added": len(asked)})


@post("/sandbox/catalogue", status_code=200)
async def add_items(request: AnyRequest) -> Response[Any]:
    """Add or change catalogue items."""
    asked = await _read(request, list[CatalogueItem])
    twin = twin_of(request)
    with twin.book.transaction():
        for item in asked:
            twin.book.add_item(item)
    return said({"added": len(asked)})


@post("/sandbox/faces", status_code=200)
async def show_face(request: AnyRequest) -> Response[Any]:
    """Whose face the terminals of an institution see from now on."""
    asked = await _read(request, Face)
    book = twin_of(request).book
    with book.transaction():
        desk.stand_before(book, asked.institution, asked.psn_no)
    return said({"ok": True})


@post("/sandbox/clock", status_code=200)
async def move_clock(request: AnyRequest) -> Response[Any]:
    """Let the bureau's business time pass."""
    asked, twin = await _read(request, Jump), twin_of(request)
    twin.move_forward(asked.forward_s)
    return said({"now": twin.clock().isoformat()})


@post("/sandbox/style", status_code=200)
async def set_style(request: AnyRequest) -> Response[Any]:
    """Choose among regional manners."""
    asked = await _read(request, Style)
    twin_of(request).book.set_meta("style", msgspec.json.encode(asked).decode())
    return said(asked)


CONTROL_ROUTES: list[HTTPRouteHandler] = [
    list_persons,
    add_persons,
    show_credential,
    move_counters,
    read_book,
    read_sums,
    plan_faults,
    list_faults,
    clear_faults,
    plan_random,
    add_institutions,
    add_items,
    set_style,
    show_face,
    move_clock,
]
