"""What a partner may say that is not right: nothing moves, the cause is visible, the row is kept.

The tables below are the matrix: a row a kind of bad input, a column a partner. What is tested
elsewhere is named there, and what a partner's wire does not have says why.
"""

import ast
import json
from collections.abc import AsyncIterator, Callable
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import structlog

from integrations.sandbox.fiscal.seal import sealed_answer
from service.kernel.database import connection
from service.ledger import actions as ledger
from service.payment import actions as payment
from service.payment.model import PaymentAttempt
from service.payment.states import AttemptState
from service.receipt import invoices
from service.receipt.states import InvoiceState
from tests.contract import fiscal_rig
from tests.support.bad_input import ANSWERS, FISCAL, INSURANCE, NOTICES, Bad
from tests.support.database import DatabaseServer
from tests.support.forgers import AlipayForger, Changed, Forger, MadeUp, WechatForger
from tests.support.invoice_desk import a_desk
from tests.support.money import DECIDED
from tests.support.settlement_street import Street, a_street
from tests.support.statement_rig import Counter, a_counter

ROOT = Path(__file__).resolve().parents[2]
FORGERS: dict[str, Forger] = {"wechatpay": WechatForger(), "alipay": AlipayForger()}
SNAPSHOT = (
    "select row_mac from payment_attempt",
    "select row_mac from refund",
    "select row_mac from posting",
    "select event_id from outbox",
)
REPEAT = "tests/flow/test_bad_input_matrix.py::test_a_replayed_notice_moves_nothing"
DAY = "tests/flow/test_reconcile_day.py::test_nothing_of_a_broken_file_is_used"
ALIPAY_DAY = "tests/flow/test_reconcile_alipay.py::test_nothing_of_a_broken_file_is_used"
NO_NOTICE = "no notices on this wire: it is asked"
NO_FILE = "no statements on this wire"
BUREAU_DAY = (
    "tests/flow/test_reconcile_bureau.py::"
    "test_what_only_the_bureau_holds_is_named_and_no_broken_file_used"
)
NO_FOOTER = "its file has none: nothing is concluded from what it leaves out"
MOBILE = "tests/contract/test_insurance_mobile.py::"
MOBILE_NOTICE = f"{MOBILE}test_a_notice_that_does_not_hold_is_refused"
MOBILE_REPEAT = f"{MOBILE}test_a_doubled_notice_reads_alike_and_settles_nothing"
MOBILE_ANSWER = f"{MOBILE}test_an_answer_that_does_not_hold_says_nothing"
HINT = "the mobile centre's notice is read for its number only, and then it is asked"
YUAN = "no currency on this wire: yuan by contract"
MACHINE = "tests/flow/test_bad_machine_reports.py::test_a_bad_report_moves_nothing"
MACHINE_REPEAT = "tests/flow/test_bad_machine_reports.py::test_a_replayed_report_moves_nothing"
TELLS = "no answers on this wire: the hospital's machine reports, in signed requests of its own"
COLUMNS = ("wechatpay", "alipay", "insurance", "fiscal", "hospital's machine")
MATRIX: dict[str, tuple[str, str, str, str, str]] = {
    "forged notice": ("notice: forged", "notice: forged", MOBILE_NOTICE, NO_NOTICE, MACHINE),
    "replayed notice": (REPEAT, REPEAT, MOBILE_REPEAT, NO_NOTICE, MACHINE_REPEAT),
    "stale notice": ("notice: stale", REPEAT, MOBILE_REPEAT, NO_NOTICE, MACHINE),
    "foreign-merchant notice": (
        "notice: foreign merchant",
        "notice: foreign merchant",
        MOBILE_NOTICE,
        NO_NOTICE,
        MACHINE,
    ),
    "amount, told": ("notice: other amount", "notice: other amount", HINT, NO_NOTICE, MACHINE),
    "amount, answered": (
        "answer: other amount",
        "answer: other amount",
        "insurance: other amount",
        "its answer holds no amount: a number and a code",
        TELLS,
    ),
    "currency": ("notice: other currency", YUAN, YUAN, YUAN, YUAN),
    "order, told": ("notice: other order", "notice: other order", HINT, NO_NOTICE, MACHINE),
    "order, answered": (
        "answer: other order",
        "answer: other order",
        "insurance: other order",
        "its answer does not name what was asked; another number for one order is reported",
        TELLS,
    ),
    "answer without signature": (
        "answer: unsigned",
        "answer: unsigned",
        MOBILE_ANSWER,
        "fiscal: unsigned",
        MACHINE,
    ),
    "answer in the wrong charset": (
        "answer: wrong charset",
        "answer: wrong charset",
        "insurance: wrong charset",
        "fiscal: wrong charset",
        MACHINE,
    ),
    "unknown status": (
        "answer: unknown status",
        "answer: unknown status",
        "insurance: unknown status",
        "fiscal: unknown status",
        MACHINE,
    ),
    "statement truncated": (DAY, ALIPAY_DAY, BUREAU_DAY, NO_FILE, NO_FILE),
    "statement doubled": (DAY, ALIPAY_DAY, BUREAU_DAY, NO_FILE, NO_FILE),
    "statement with a thousand separator": (DAY, ALIPAY_DAY, BUREAU_DAY, NO_FILE, NO_FILE),
    "statement without footer": (DAY, ALIPAY_DAY, NO_FOOTER, NO_FILE, NO_FILE),
    "statement of another merchant": (DAY, ALIPAY_DAY, BUREAU_DAY, NO_FILE, NO_FILE),
}
TABLES: dict[str, dict[str, Any]] = {
    "notice": NOTICES,
    "answer": ANSWERS,
    "insurance": INSURANCE,
    "fiscal": FISCAL,
}


