"""What a hospital's own machine may report that is not right: its column of the bad-input matrix.

Nothing moves, the cause is told, the call waits as before; the right report is taken after it.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import msgspec
import pytest

from crypto.sm2 import PrivateKey
from integrations.ports.insurance import CallId
from service.institution import actions as institution
from service.institution.model import MovedAmounts, NewInstitution
from service.kernel.database import connection
from service.settlement.asks import asking, store
from service.settlement.asks.model import AskContent, AskKind, Told
from service.settlement.model import Settlement
from tests.support.machine_rig import MachineRig, a_machine_rig

TAKE = "/v1/institution/insurance/asks/take"
NUMBER = "N1"
PATH = f"/v1/institution/insurance/asks/{NUMBER}/answer"
SPLIT = {
    "total_fen": 100_00,
    "fund_fen": 60_00,
    "account_fen": 0,
    "cash_fen": 40_00,
    "full_own_fen": 0,
    "over_limit_fen": 0,
    "first_pay_fen": 0,
    "in_scope_fen": 100_00,
    "funds": {"310100": 60_00},
}
GOOD = {"result": "done", "split": SPLIT}
SNAPSHOT = (
    "select row_mac from insurance_ask",
    "select row_mac from settlement",
    "select row_mac from posting",
    "select event_id from outbox",
)
Sends = Callable[[MachineRig], Awaitable[httpx.Response]]


@pytest.fixture
async def at(fresh_database: str) -> AsyncIterator[MachineRig]:
    async with a_machine_rig(fresh_database, working=False) as made:
        yield made


async def forged(at: MachineRig) -> httpx.Response:
    at.caller.key = PrivateKey.generate()
    return await at.caller.send("PUT", PATH, GOOD)


async def unsigned(at: MachineRig) -> httpx.Response:
    return await at.client.put(PATH, json=GOOD)


async def one_byte(at: MachineRig) -> httpx.Response:
    """The body is another one than was signed."""

    async def change(request: httpx.Request) -> None:
        changed = request.content.replace(b'"fund_fen":6000', b'"fund_fen":6001')
        assert changed != request.content
        request.stream = httpx.ByteStream(changed)

    at.client.event_hooks["request"].append(change)
    try:
        return await at.caller.send("PUT", PATH, GOOD)
    finally:
        at.client.event_hooks["request"].remove(change)


async def stale(at: MachineRig) -> httpx.Response:
    old = int(at.rig.clock.now().timestamp()) - 301
    return await at.caller.send("PUT", PATH, GOOD, timestamp=old)


async def foreign(at: MachineRig) -> httpx.Response:
    """Another hospital's machine, rightly signed."""
    new = NewInstitution(
        code="H99000000778",
        name="另一医院",
        insurance_region="990001",
        level=1,
        moved_amounts=MovedAmounts.ADJUST,
    )
    elsewhere = await institution.enrol_institution(at.rig.ctx, new)
    caller = await at.an_application(elsewhere.institution_id, PrivateKey.generate())
    return await caller.send("PUT", PATH, GOOD)


async def without_scope(at: MachineRig) -> httpx.Response:
    place = at.rig.place.institution_id
    caller = await at.an_application(place, PrivateKey.generate(), "bill")
    return await caller.send("PUT", PATH, GOOD)


async def other_order(at: MachineRig) -> httpx.Response:
    return await at.caller.send("PUT", PATH.replace(NUMBER, "NOTOURS1"), GOOD)


def told(body: dict[str, Any]) -> Sends:
    async def send(at: MachineRig) -> httpx.Response:
        return await at.caller.send("PUT", PATH, body)

    return send


async def in_gbk(at: MachineRig) -> httpx.Response:
    text = msgspec.json.encode({"result": "refused", "text": "不通"}).decode()
    return await at.caller.send("PUT", PATH, content=text.encode("gbk"))


