"""Guards of calls to the bureau and of fiscal e-invoices, each the last line before the insurance
pays twice or a payer holds an invoice for what he has back."""

from contextlib import suppress
from datetime import timedelta

import pytest

from service.payment import actions as payment
from service.receipt import invoices, orders
from service.receipt import store_invoices as invoice_store
from service.settlement import actions, rules, tender
from service.settlement import store as settlement_store
from service.settlement.model import CallKind, Progress, Settlement
from service.settlement.states import SettlementState
from service.settlement.steps import settling
from tests.support.guards import Guard, both_runs
from tests.support.invoice_desk import SETTLEMENT, a_desk
from tests.support.last_lines import (
    Gullible,
    Harm,
    Kept,
    at_once,
    drop_unique_keys,
    without,
    without_conflict,
)
from tests.support.settlement_rig import Rig, a_rig


async def a_restored_settlement_is_settled_meanwhile(dsn: str) -> None:
    """The bureau takes its time with 2207; the row is put back to before that call, and a worker
    that slept goes on with it."""
    async with a_rig(dsn, bureau=Gullible()) as rig:
        stale = await _settling(rig)
        rows = Kept(dsn, "settlement")
        await rows.keep()

        async def restore() -> None:
            await rows.put_back()
            with suppress(Exception):
                await settling.step(rig.ctx, stale)

        rig.bureau.during["settle"] = restore
        await rig.settled(stale)
        if len(rig.bureau.live) != 1:
            raise Harm("the insurance paid twice")


async def one_open_call(patch: pytest.MonkeyPatch, dsn: str) -> None:
    await drop_unique_keys(dsn, "insurance_call")


async def a_message_arrives_after_the_search(dsn: str) -> None:
    """2207 is on its way for long; looked for, it is not there, and is sent again."""
    async with a_rig(dsn, bureau=Gullible()) as rig:
        rig.bureau.faults.script("settle", "late")
        rig.bureau.can_find = False
        await rig.settled(await rig.to_paid(100_00))
        if len(rig.bureau.live) != 1:
            raise Harm("the insurance paid twice")


async def undo_before_a_repeat(patch: pytest.MonkeyPatch, dsn: str) -> None:
    next_call = rules.next_settle_call

    def at_once_again(progress: Progress) -> CallKind:
        kind = next_call(progress)
        return CallKind.SETTLE if kind is CallKind.UNDO else kind

    patch.setattr(rules, "next_settle_call", at_once_again)


async def the_payer_gives_up_while_it_is_divided(dsn: str) -> None:
    """What a call brought is written together with the next intent, over a row that has moved."""
    async with a_rig(dsn) as rig:
        row = await rig.start(await rig.push_bill(100_00))

        async def give_up() -> None:
            given_up = await actions.abandon(rig.ctx, row.record_id, row.settlement_id)
            assert given_up.state is SettlementState.REVERSING

        rig.bureau.during["register"] = give_up
        now = await rig.settled(row)
        if now.state is not SettlementState.REVERSED:
            raise Harm("a payer who gave up is held to it")


async def version_of_a_settlement(patch: pytest.MonkeyPatch, dsn: str) -> None:
    without(patch, settlement_store, "SAVE_SETTLEMENT", "version = $3\n", "$3::int > 0\n")


async def two_relays_ask_for_an_invoice(dsn: str) -> None:
    """The first relay was taken for dead; both find no invoice and order one."""
    async with a_desk(dsn) as desk:
        settled = await orders.read_settled(desk.ctx, desk.facts)
        asked = (desk.house.record_id, SETTLEMENT, desk.facts, settled)
        works = [invoices.ask(desk.ctx, *asked) for _ in "12"]
        await at_once(dsn, "fiscal_invoice", *works)
        await desk.work(rounds=2)
        if len(await desk.platform.bills()) != 1:
            raise Harm("one payment has two invoices")


async def one_invoice_a_round(patch: pytest.MonkeyPatch, dsn: str) -> None:
    without_conflict(patch, invoice_store, "INSERT_INVOICE")
    await drop_unique_keys(dsn, "fiscal_invoice")


async def _settling(rig: Rig) -> Settlement:
    """Paid, and nobody has asked the bureau to settle yet."""
    row = await rig.to_paid(100_00)
    (attempt,) = await rig.attempts(row)
    rig.clock.advance(timedelta(seconds=31))
    await payment.ask(rig.ctx, row.record_id, attempt.attempt_id)
    row = await tender.sync_now(rig.ctx, (row.record_id, row.settlement_id))
    return await settling.begin(rig.ctx, row)


GUARDS = [
    Guard(
        name="unique key: one open call",
        holds=frozenset({"insurance_call_one_open", "settlement.store.INSERT_CALL"}),
        harm="the insurance paid twice",
        scenario=a_restored_settlement_is_settled_meanwhile,
        take_out=one_open_call,
    ),
    Guard(
        name="2601 before a repeat",
        holds=frozenset(),
        harm="the insurance paid twice",
        scenario=a_message_arrives_after_the_search,
        take_out=undo_before_a_repeat,
    ),
    Guard(
        name="compare-and-set: settlement, where an outcome is written with the next intent",
        holds=frozenset({"settlement.store.SAVE_SETTLEMENT"}),
        harm="a payer who gave up is held to it",
        scenario=the_payer_gives_up_while_it_is_divided,
        take_out=version_of_a_settlement,
    ),
    Guard(
        name="unique key: one invoice a round",
        holds=frozenset({"fiscal_invoice_once_a_round", "receipt.store_invoices.INSERT_INVOICE"}),
        harm="one payment has two invoices",
        scenario=two_relays_ask_for_an_invoice,
        take_out=one_invoice_a_round,
    ),
]


test_with_the_guard_nothing_is_lost, test_without_the_guard_its_harm_is_done = both_runs(GUARDS)
