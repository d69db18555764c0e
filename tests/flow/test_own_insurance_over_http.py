"""Insurance calls as a hospital's own machine sees them: taking, withdrawing, and reporting."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from crypto.sm2 import PrivateKey
from integrations.ports.insurance import CallId
from integrations.ports.outcomes import NotSent
from service.institution import actions as institution
from service.institution.model import MovedAmounts, NewInstitution
from service.kernel.database import connection
from service.kernel.problems import RowTampered
from service.settlement.asks import asking, store
from service.settlement.asks.model import AskContent, AskKind, Result, Told
from service.settlement.model import Settlement
from service.settlement.states import AskState
from tests.support.machine_rig import STEP, MachineRig, a_machine_rig

TAKE = "/v1/institution/insurance/asks/take"
SPLIT = {
    "total_fen": 100_00,
    "fund_fen": 60_00,
    "account_fen": 0,
    "cash_fen": 40_00,
    "full_own_fen": 10_00,
    "over_limit_fen": 0,
    "first_pay_fen": 0,
    "in_scope_fen": 90_00,
    "funds": {"310100": 60_00},
}
GOOD = {"result": "done", "split": SPLIT}
OTHERWISE = {"result": "done", "split": {**SPLIT, "account_fen": 1_00, "cash_fen": 39_00}}
UNEVEN: list[dict[str, Any]] = [
    {**SPLIT, "cash_fen": 40_01},
    {**SPLIT, "total_fen": 99_00, "cash_fen": 39_00, "in_scope_fen": 89_00},
    {**SPLIT, "full_own_fen": 10_01},
    {**SPLIT, "funds": {"310100": 59_99}},
    {**SPLIT, "mutual_aid_fen": 1},
]
MALFORMED: list[dict[str, Any]] = [
    {"result": "done"},
    {"result": "refused"},
    {**GOOD, "reversal_ref": "R1"},
    {**GOOD, "text": "why"},
    {"result": "done", "split": {**SPLIT, "fund_fen": "6000"}},
    {**GOOD, "colour": "red"},
]


@pytest.fixture
async def at(fresh_database: str) -> AsyncIterator[MachineRig]:
    async with a_machine_rig(fresh_database, working=False) as made:
        yield made


async def asked(
    at: MachineRig, row: Settlement, number: str, kind: AskKind = AskKind.PRESETTLE
) -> asyncio.Task[Any]:
    """Somebody asks, and waits for the answer."""
    call = CallId(message_no=number, at=at.rig.clock.now())
    waiting = asyncio.create_task(asking.ask(at.rig.ctx, row, call, kind, AskContent(bill_no="B1")))
    async with connection(at.rig.ctx.pool) as conn:
        for _ in range(6000):
            if await store.find_ask(conn, row.institution_id, number) is not None:
                return waiting
            await asyncio.sleep(0.005)
    raise AssertionError("never asked")


async def take(at: MachineRig, *, again: bool = False) -> list[str]:
    answer = await at.caller.send("POST", TAKE, {"again": again})
    assert answer.status_code == 200, answer.text
    return [one["message_no"] for one in answer.json()["asks"]]


async def reported(at: MachineRig, number: str, body: Any, caller: Any = None) -> tuple[int, Any]:
    """Status and body of an answer to a call."""
    path = f"/v1/institution/insurance/asks/{number}/answer"
    answer = await (caller or at.caller).send("PUT", path, body)
    return answer.status_code, answer.json()


async def test_a_call_is_taken_or_withdrawn_and_never_both(at: MachineRig) -> None:
    row = await at.rig.start(await at.rig.push_bill(100_00))
    ends = []
    for turn in range(12):
        number = f"N{turn}"
        waiting = await asked(at, row, number)
        call = CallId(message_no=number, at=at.rig.clock.now())
        rivals = [take(at), asking.revoke(at.rig.ctx, row, call, AskKind.PRESETTLE)]
        taken, standing = await asyncio.gather(*(rivals if turn % 2 else rivals[::-1]))
        if not turn % 2:
            taken, standing = standing, taken
        assert (standing.state is AskState.TAKEN) == (taken == [number])
        if taken:
            assert (await reported(at, number, {"result": "refused", "text": "no"}))[0] == 200
            assert (await waiting).result is Result.REFUSED
        else:
            assert standing.state is AskState.WITHDRAWN
            assert isinstance(await waiting, NotSent)
            assert (await reported(at, number, GOOD))[0] == 404
        ends.append(standing.state)
    # A number whose asker died before he wrote it can be asked by nobody later.
    late = CallId(message_no="N99", at=at.rig.clock.now())
    gone = await asking.revoke(at.rig.ctx, row, late, AskKind.SETTLE)
    assert gone.state is AskState.WITHDRAWN
    told = await asking.ask(at.rig.ctx, row, late, AskKind.SETTLE, AskContent())
    assert isinstance(told, NotSent)
    assert await take(at) == []


async def test_what_a_machine_may_report(at: MachineRig) -> None:
    rig = at.rig
    row = await rig.start(await rig.push_bill(100_00))
    waiting = await asked(at, row, "N1")
    assert (await reported(at, "N1", GOOD))[0] == 404, "not taken yet"
    assert await take(at) == ["N1"]
    assert await take(at) == []
    elsewhere = await institution.enrol_institution(
        rig.ctx,
        NewInstitution(
            code="H99000000777",
            name="另一医院",
            insurance_region="990001",
            level=1,
            moved_amounts=MovedAmounts.ADJUST,
        ),
    )
    other = await at.an_application(elsewhere.institution_id, PrivateKey.generate())
    bills = await at.an_application(row.institution_id, PrivateKey.generate(), "bill")
    assert (await reported(at, "N1", GOOD, other))[0] == 404
    assert (await reported(at, "N1", GOOD, bills))[0] == 403
    for split in UNEVEN:
        status, told = await reported(at, "N1", {"result": "done", "split": split})
        assert (status, told["code"]) == (422, "insurance-answer-uneven"), split
    for body in MALFORMED:
        status, told = await reported(at, "N1", body)
        assert (status, told["code"]) == (400, "malformed-request"), body
    first = await reported(at, "N1", GOOD)
    assert (first[0], first[1]["state"]) == (200, "ANSWERED")
    told = await waiting
    assert isinstance(told, Told)
    assert told.split is not None
    assert (told.split.fund_fen, told.split.cash_fen) == (60_00, 40_00)
    assert await reported(at, "N1", GOOD) == first
    status, refused = await reported(at, "N1", OTHERWISE)
    assert (status, refused["code"]) == (409, "insurance-answer-differs")
    assert await reported(at, "N1", GOOD) == first
    assert await at.items(row) == {"insurance-answer-uneven", "insurance-answer-differs"}


async def test_taking_again_gives_what_was_asked_last_and_a_changed_row_counts_for_nothing(
    at: MachineRig,
) -> None:
    rig = at.rig
    row = await rig.start(await rig.push_bill(100_00))
    held = asyncio.create_task(at.caller.send("POST", TAKE, {"wait_s": 20}))
    waiting = [await asked(at, row, "N1", AskKind.SETTLE)]
    assert [one["message_no"] for one in (await held).json()["asks"]] == ["N1"]
    assert await take(at, again=True) == ["N1"]
    rig.clock.advance(STEP)
    waiting.append(await asked(at, row, "N2", AskKind.FIND))
    assert await take(at) == ["N2"]
    assert await take(at, again=True) == ["N2"], "whoever asked N1 asks something else now"
    rig.clock.advance(STEP)
    waiting.append(await asked(at, row, "N3"))
    async with connection(rig.ctx.pool) as conn:
        await conn.execute("update insurance_ask set total_fen = 1 where message_no <> 'N1'")
    assert await take(at, again=True) == []
    assert (await reported(at, "N2", {"result": "done"}))[0] == 500
    with pytest.raises(RowTampered):
        await asking.revoke(
            rig.ctx, row, CallId(message_no="N3", at=rig.clock.now()), AskKind.PRESETTLE
        )
    for one in waiting:
        one.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
