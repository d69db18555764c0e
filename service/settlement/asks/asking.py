"""An insurance call as a question to the hospital's own machine, and the wait for its answer.

The machine calls us: it takes what is asked and answers it (``answering``). Whoever waits here
reads the row now and then, within ``Policy.ask_within``. An ask that nobody took by half of that is
withdrawn by compare-and-set: it is surely not done. One that was taken and not answered is unknown,
and cleared up as any call to a bureau.
"""

import msgspec
from msgspec.structs import replace

from integrations.ports.insurance import CallId
from integrations.ports.outcalls import transaction_open
from integrations.ports.outcomes import NotSent, Unknown
from service.kernel.context import Context
from service.kernel.database import Connection, connection
from service.kernel.problems import InvariantBroken, StateConflict
from service.settlement.asks import store
from service.settlement.asks.model import AskContent, AskKind, InsuranceAsk, Result, Told
from service.settlement.model import Settlement
from service.settlement.states import ASK, AskEvent, AskState

TABLE = "insurance_ask"
WAITING_MAX = 4
"""Untaken asks of one hospital: one that is away must not keep the worker waiting for it alone."""
LOOK_S_MIN = 0.05
LOOK_S_MAX = 0.5
RACES_MAX = 5


async def ask(
    ctx: Context,
    row: Settlement,
    call: CallId,
    kind: AskKind,
    content: AskContent,
    of_no: str | None = None,
) -> Told | NotSent | Unknown:
    """Ask under the number of the call, once, and wait for the answer.

    Raises ``InvariantBroken`` inside a transaction, ``RowTampered``.
    """
    if transaction_open.get():
        raise InvariantBroken("a hospital is asked with a transaction open")
    async with connection(ctx.pool) as conn:
        since = ctx.clock.now() - ctx.policy.ask_within
        if await store.count_waiting(conn, row.institution_id, since) >= WAITING_MAX:
            return NotSent("queue-full")
        made = await _new(conn, ctx, row, call, kind, content, of_no)
        await store.insert_ask(conn, made)
    return await _wait(ctx, row.institution_id, call.message_no)


async def revoke(ctx: Context, row: Settlement, call: CallId, kind: AskKind) -> InsuranceAsk:
    """An earlier ask as it stands; from now on nobody takes it who had not.

    One whose asker died before he wrote it is written as withdrawn, so that he never can.
    Raises ``RowTampered``, ``StateConflict`` after five lost races.
    """
    for _ in range(RACES_MAX):
        async with connection(ctx.pool) as conn:
            standing = await _find(conn, ctx, row.institution_id, call.message_no)
            if standing is None:
                made = await _new(conn, ctx, row, call, kind, AskContent(), None)
                never = sealed(ctx, replace(made, state=AskState.WITHDRAWN))
                if await store.insert_ask(conn, never):
                    return never
            elif standing.state is not AskState.ASKED:
                return standing
            elif (gone := await _withdraw(conn, ctx, standing)) is not None:
                return gone
    raise StateConflict("the ask is changing; try again")


async def reached_hospital(ctx: Context, row: Settlement) -> bool:
    """Whether the hospital has any of what was asked to be divided; what it has not, it never gets.

    Raises ``RowTampered``.
    """
    key = (row.institution_id, row.settlement_id, row.record_id)
    async with connection(ctx.pool) as conn:
        for one in await store.list_presettles(conn, *key):
            standing = check(ctx, one)
            if standing.state is not AskState.ASKED:
                return True
            if await _withdraw(conn, ctx, standing) is None:
                return True
    return False


async def told_of(ctx: Context, row: InsuranceAsk) -> Told | None:
    """The answer, opened; None while there is none."""
    if row.answer is None:
        return None
    async with connection(ctx.pool) as conn:
        key = await ctx.sealer.record_key(conn, row.record_id)
    text = ctx.sealer.open(key, TABLE, "answer", row.ask_id, row.answer)
    return msgspec.json.decode(text, type=Told)


