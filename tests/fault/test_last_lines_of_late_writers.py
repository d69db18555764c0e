"""Guards against whoever writes late: over a lease that is not his, over an outcome that is known,
over a row that another has."""

from datetime import timedelta
from typing import Any

import pytest

from integrations.ports.insurance import CallId
from service.bill import actions as bill
from service.bill import store as bill_store
from service.bill.model import Stay
from service.bill.problems import BillRefused
from service.bill.states import BillKind
from service.kernel.database import connection, transaction
from service.kernel.principals import Application
from service.ledger import actions as ledger
from service.ledger import feeding, store_books
from service.ledger.model import PATIENT, NewPosting
from service.notice import actions as notice
from service.notice import delivering
from service.notice import store as notice_store
from service.receipt import invoice_rows, invoices, orders
from service.receipt import store_invoices as invoice_store
from service.settlement import store as settlement_store
from service.settlement.asks import answering, asking
from service.settlement.asks import store as ask_store
from service.settlement.asks.model import AskContent, AskKind, InsuranceAsk
from service.settlement.model import Settlement
from tests.support.event_server import a_notice_rig, an_event_server
from tests.support.guards import Guard, both_runs
from tests.support.invoice_desk import a_desk
from tests.support.last_lines import (
    Gullible,
    Harm,
    at_once,
    run,
    without,
    without_conflict,
)
from tests.support.money import a_content, a_house, a_push
from tests.support.settlement_rig import Rig, a_rig


async def a_late_worker_frees_anothers_lease(dsn: str) -> None:
    """It slept past its lease; another has the settlement and is talking to the bureau."""
    async with a_rig(dsn, bureau=Gullible()) as rig:
        row = await rig.to_paid(100_00)

        async def look_in() -> None:
            key = (row.record_id, row.settlement_id)
            async with connection(rig.ctx.pool) as conn:
                await settlement_store.release_settlement(conn, key, b"token of long ago")
            await rig.run_for(timedelta(seconds=20))

        rig.bureau.during["settle"] = look_in
        await rig.settled(row)
        if len(rig.bureau.live) != 1:
            raise Harm("the insurance paid twice")


async def token_of_a_lease(patch: pytest.MonkeyPatch, dsn: str) -> None:
    without(
        patch, settlement_store, "RELEASE_SETTLEMENT", "lease_token = $3", "$3::bytea is not null"
    )


async def a_late_worker_gives_an_event_up(dsn: str) -> None:
    """It had no answer; meanwhile another sent the event, and the hospital took it."""
    async with a_notice_rig(dsn) as rig, an_event_server() as server:
        place = await rig.hospital(server)
        await rig.tell(place, 1)
        async with connection(rig.ctx.pool) as conn:
            (stale,) = await notice_store.list_heads(conn, place.institution_id, rig.clock.now(), 1)
        await rig.work()
        await delivering._give_up(rig.ctx, stale, "timeout")
        await rig.tell(place, 1, 2)
        await rig.work()
        if [sequence for _, sequence in server.taken()] != [1, 2]:
            raise Harm("what was taken holds up what follows")


async def state_of_an_event_given_up(patch: pytest.MonkeyPatch, dsn: str) -> None:
    without(
        patch,
        notice_store,
        "SAVE_STUCK",
        " and state = 'DUE' and tries = $3",
        " and $3::int is not null",
    )


async def an_event_is_replayed_while_it_is_sent(dsn: str) -> None:
    """The hospital lost its books; what it takes at that moment goes with them."""
    async with a_notice_rig(dsn) as rig, an_event_server() as server:
        place = await rig.hospital(server)
        server.plan = ["break"]
        await rig.tell(place, 1)
        await rig.work()
        rig.clock.advance(timedelta(minutes=10))
        async with connection(rig.ctx.pool) as conn:
            (sent,) = await notice_store.list_heads(conn, place.institution_id, rig.clock.now(), 1)
        await notice.replay(rig.ctx, place.institution_id, event=None, since=sent.occurred_at)
        async with connection(rig.ctx.pool) as conn:
            await notice_store.save_taken(conn, sent, rig.clock.now())
        await rig.work()
        if not server.taken():
            raise Harm("an operator's replay is forgotten")


