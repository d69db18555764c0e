"""Insurance performed by the hospital's own machine and reported signed: whole settlements."""

import base64
import random
import re
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from integrations.sandbox.hospital.insurance_machine import MachineFault
from service.bill.model import Stay
from service.bill.states import BillKind
from service.credential import actions as credential
from service.credential.model import InsuranceStatus
from service.institution.model import MovedAmounts
from service.kernel.clock import business_day
from service.kernel.signed_requests import text_to_sign
from service.reconcile.bureau import reconcile_bureaus
from service.reconcile.model import Outcome
from service.reconcile.store_pairs import Span
from service.settlement import actions
from service.settlement.model import Settlement
from service.settlement.states import SettlementState
from tests.support import corrections, stays
from tests.support.machine_rig import HASTY_S, MachineRig, a_machine_rig

S = SettlementState
F = MachineFault
SEEDS = range(3)


@pytest.fixture
async def at(fresh_database: str) -> AsyncIterator[MachineRig]:
    async with a_machine_rig(fresh_database) as made:
        yield made


async def test_a_person_whom_only_the_hospital_knows_is_insured_to_the_end(at: MachineRig) -> None:
    rig = at.rig
    scanned = await credential.insurance_of(rig.ctx, rig.record_id, rig.place.institution_id)
    assert scanned.status is InsuranceStatus.BY_HOSPITAL
    row = await at.ended(await rig.to_paid(60_00, 40_00, use_account=False))
    await at.assert_posted(row)
    assert (row.fund_fen, row.cash_fen, rig.till.kept_fen) == (60_00, 40_00, 40_00)
    assert rig.bureau.calls == []
    assert [kind for kind, _ in at.machine.performed] == ["presettle", "settle"]

    # What was reported can be shown to anybody: the request as signed, under the hospital's key.
    number = at.machine.performed[-1][1]
    kept = (await at.caller.send("GET", f"/v1/institution/insurance/asks/{number}")).json()
    report = kept["report"]
    assert row.settlement_ref in report["body"]
    parts = dict(re.findall(r'(\w+)="([^"]+)"', report["authorization"]))
    text = text_to_sign(
        caller_id=parts["id"],
        method=report["method"],
        host=report["host"],
        target=report["target"],
        timestamp=int(parts["timestamp"]),
        nonce=parts["nonce"],
        idempotency_key=report["idempotency_key"],
        body=report["body"].encode(),
    )
    assert at.key.public.verify(text, base64.b64decode(parts["signature"]))

    # The hospital's machine clears with the bureau: our sums are told, nothing is compared.
    now = rig.clock.now()
    near = Span(now - timedelta(days=1), now + timedelta(days=1))
    told = await reconcile_bureaus(rig.ctx, business_day(now), near)
    (ours,) = [one for one in told if one.account_name == rig.place.code]
    assert (ours.outcome, ours.reason) == (Outcome.EXPLAINED, "cleared-by-hospital")
    assert (ours.here.trade_count, ours.here.trade_fen) == (1, row.total_fen)
    assert await at.items(row) == set()


async def test_lines_given_back_and_stays_go_by_the_same_machine(at: MachineRig) -> None:
    rig = at.rig
    row = await at.ended(await rig.to_paid(30_00, 70_00))
    await corrections.ask(rig, row, "2")
    row = await at.ended(row)
    await at.assert_posted(row)
    assert (row.total_fen, row.refunded_fen) == (30_00, 28_00)
    kinds = [kind for kind, _ in at.machine.performed]
    assert kinds[2:] == ["reverse", "withdraw", "presettle", "settle"]

    ended_at = rig.clock.now()
    stay = Stay(stay_no="ZY-1", bed="12", ended_at=ended_at)
    row = await rig.start(await stays.push(rig, BillKind.DISCHARGE, 100_00, stay=stay))
    await rig.work()
    row = await rig.read(row)
    assert (row.state, row.fund_fen) == (S.PRESETTLED, 60_00)
    await actions.abandon(rig.ctx, row.record_id, row.settlement_id)
    await at.assert_undone(await at.ended(row))


async def test_what_the_machine_does_wrong_ends_well_and_is_never_charged_twice(
    at: MachineRig,
) -> None:
    """Each fault on a bill of its own, with how it ends, the book's lines and the work item."""
    posted = (S.POSTED, [True])
    cases: dict[MachineFault, tuple[tuple[SettlementState, list[bool]], str | None]] = {
        F.SILENT: (posted, None),
        F.CONTRADICT: (posted, "insurance-answer-differs"),
        F.UNEVEN: (posted, "insurance-answer-uneven"),
        F.REFUSE: ((S.REVERSED, []), None),
        # Looking does not help, so it is undone by its number and made anew.
        F.UNKNOWN: ((S.POSTED, [False, True]), None),
    }
    for fault, (ends, item) in cases.items():
        row = await at.rig.start(await at.rig.push_bill(100_00))
        await at.rig.work()
        row = await at.rig.pay(row)
        at.rig.till.pay(at.rig.till.unpaid()[0])
        await at.commit("settle", fault)
        if fault is F.UNKNOWN:
            await at.commit("find", F.REFUSE)
        row = await at.ended(row)
        assert (row.state, [one.live for one in at.booked(row)]) == ends, fault
        await (at.assert_posted(row) if row.state is S.POSTED else at.assert_undone(row))
        assert await at.items(row) == ({item} if item else set()), fault