async def is_nothing_done(ctx: Context, row: InsuranceAsk) -> bool:
    """Whether the hospital never had it, or says that it refused."""
    told = await told_of(ctx, row)
    return row.state is AskState.WITHDRAWN or (told is not None and told.result is Result.REFUSED)


def check(ctx: Context, row: InsuranceAsk) -> InsuranceAsk:
    """The row, proved to be what this program wrote. Raises ``RowTampered``."""
    ctx.sealer.check_mac(TABLE, row.mac_parts(), row.row_mac)
    return row


def sealed(ctx: Context, row: InsuranceAsk) -> InsuranceAsk:
    """The row with its MAC."""
    return replace(row, row_mac=ctx.sealer.row_mac(TABLE, row.mac_parts()))


def advanced(row: InsuranceAsk, event: AskEvent) -> InsuranceAsk:
    """The row in its next state and version, not yet stored. Raises ``StateConflict``."""
    return replace(row, state=ASK.advance(row.state, event), version=row.version + 1)


async def _new(
    conn: Connection,
    ctx: Context,
    row: Settlement,
    call: CallId,
    kind: AskKind,
    content: AskContent,
    of_no: str | None,
) -> InsuranceAsk:
    ask_id = ctx.ids.new()
    key = await ctx.sealer.record_key(conn, row.record_id)
    text = msgspec.json.encode(content)
    made = InsuranceAsk(
        institution_id=row.institution_id,
        message_no=call.message_no,
        ask_id=ask_id,
        record_id=row.record_id,
        settlement_id=row.settlement_id,
        kind=kind,
        of_no=of_no,
        total_fen=row.total_fen,
        asked=ctx.sealer.seal(key, TABLE, "asked", ask_id, text),
        state=ASK.start,
        asked_at=call.at,
        taken_at=None,
        taken_by=None,
        answered_at=None,
        answered_by=None,
        answer=None,
        signed=None,
        differing=None,
        version=1,
        row_mac=b"",
    )
    return sealed(ctx, made)


async def _find(
    conn: Connection, ctx: Context, institution_id: int, message_no: str
) -> InsuranceAsk | None:
    found = await store.find_ask(conn, institution_id, message_no)
    return None if found is None else check(ctx, found)


async def _withdraw(conn: Connection, ctx: Context, row: InsuranceAsk) -> InsuranceAsk | None:
    """None when the hospital was faster."""
    gone = sealed(ctx, advanced(row, AskEvent.WITHDRAW))
    return gone if await store.save_ask(conn, gone) else None


async def _wait(ctx: Context, institution_id: int, message_no: str) -> Told | NotSent | Unknown:
    bound_s = min(ctx.policy.ask_within, ctx.policy.lease / 3).total_seconds()
    began, slept_s, pause_s = ctx.clock.now(), 0.0, LOOK_S_MIN
    while True:
        # What was slept, too: a clock that is set back makes nobody wait longer.
        waited_s = max(slept_s, (ctx.clock.now() - began).total_seconds())
        async with connection(ctx.pool) as conn:
            state = await store.find_state(conn, institution_id, message_no)
            if state == AskState.ASKED and waited_s >= bound_s / 2:
                asked = await _find(conn, ctx, institution_id, message_no)
                if asked is not None and asked.state is AskState.ASKED:
                    await _withdraw(conn, ctx, asked)
                continue
        if state not in (AskState.ASKED, AskState.TAKEN):
            return await _outcome(ctx, institution_id, message_no)
        if waited_s >= bound_s:
            return Unknown("answer-lost")
        await ctx.clock.sleep(pause_s)
        slept_s += pause_s
        pause_s = min(LOOK_S_MAX, pause_s * 1.5)


async def _outcome(ctx: Context, institution_id: int, message_no: str) -> Told | NotSent | Unknown:
    async with connection(ctx.pool) as conn:
        row = await _find(conn, ctx, institution_id, message_no)
    if row is None or row.state is AskState.WITHDRAWN:
        return NotSent("not-taken")
    return await told_of(ctx, row) or Unknown("answer-lost")