async def state_of_an_event_taken(patch: pytest.MonkeyPatch, dsn: str) -> None:
    without(
        patch,
        notice_store,
        "SAVE_TAKEN",
        " and state = 'DUE' and tries = $3",
        " and $3::int is not null",
    )


async def a_late_worker_says_that_nothing_was_sent(dsn: str) -> None:
    """It could not send an invoice's order; another sent it since, and has no answer yet. Then the
    payer has his money back."""
    async with a_desk(dsn) as desk:
        await desk.platform.fault("drop-after", method="invoiceEBillOutpatient")
        settled = await orders.read_settled(desk.ctx, desk.facts)
        await invoices.ask(desk.ctx, desk.house.record_id, 7, desk.facts, settled)
        ((key),) = await invoices.list_due(desk.ctx, desk.ctx.clock.now(), 10)
        late = await invoices._begin(desk.ctx, await invoice_rows.read(desk.ctx, key))
        assert late is not None
        desk.house.clock.advance(timedelta(minutes=1))
        await desk.work()
        async with transaction(desk.ctx.pool) as conn:
            await invoice_rows.try_save(conn, desk.ctx, late, sent_at=None)
        await desk.refunded()
        await desk.work(rounds=6, step=timedelta(minutes=3))
        if await desk.state() == "WITHDRAWN" and await desk.platform.bills():
            raise Harm("an invoice stands for money that was given back")


async def version_of_an_invoice(patch: pytest.MonkeyPatch, dsn: str) -> None:
    without(patch, invoice_store, "SAVE_INVOICE", " and version = $13 - 1")


async def a_hospital_takes_what_is_withdrawn(dsn: str) -> None:
    """Both in the same moment: its machine takes an ask, and the worker takes the ask back."""
    async with a_rig(dsn) as rig:
        row = await rig.start(await rig.push_bill(100_00))
        call, made = await _asked(rig, row)
        async with connection(rig.ctx.pool) as conn:
            await ask_store.insert_ask(conn, made)
        machine = Application(
            institution_id=row.institution_id,
            application_id=rig.application.application_id,
            scopes=frozenset({"insurance"}),
        )
        taken, withdrawn = await at_once(
            dsn,
            "insurance_ask",
            answering._take(rig.ctx, machine, again=False),
            asking.revoke(rig.ctx, row, call, AskKind.SETTLE),
        )
        if taken and withdrawn.state == "WITHDRAWN":
            raise Harm("a call is performed and taken for undone")


async def version_of_an_ask(patch: pytest.MonkeyPatch, dsn: str) -> None:
    without(patch, ask_store, "SAVE_ASK", "version = $3\n", "$3::int > 0\n")


async def an_ask_is_written_after_it_was_withdrawn(dsn: str) -> None:
    """Its asker slept; another found the call without an outcome and made sure of it."""
    async with a_rig(dsn) as rig:
        row = await rig.start(await rig.push_bill(100_00))
        call, late = await _asked(rig, row)
        await asking.revoke(rig.ctx, row, call, AskKind.SETTLE)
        async with connection(rig.ctx.pool) as conn:
            await ask_store.insert_ask(conn, late)
            since = rig.clock.now() - timedelta(minutes=1)
            if await ask_store.list_asked(conn, row.institution_id, since, 10):
                raise Harm("a call is performed and taken for undone")


async def one_ask_a_number(patch: pytest.MonkeyPatch, dsn: str) -> None:
    without_conflict(patch, ask_store, "INSERT_ASK")
    await run(dsn, "alter table insurance_ask drop constraint insurance_ask_pk")


async def one_stay_of_two_patients(dsn: str) -> None:
    """The hospital sends deposits of two patients under one admission number, at once."""
    async with a_house(dsn) as house:
        deposit: dict[str, Any] = {
            "kind": BillKind.DEPOSIT,
            "stay": Stay(stay_no="ZY-1", bed="12"),
        }
        pushed = []
        for bill_no in ("B1", "B2"):
            await house.admit()
            pushed.append(a_push(house, bill_no, a_content(**deposit)))
        got = await at_once(dsn, "stay_number", *(bill.push(house.ctx, one) for one in pushed))
        refused = [one for one in got if isinstance(one, BaseException)]
        assert all(isinstance(one, BillRefused) for one in refused), refused
        if not refused:
            raise Harm("one stay is two patients'")


