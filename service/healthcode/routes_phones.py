"""HTTP of a resident's own phones and printed codes."""

from litestar import Router, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from service.healthcode import actions
from service.healthcode.model import EnrolRequest
from service.healthcode.schemas_phones import (
    ChallengeAnswer,
    ChallengeRequest,
    ListedPhone,
    ListedPrinted,
    PhoneAnswer,
    PhoneList,
    PhoneRequest,
    PrintedAnswer,
    PrintedList,
    PrintedRequestBody,
)
from service.healthcode.symbols import Correction, SymbolDrawer
from service.kernel.context import Context
from service.kernel.limits import RateLimit
from service.kernel.principals import Resident


@post("/v1/me/phones/challenge", status_code=200, tags=["resident"])
async def challenge(
    resident: NamedDependency[Resident],
    data: JSONBody[ChallengeRequest],  # noqa: ARG001  an empty object, strictly
    ctx: NamedDependency[Context],
    code_limit: NamedDependency[RateLimit],
) -> ChallengeAnswer:
    """What a phone signs to prove a new key. Each enrolment's answer carries the next one."""
    code_limit.take(resident.caller, ctx.clock.now())
    given = await actions.challenge(ctx, resident)
    return ChallengeAnswer.of(given, ctx.clock.now())


@post("/v1/me/phones", status_code=201, tags=["resident"])
async def enrol(
    resident: NamedDependency[Resident],
    data: JSONBody[PhoneRequest],
    ctx: NamedDependency[Context],
    code_limit: NamedDependency[RateLimit],
) -> PhoneAnswer:
    """Enrol this phone's new key, or renew the phone of ``phone_id`` with it.

    Renew once ``renew_after`` has passed; the phone's former credential is superseded then. A key
    is enrolled once, so a repeat needs no Idempotency-Key: it gives the same credential. Where all
    places are taken, a new phone gets that of one whose credential has expired, and that one is
    revoked.
    """
    code_limit.take(resident.caller, ctx.clock.now())
    given = EnrolRequest(
        challenge=bytes.fromhex(data.challenge),
        holder_key=bytes.fromhex(data.holder_key),
        proof=bytes.fromhex(data.proof),
        phone_id=data.phone_id,
        label=data.label,
    )
    enrolled = await actions.enrol(ctx, resident, given)
    following = await actions.challenge(ctx, resident)
    return PhoneAnswer.of(ctx, enrolled, following, ctx.clock.now())


@get("/v1/me/phones", tags=["resident"])
async def list_phones(
    resident: NamedDependency[Resident], ctx: NamedDependency[Context]
) -> PhoneList:
    """The resident's phones: active ones first, then newest first, at most 50."""
    phones = await actions.list_phones(ctx, resident)
    return PhoneList(phones=[ListedPhone.of(ctx, phone) for phone in phones])


@delete("/v1/me/phones/{phone_id:str}", status_code=204, tags=["resident"])
async def revoke_phone(
    resident: NamedDependency[Resident],
    phone_id: FromPath[str],
    ctx: NamedDependency[Context],
) -> None:
    """No code of this phone counts from now on; the login of a phone that did not ask ends."""
    await actions.revoke_phone(ctx, resident, phone_id)


@delete("/v1/me/phones", status_code=204, tags=["resident"])
async def revoke_all(
    resident: NamedDependency[Resident],
    ctx: NamedDependency[Context],
    code_limit: NamedDependency[RateLimit],
) -> None:
    """Every phone and every code of the resident is void from now on, printed ones too.

    All logins of the account but this one end, so that a lost phone is not enrolled anew.
    """
    code_limit.take(resident.caller, ctx.clock.now())
    await actions.revoke_all(ctx, resident)


@post("/v1/me/printed-codes", status_code=201, tags=["resident"])
async def issue_printed(
    resident: NamedDependency[Resident],
    data: JSONBody[PrintedRequestBody],
    ctx: NamedDependency[Context],
    code_limit: NamedDependency[RateLimit],
    symbol_drawer: NamedDependency[SymbolDrawer],
) -> PrintedAnswer:
    """A code to print: it identifies and never proves presence. Its text is told this once."""
    code_limit.take(resident.caller, ctx.clock.now())
    issued = await actions.issue_printed(ctx, resident, data.life_days)
    svg = await symbol_drawer.draw(issued.text, Correction.Q) if data.symbol else None
    return PrintedAnswer.of(ctx, issued, svg)


@get("/v1/me/printed-codes", tags=["resident"])
async def list_printed(
    resident: NamedDependency[Resident], ctx: NamedDependency[Context]
) -> PrintedList:
    """The resident's printed codes, newest first, at most 50."""
    rows = await actions.list_printed(ctx, resident)
    return PrintedList(printed_codes=[ListedPrinted.of(ctx, row) for row in rows])


@delete("/v1/me/printed-codes/{printed_code_id:str}", status_code=204, tags=["resident"])
async def revoke_printed(
    resident: NamedDependency[Resident],
    printed_code_id: FromPath[str],
    ctx: NamedDependency[Context],
) -> None:
    """The printed code identifies nobody from now on."""
    await actions.revoke_printed(ctx, resident, printed_code_id)


router = Router(
    path="/",
    route_handlers=[
        challenge,
        enrol,
        list_phones,
        revoke_phone,
        revoke_all,
        issue_printed,
        list_printed,
        revoke_printed,
    ],
)