@pytest.mark.parametrize("kind", MATRIX)
def test_each_cell_is_a_case_a_test_or_a_reason(kind: str) -> None:
    for partner, cell in zip(COLUMNS, MATRIX[kind], strict=True):
        if cell.startswith("tests/"):
            path, _, name = cell.partition("::")
            tree = ast.parse((ROOT / path).read_text("utf-8"))
            defined = {one.name for one in tree.body if isinstance(one, ast.AsyncFunctionDef)}
            assert name in defined, cell
        elif cell.partition(": ")[0] in TABLES:
            table, _, case = cell.partition(": ")
            found = TABLES[table][case]
            assert not isinstance(found, Bad) or partner in found.reasons, cell
        else:
            assert len(cell) > 20, "say why there is no such input"


# --- payment providers -----------------------------------------------------------------------


@pytest.fixture(scope="module")
async def counters(postgres: DatabaseServer, migrated: str) -> AsyncIterator[dict[str, Counter]]:
    async with (
        postgres.database(migrated) as one,
        postgres.database(migrated) as other,
        a_counter(one) as wechatpay,
        a_counter(other, alipay=True) as alipay,
    ):
        yield {"wechatpay": wechatpay, "alipay": alipay}


@pytest.fixture
def counter(counters: dict[str, Counter], provider: str) -> Counter:
    return counters[provider]


def cases(table: dict[str, Bad]) -> list[tuple[str, str]]:
    """(partner, kind) of all that the partners' wires have."""
    return [(name, kind) for name in FORGERS for kind in table if name in table[kind].reasons]


async def rows(counter: Counter) -> list[list[Any]]:
    async with connection(counter.ctx.pool) as conn:
        return [sorted(row[0] for row in await conn.fetch(sql)) for sql in SNAPSHOT]


async def booked(counter: Counter, attempt: PaymentAttempt) -> int:
    """What the ledger says that the provider holds for the attempt's settlement."""
    sums = await ledger.balances(counter.ctx, attempt.record_id, attempt.settlement_id)
    return sums.get(f"provider:{attempt.provider}", 0)


async def reasons(counter: Counter, attempt: PaymentAttempt) -> set[str]:
    """Open work items about the attempt, or about a number that is not ours."""
    async with connection(counter.ctx.pool) as conn:
        found = await conn.fetch(
            "select reason from work_item where kind = 'payment' and closed_at is null"
            " and (subject_id = $1 or record_id = 0)",
            attempt.attempt_id,
        )
    return {row["reason"] for row in found}


def message(counter: Counter, attempt: PaymentAttempt, bad: Bad, form: str) -> Any:
    """The bad message, as headers and body."""
    forger, at = FORGERS[counter.provider], counter.clock.now()
    make = getattr(forger, form)
    made = make(forger.facts(attempt, at, **bad.facts), at, **bad.how)
    return made if bad.tamper is None else bad.tamper(*made)