async def one_patient_a_stay(patch: pytest.MonkeyPatch, dsn: str) -> None:
    without_conflict(patch, bill_store, "INSERT_STAY")
    await run(dsn, "alter table stay_number drop constraint stay_number_pk")


async def a_late_worker_enters_a_posting_again(dsn: str) -> None:
    """It read what is to be entered; meanwhile another entered it."""
    async with a_house(dsn) as house:
        async with transaction(house.ctx.pool) as conn:
            posting = NewPosting(
                record_id=house.record_id,
                settlement_id=7,
                institution_id=house.institution_id,
                cause="paid",
                debit="provider:wechatpay",
                credit=PATIENT,
                amount_fen=100,
                moved_at=None,
            )
            await ledger.post(conn, house.ctx, posting)
        (batch,) = await feeding.list_batches(house.ctx)
        for _ in "12":
            await feeding.take_batch(house.ctx, batch)
        async with connection(house.ctx.pool) as conn:
            entered = await conn.fetchval(
                "select count(*) from ledger_entry where record_id = $1", house.record_id
            )
        if entered != 1:
            raise Harm("the books count one posting twice")


async def one_entry_a_posting(patch: pytest.MonkeyPatch, dsn: str) -> None:
    without_conflict(patch, store_books, "INSERT_ENTRIES")
    await run(dsn, "alter table ledger_entry drop constraint ledger_entry_pk")


async def _asked(rig: Rig, row: Settlement) -> tuple[CallId, InsuranceAsk]:
    """A call, and its ask as it is to be written."""
    call = CallId(message_no="H99000100001202603021000000001", at=rig.clock.now())
    async with connection(rig.ctx.pool) as conn:
        made = await asking._new(conn, rig.ctx, row, call, AskKind.SETTLE, AskContent(), None)
    return call, made


GUARDS = [
    Guard(
        name="lease: only its holder lets it go",
        holds=frozenset({"settlement.store.RELEASE_SETTLEMENT"}),
        harm="the insurance paid twice",
        scenario=a_late_worker_frees_anothers_lease,
        take_out=token_of_a_lease,
    ),
    Guard(
        name="compare-and-set: event given up",
        holds=frozenset({"notice.store.SAVE_STUCK"}),
        harm="what was taken holds up what follows",
        scenario=a_late_worker_gives_an_event_up,
        take_out=state_of_an_event_given_up,
    ),
    Guard(
        name="compare-and-set: event taken",
        holds=frozenset({"notice.store.SAVE_TAKEN"}),
        harm="an operator's replay is forgotten",
        scenario=an_event_is_replayed_while_it_is_sent,
        take_out=state_of_an_event_taken,
    ),
    Guard(
        name="compare-and-set: invoice",
        holds=frozenset({"receipt.store_invoices.SAVE_INVOICE"}),
        harm="an invoice stands for money that was given back",
        scenario=a_late_worker_says_that_nothing_was_sent,
        take_out=version_of_an_invoice,
    ),
    Guard(
        name="compare-and-set: ask",
        holds=frozenset({"settlement.asks.store.SAVE_ASK"}),
        harm="a call is performed and taken for undone",
        scenario=a_hospital_takes_what_is_withdrawn,
        take_out=version_of_an_ask,
    ),
    Guard(
        name="primary key: one ask a number",
        holds=frozenset({"settlement.asks.store.INSERT_ASK"}),
        harm="a call is performed and taken for undone",
        scenario=an_ask_is_written_after_it_was_withdrawn,
        take_out=one_ask_a_number,
    ),
    Guard(
        name="primary key: one patient a stay",
        holds=frozenset({"bill.store.INSERT_STAY"}),
        harm="one stay is two patients'",
        scenario=one_stay_of_two_patients,
        take_out=one_patient_a_stay,
    ),
    Guard(
        name="primary key: one entry a posting",
        holds=frozenset({"ledger.store_books.INSERT_ENTRIES"}),
        harm="the books count one posting twice",
        scenario=a_late_worker_enters_a_posting_again,
        take_out=one_entry_a_posting,
    ),
]


test_with_the_guard_nothing_is_lost, test_without_the_guard_its_harm_is_done = both_runs(GUARDS)
