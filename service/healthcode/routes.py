"""HTTP of codes and scans: residents show, terminals read, hospitals follow."""

from typing import Annotated

from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, QueryParameter

from service.healthcode import actions
from service.healthcode.model import ScanRequest
from service.healthcode.schemas import (
    CodeAnswer,
    CodeRequest,
    InstitutionScan,
    InstitutionScans,
    ScanAnswer,
    ScanBody,
)
from service.healthcode.symbols import SymbolDrawer
from service.kernel.clock import business_day
from service.kernel.context import Context
from service.kernel.idempotency import checked_key
from service.kernel.idempotent_http import IdempotencyKey
from service.kernel.limits import RateLimit
from service.kernel.principals import Application, Resident, Terminal
from service.kernel.problems import NotAllowed

SCOPE = "scan"
LIMIT_MAX = 200


@post("/v1/me/codes", status_code=201, tags=["resident"])
async def issue_code(
    resident: NamedDependency[Resident],
    data: JSONBody[CodeRequest],
    ctx: NamedDependency[Context],
    code_limit: NamedDependency[RateLimit],
    symbol_drawer: NamedDependency[SymbolDrawer],
) -> CodeAnswer:
    """A one-time code to show now, with its QR symbol if asked for."""
    code_limit.take(resident.caller, ctx.clock.now())
    issued = await actions.issue_once(ctx, resident, data.purpose)
    svg = await symbol_drawer.draw(issued.text) if data.symbol else None
    return CodeAnswer.of(issued, ctx.clock.now(), svg)


@post("/v1/terminal/scans", status_code=200, tags=["terminal"])
async def resolve_scan(
    terminal: NamedDependency[Terminal],
    data: JSONBody[ScanBody],
    ctx: NamedDependency[Context],
    idempotency_key: IdempotencyKey = None,
) -> ScanAnswer:
    """Resolve any code to one person.

    The same Idempotency-Key with the same code gives the same scan; another key finds the code
    used. The use of the code itself keeps the key, so no answer is kept beside it.
    """
    given = ScanRequest(
        text=data.text,
        purpose=data.purpose,
        request_key=checked_key(idempotency_key),
        offer=data.offer,
    )
    resolved = await actions.resolve_scan(ctx, terminal, given)
    return ScanAnswer.of(ctx, resolved, terminal, business_day(ctx.clock.now()))


@get("/v1/institution/scans", tags=["institution"])
async def list_scans(
    application: NamedDependency[Application],
    ctx: NamedDependency[Context],
    after: Annotated[str | None, QueryParameter(max_length=64)] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=LIMIT_MAX)] = 50,
) -> InstitutionScans:
    """The scans at the institution's own terminals behind a cursor, as they became known.

    ``next`` is the cursor for the next call. A scan of the last 20 seconds may be told again, under
    the same id; take a ``limit`` above what 20 seconds bring. What readers accepted without a
    network comes when they hand it in, marked ``read_offline``.
    """
    if SCOPE not in application.scopes:
        raise NotAllowed
    found, cursor = await actions.list_scans(ctx, application.institution_id, after, limit)
    return InstitutionScans(scans=[InstitutionScan.of(ctx, scan) for scan in found], next=cursor)


router = Router(path="/", route_handlers=[issue_code, resolve_scan, list_scans])