async def nothing_is_lost(counter: Counter, attempt: PaymentAttempt, cause: str) -> None:
    """A question finds what is true; a contradicted amount is reviewed by a person."""
    if cause == "amount-differs":
        key = (attempt.record_id, attempt.attempt_id)
        assert (await counter.house.read(attempt)).state is AttemptState.NEEDS_REVIEW
        assert await booked(counter, attempt) == 0
        await payment.end_review(counter.ctx, *key, decided=DECIDED, money_is_back=False)
    else:
        assert (await counter.house.read(attempt)).state is AttemptState.AWAITING_PAYER
        await counter.heard(attempt)
    assert (await counter.house.read(attempt)).state is AttemptState.PAID
    assert await booked(counter, attempt) == attempt.amount_fen


async def tell(counter: Counter, told: tuple[dict[str, str], bytes]) -> bool:
    """A notice comes in; whether the provider is told that it was taken."""
    account = next(iter(counter._seller().values()))
    answer = await payment.take_notice(counter.ctx, counter.provider, account, *told)
    return answer == counter.till.gateway.notice_answer(accepted=True)


@pytest.mark.parametrize(("provider", "kind"), cases(NOTICES))
async def test_a_bad_notice_moves_nothing(counter: Counter, kind: str) -> None:
    bad = NOTICES[kind]
    cause = bad.reasons[counter.provider]
    attempt = await counter.paid(12_345, known=False)
    before = await rows(counter)
    with structlog.testing.capture_logs() as logs:
        was_taken = await tell(counter, message(counter, attempt, bad, "notice"))
    told = {line.get("reason") for line in logs} | await reasons(counter, attempt)
    assert cause in told
    refused = [line for line in logs if line["event"] == "notice.refused"]
    assert all(line["account_name"] == attempt.account_name for line in refused)
    assert bool(refused) == (cause not in {"amount-differs", "unknown-number"})
    if cause != "amount-differs":
        assert not was_taken
        assert await rows(counter) == before
    await nothing_is_lost(counter, attempt, cause)


@pytest.mark.parametrize("provider", FORGERS)
async def test_the_right_notice_is_taken(counter: Counter) -> None:
    attempt = await counter.paid(12_345, known=False)
    assert await tell(counter, message(counter, attempt, Bad(reasons={}), "notice"))
    assert (await counter.house.read(attempt)).state is AttemptState.PAID


@pytest.mark.parametrize("provider", FORGERS)
async def test_a_replayed_notice_moves_nothing(counter: Counter) -> None:
    attempt = await counter.paid(12_345, known=False)
    good = Bad(reasons={})
    first = message(counter, attempt, good, "notice")
    assert await tell(counter, first)
    before = await rows(counter)
    again = msgspec.structs.replace(good, how={"notice_id": "EV-AGAIN"})
    older = msgspec.structs.replace(
        again, facts={"trade_status": "WAIT_BUYER_PAY", "gmt_payment": ""}
    )
    repeats = [first, message(counter, attempt, again, "notice")]
    if counter.provider == "alipay":
        repeats.append(message(counter, attempt, older, "notice"))
    for one in repeats:
        assert await tell(counter, one)
        assert await rows(counter) == before
    assert await booked(counter, attempt) == 12_345


@contextmanager
def answering(client: httpx.AsyncClient, change: Callable[[httpx.Response], httpx.Response]) -> Any:
    """Every answer to the client is changed."""
    inner = client._transport
    client._transport = MadeUp(inner, change)
    try:
        yield
    finally:
        client._transport = inner


@pytest.mark.parametrize(("provider", "kind"), cases(ANSWERS))
async def test_a_bad_answer_moves_nothing(counter: Counter, kind: str) -> None:
    bad = ANSWERS[kind]
    cause = bad.reasons[counter.provider]
    attempt = await counter.paid(12_345, known=False)
    before = await rows(counter)

    def lie(_true: httpx.Response) -> httpx.Response:
        headers, body = message(counter, attempt, bad, "answer")
        return httpx.Response(200, headers=headers, content=body)

    with structlog.testing.capture_logs() as logs, answering(counter.till.client, lie):
        await counter.heard(attempt)
    assert cause in {line.get("why") for line in logs} | await reasons(counter, attempt)
    if cause != "amount-differs":
        # The try itself is counted in the row; postings, refunds and events are as before.
        assert (await rows(counter))[1:] == before[1:]
    await nothing_is_lost(counter, attempt, cause)