async def test_what_was_taken_and_forgotten_is_taken_again(at: MachineRig) -> None:
    row = await at.rig.start(await at.rig.push_bill(100_00))
    at.machine.plan("presettle", F.CRASH)
    await at.rig.work()
    row = await at.rig.read(row)
    assert (row.state, [kind for kind, _ in at.machine.performed]) == (S.PRESETTLED, ["presettle"])
    await at.rig.pay(row)
    at.rig.till.pay(at.rig.till.unpaid()[0])
    at.machine.plan("settle", F.CRASH)
    row = await at.ended(row)
    await at.assert_posted(row)
    assert len(at.booked(row)) == 1


async def test_amounts_that_moved_are_collected_or_all_is_undone(fresh_database: str) -> None:
    async with a_machine_rig(fresh_database) as at:
        at.machine.plan("settle", F.MOVED)
        row = await at.ended(await at.rig.to_paid(100_00))
        assert (row.state, row.cash_fen) == (S.COLLECTING, 41_00)
        await at.rig.pay(row)
        at.rig.till.pay(at.rig.till.unpaid()[0])
        await at.rig.run_for(timedelta(minutes=1), timedelta(seconds=30))
        await at.assert_posted(await at.ended(row))
    async with a_machine_rig(fresh_database, moved=MovedAmounts.UNDO) as at:
        at.machine.plan("settle", F.MOVED)
        row = await at.rig.to_paid(100_00)
        await at.commit("reverse", F.SILENT)
        row = await at.ended(row)
        await at.assert_undone(row)
        assert row.reason == "amounts-moved"


async def test_a_hospital_that_is_away_is_asked_nothing_and_an_abandoned_division_is_told(
    at: MachineRig,
) -> None:
    rig = at.rig
    row = await rig.start(await rig.push_bill(100_00))
    await rig.work()
    assert len(at.machine.divided) == 1
    await actions.abandon(rig.ctx, row.record_id, row.settlement_id)
    await at.assert_undone(await at.ended(row))
    assert [kind for kind, _ in at.machine.performed] == ["presettle", "withdraw"]

    at.machine.away = True
    at.wait_at_most(HASTY_S)
    row = await rig.start(await rig.push_bill(100_00))
    row = await at.ended(row)
    await at.assert_undone(row)
    assert row.reason == "insurance-unreachable"
    at.machine.away = False
    assert await at.machine.work() == 0
    assert len(at.machine.performed) == 2


async def test_whatever_goes_wrong_nobody_is_charged_twice_and_all_ends_or_shows_why(
    at: MachineRig,
) -> None:
    """Faults at random, a worker that hardly waits, and payers who give up."""
    at.wait_at_most(HASTY_S)
    for seed in SEEDS:
        draw = random.Random(seed)  # noqa: S311 - a seed replays
        for kind in ("presettle", "settle", "find", "undo", "withdraw", "reverse"):
            at.machine.plan(kind, *draw.choices(list(F), k=draw.randrange(3)))
        row = await lived(at, pays=draw.random() < 0.8)
        at.machine.faults.clear()
        items = await at.items(row)
        assert sum(one.live for one in at.booked(row)) <= 1, seed
        if row.state is S.POSTED:
            await at.assert_posted(row)
        elif row.state is S.REVERSED and "charges-left-at-insurer" not in items:
            await at.assert_undone(row)
        else:
            assert items or row.state is S.COLLECTING, (seed, row.state)


async def lived(at: MachineRig, *, pays: bool) -> Settlement:
    """A settlement from its start to an end; its payer pays or gives up."""
    rig = at.rig
    row = await rig.start(await rig.push_bill(100_00))
    for _ in range(60):
        await rig.run_for(timedelta(seconds=10), timedelta(seconds=10))
        row = await rig.read(row)
        if row.state is not S.PRESETTLING:
            break
    if row.state is S.PRESETTLED and pays:
        await rig.pay(row)
        rig.till.pay(rig.till.unpaid()[0])
    elif row.state is S.PRESETTLED:
        await actions.abandon(rig.ctx, row.record_id, row.settlement_id)
    return await at.ended(row)