CASES: dict[str, tuple[Sends, int, str]] = {
    "forged": (forged, 401, "not-authenticated"),
    "unsigned": (unsigned, 401, "not-authenticated"),
    "one byte changed": (one_byte, 401, "not-authenticated"),
    "stale": (stale, 401, "timestamp-outside-window"),
    "foreign hospital": (foreign, 404, "not-found"),
    "application without the scope": (without_scope, 403, "not-allowed"),
    "other order": (other_order, 404, "not-found"),
    "other amount": (
        told({"result": "done", "split": {**SPLIT, "total_fen": 99_00, "cash_fen": 39_00}}),
        422,
        "insurance-answer-uneven",
    ),
    "unreadable amount": (
        told({"result": "done", "split": {**SPLIT, "fund_fen": "60,00"}}),
        400,
        "malformed-request",
    ),
    "unknown status": (told({"result": "perhaps"}), 400, "malformed-request"),
    "wrong charset": (in_gbk, 400, "malformed-request"),
}


async def taken(at: MachineRig, row: Settlement) -> asyncio.Task[Any]:
    """A call that the machine took, and its asker, who waits."""
    call = CallId(message_no=NUMBER, at=at.rig.clock.now())
    content = AskContent(bill_no="B1")
    waiting = asyncio.create_task(asking.ask(at.rig.ctx, row, call, AskKind.PRESETTLE, content))
    async with connection(at.rig.ctx.pool) as conn:
        for _ in range(6000):
            if await store.find_ask(conn, row.institution_id, NUMBER) is not None:
                break
            await asyncio.sleep(0.005)
    answer = await at.caller.send("POST", TAKE, {"again": False})
    assert [one["message_no"] for one in answer.json()["asks"]] == [NUMBER]
    return waiting


async def rows(at: MachineRig) -> list[list[Any]]:
    async with connection(at.rig.ctx.pool) as conn:
        return [sorted(row[0] for row in await conn.fetch(sql)) for sql in SNAPSHOT]


async def right_report(at: MachineRig, waiting: asyncio.Task[Any]) -> httpx.Response:
    """The asker has it at once."""
    answer = await at.caller.send("PUT", PATH, GOOD)
    assert (answer.status_code, answer.json()["state"]) == (200, "ANSWERED")
    heard = await waiting
    assert isinstance(heard, Told)
    assert heard.split is not None
    assert (heard.split.fund_fen, heard.split.cash_fen) == (60_00, 40_00)
    return answer


@pytest.mark.parametrize("kind", CASES)
async def test_a_bad_report_moves_nothing(at: MachineRig, kind: str) -> None:
    send, status, code = CASES[kind]
    row = await at.rig.start(await at.rig.push_bill(100_00))
    waiting = await taken(at, row)
    key, before = at.caller.key, await rows(at)
    answer = await send(at)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert await rows(at) == before
    assert not waiting.done(), "the asker waits on"
    uneven = {"insurance-answer-uneven"} if code == "insurance-answer-uneven" else set()
    assert await at.items(row) == uneven
    at.caller.key = key
    await right_report(at, waiting)


async def test_a_replayed_report_moves_nothing(at: MachineRig) -> None:
    """The same bytes are refused; the same words, signed anew, are answered as before."""
    row = await at.rig.start(await at.rig.push_bill(100_00))
    waiting = await taken(at, row)
    sent: list[httpx.Request] = []

    async def keep(request: httpx.Request) -> None:
        sent.append(request)

    at.client.event_hooks["request"].append(keep)
    first = await right_report(at, waiting)
    at.client.event_hooks["request"].remove(keep)
    before = await rows(at)
    replayed = await at.client.put(PATH, content=sent[-1].content, headers=dict(sent[-1].headers))
    assert (replayed.status_code, replayed.json()["code"]) == (401, "nonce-reused")
    again = await at.caller.send("PUT", PATH, GOOD)
    assert (again.status_code, again.json()) == (200, first.json())
    assert await rows(at) == before
    assert await at.items(row) == set()