@pytest.mark.parametrize("provider", FORGERS)
async def test_the_right_answer_is_taken(counter: Counter) -> None:
    attempt = await counter.paid(12_345, known=False)

    def told(_true: httpx.Response) -> httpx.Response:
        headers, body = message(counter, attempt, Bad(reasons={}), "answer")
        return httpx.Response(200, headers=headers, content=body)

    with answering(counter.till.client, told):
        assert (await counter.heard(attempt)).state is AttemptState.PAID


# --- the bureau ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
async def street(postgres: DatabaseServer, migrated: str) -> AsyncIterator[Street]:
    async with postgres.database(migrated) as dsn, a_street(dsn) as made:
        yield made


@pytest.mark.parametrize("kind", INSURANCE)
async def test_a_bad_answer_of_the_bureau_moves_nothing(street: Street, kind: str) -> None:
    why, how = INSURANCE[kind]
    bill_id = await street.push_bill()
    body = {"use_account": False, "insured": True}
    started = await street.mine("POST", f"/v1/me/bills/{bill_id}/settlements", body)
    await street.work()
    path = f"/v1/me/settlements/{started['settlement_id']}"
    pays = {"provider": "wechatpay", "way": "jsapi"}
    ordered = await street.mine("POST", f"{path}/payment", pays)
    package = ordered["payment"]["client_parameters"]["package"]
    await street.till.control("pay", prepay_id=package.removeprefix("prepay_id="))
    line = street.bureau.line.inner
    changed = Changed(line, how)
    street.bureau.line.inner = changed  # type: ignore[assignment]
    try:
        await street.run_for(timedelta(seconds=40), timedelta(seconds=20))
    finally:
        street.bureau.line.inner = line
    assert changed.met == 1
    key = street.ctx.public_ids.parse(started["settlement_id"])
    async with connection(street.ctx.pool) as conn:
        outcomes = await conn.fetch(
            "select outcome from insurance_call where record_id = $1 and settlement_id = $2"
            " and kind = 'settle'",
            *key,
        )
    assert f"unknown:{why}" in {row["outcome"] for row in outcomes}
    seen, sums = await street.mine("GET", path), await street.balances(started["settlement_id"])
    paid_fen = ordered["payment"]["amount_fen"]
    assert (seen["paid_fen"], seen["refunded_fen"]) == (paid_fen, 0)
    if why == "answer-contradicts":
        assert (seen["state"], seen["reason"]) == ("NEEDS_REVIEW", "settlement-contradicts")
        assert sums == {"provider:wechatpay": paid_fen, "patient": -paid_fen}
    else:
        assert seen["state"] == "POSTING", "the bureau's book was looked at"
        assert sums["provider:wechatpay"] == seen["cash_fen"] == paid_fen


# --- the e-invoice platform ------------------------------------------------------------------


@pytest.mark.parametrize("kind", FISCAL)
async def test_a_bad_answer_of_the_platform_moves_nothing(fresh_database: str, kind: str) -> None:
    async with a_desk(fresh_database) as desk:
        who = desk.platform.app.state.twin.institutions[fiscal_rig.APPID]

        def lie(true: httpx.Response) -> httpx.Response:
            told = json.loads(true.content)
            match kind:
                case "forged":
                    told["sign"] = "0" * 32
                case "unsigned":
                    told["sign"] = ""
                case "unknown status":
                    told = json.loads(sealed_answer(who, "f" * 32, "S7777", {}))
                case "wrong charset":
                    text = json.dumps({**told, "appid": "应用"}, ensure_ascii=False)
                    return httpx.Response(200, content=text.encode("gbk"))
                case _:
                    return httpx.Response(200, content=b"<html>busy</html>")
            return httpx.Response(200, content=json.dumps(told).encode())

        await desk.posted()
        with (
            structlog.testing.capture_logs() as logs,
            answering(desk.platform.client, lie),
        ):
            await desk.work()
        assert FISCAL[kind] in {line.get("why", line.get("reason")) for line in logs}
        held = await desk.invoice()
        if kind == "unknown status":
            # No public list of codes exists: what is not success goes before a person.
            assert held.state is InvoiceState.REFUSED
            await invoices.send_again(desk.ctx, desk.house.record_id, held.invoice_id, DECIDED)
        else:
            assert held.state is InvoiceState.CREATED
        await desk.work(rounds=3)
        assert (await desk.invoice()).state is InvoiceState.ISSUED
        assert len(await desk.platform.bills()) == 1
