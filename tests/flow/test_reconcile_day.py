"""A day's books against the statement that WeChat's twin made of it, by the real adapter."""

import gzip
from collections.abc import AsyncIterator, Callable
from datetime import UTC, date, datetime, timedelta

import pytest

from service.kernel.database import connection
from service.payment.states import AttemptState
from service.reconcile import actions
from service.reconcile.model import Account, Outcome, Sums
from tests.support.statement_rig import DAY, Counter, a_counter, wechat_text

LATE = datetime(2026, 6, 30, 15, 59, 50, tzinfo=UTC)
"""Ten seconds before midnight in Beijing."""


@pytest.fixture
async def counter(fresh_database: str) -> AsyncIterator[Counter]:
    async with a_counter(fresh_database) as made:
        yield made


async def test_a_day_that_agrees(counter: Counter) -> None:
    first = await counter.paid(10_000)
    await counter.paid(2_345)
    await counter.given_back(first, 4_000)
    report = await counter.run()
    assert report.outcome is Outcome.EXPLAINED
    sums = Sums(trade_count=2, trade_fen=12_345, refund_count=1, refund_fen=4_000)
    assert (report.there, report.here) == (sums, sums)
    assert (report.matched, report.classes, report.open) == (3, {}, 0)
    assert (report.version, report.is_new, report.tied) == (1, True, True)
    assert await counter.items() == []


async def test_what_only_we_hold(counter: Counter) -> None:
    kept = await counter.paid()
    missing = await counter.paid(777)
    await counter.omit(missing.trade_no)
    report = await counter.run()
    assert (report.outcome, report.classes) == (Outcome.DIFFERENCES, {"ONLY_HERE": 1})
    ((reason, evidence),) = await counter.items()
    assert reason == "statement-only-here"
    assert evidence["number"] == missing.trade_no != kept.trade_no
    assert (evidence["here_fen"], evidence["there_fen"]) == (777, None)


async def test_what_only_the_provider_lists(counter: Counter) -> None:
    attempt = await counter.paid()
    await counter.change(attempt.trade_no, 商户订单号="NOTOURS0001")
    report = await counter.run()
    assert report.classes == {"ONLY_THERE": 1, "ONLY_HERE": 1}
    evidence = dict(await counter.items())["statement-only-there"]
    assert (evidence["number"], evidence["there_fen"]) == ("NOTOURS0001", 10_000)
    assert evidence["line_no"] == 1
    assert len(evidence["file"]) == 64


async def test_an_amount_that_differs(counter: Counter) -> None:
    attempt = await counter.paid(10_000)
    await counter.change(attempt.trade_no, 订单金额="100.01", 应结订单金额="100.01")
    report = await counter.run()
    assert report.classes == {"AMOUNT_DIFFERS": 1}
    ((_, evidence),) = await counter.items()
    assert (evidence["there_fen"], evidence["here_fen"]) == (10_001, 10_000)
    assert (report.there.trade_fen, report.here.trade_fen) == (10_001, 10_000)


async def test_a_state_that_differs(counter: Counter) -> None:
    attempt = await counter.paid()
    await counter.change(attempt.trade_no, 交易状态="REVOKED")
    report = await counter.run()
    assert report.classes == {"STATE_DIFFERS": 1}
    ((_, evidence),) = await counter.items()
    assert (evidence["there_state"], evidence["here_state"]) == ("REVOKED", "PAID")


async def test_paid_and_unknown_is_found_and_explained_once_it_is_known(counter: Counter) -> None:
    attempt = await counter.paid(4_200, known=False)
    report = await counter.run()
    assert report.classes == {"STATE_DIFFERS": 1}
    assert (report.there.trade_fen, report.here.trade_fen) == (4_200, 0)
    ((reason, evidence),) = await counter.items()
    assert (reason, evidence["here_state"]) == ("statement-state-differs", "AWAITING_PAYER")
    # The statement moved nothing: what it says is found out by asking.
    assert (await counter.house.read(attempt)).state is AttemptState.AWAITING_PAYER
    assert (await counter.heard(attempt)).state is AttemptState.PAID
    report = await counter.run()
    assert (report.outcome, report.closed, report.open) == (Outcome.EXPLAINED, 1, 0)
    assert await counter.items() == []
    assert await counter.closings() == ["agrees"]


async def test_a_payment_that_the_ledger_lost(counter: Counter) -> None:
    await counter.paid()
    async with connection(counter.ctx.pool) as conn:
        await conn.execute("delete from posting")
    report = await counter.run()
    assert report.classes == {"AMOUNT_DIFFERS": 1}
    ((_, evidence),) = await counter.items()
    assert (evidence["here_fen"], evidence["booked_fen"]) == (10_000, None)


async def test_a_payment_that_crosses_midnight(counter: Counter) -> None:
    counter.to(LATE)
    attempt = await counter.paid()
    async with connection(counter.ctx.pool) as conn:
        # Our clock was behind the provider's: the row says five seconds past midnight.
        await conn.execute("update payment_attempt set paid_at = $1", LATE + timedelta(seconds=15))
    report = await counter.run()
    assert (report.outcome, report.classes) == (Outcome.EXPLAINED, {"CROSSES_MIDNIGHT": 1})
    assert (report.there.trade_count, report.here.trade_count) == (1, 0)
    await counter.paid(1)
    report = await counter.run(DAY + timedelta(days=1))
    assert (report.outcome, report.classes) == (Outcome.EXPLAINED, {"CROSSES_MIDNIGHT": 1})
    assert (report.there.trade_count, report.here.trade_count) == (1, 2)
    assert await counter.items() == []
    assert attempt.trade_no
    assert await counter.closings() == ["crosses-midnight"] * 2


async def test_a_line_that_comes_with_the_next_day_explains_the_first(counter: Counter) -> None:
    counter.to(LATE)
    await counter.paid(10_000)
    counter.advance(minutes=5)
    await counter.paid(1)
    async with connection(counter.ctx.pool) as conn:
        # The provider counts both on the second day.
        await conn.execute("update payment_attempt set paid_at = $1 where amount_fen = 1", LATE)
    report = await counter.run()
    assert report.classes == {"ONLY_HERE": 1}
    report = await counter.run(DAY + timedelta(days=1))
    assert (report.outcome, report.classes) == (Outcome.EXPLAINED, {"CROSSES_MIDNIGHT": 1})
    assert report.closed == 1
    assert (await counter.run()).outcome is Outcome.EXPLAINED
    assert await counter.items() == []


async def test_a_refund_counts_on_the_day_of_its_acceptance(counter: Counter) -> None:
    attempt = await counter.paid(10_000)
    assert (await counter.run()).outcome is Outcome.EXPLAINED
    await counter.given_back(attempt, 3_000)
    next_day = DAY + timedelta(days=1)
    report = await counter.run(next_day)
    sums = Sums(refund_count=1, refund_fen=3_000)
    assert (report.outcome, report.there, report.here) == (Outcome.EXPLAINED, sums, sums)
    assert report.matched == 1


async def test_a_refund_that_is_not_listed(counter: Counter) -> None:
    attempt = await counter.paid(10_000)
    await counter.omit(await counter.given_back(attempt, 3_000))
    report = await counter.run()
    assert report.classes == {"ONLY_HERE": 1}
    assert (report.there.refund_fen, report.here.refund_fen) == (0, 3_000)
    ((_, evidence),) = await counter.items()
    assert (evidence["about"], evidence["here_fen"]) == ("refund", 3_000)


async def test_a_second_run_changes_nothing(counter: Counter) -> None:
    await counter.paid(known=False)
    attempt = await counter.paid(500)
    await counter.omit(attempt.trade_no)
    first = await counter.run()
    before = await counter.snapshot()
    counter.advance(hours=1)
    second = await counter.run()
    assert await counter.snapshot() == before
    assert (first.is_new, second.is_new) == (True, False)
    assert (second.classes, second.open) == (first.classes, first.open)


async def test_the_same_lines_in_another_wrapping_are_the_same_file(counter: Counter) -> None:
    await counter.paid()
    await counter.run()
    counter.post.spoil = lambda content: gzip.compress(gzip.decompress(content), 1, mtime=7)
    report = await counter.run()
    assert (report.version, report.is_new) == (1, False)
    assert await counter.count("statement_file") == 1
    assert await counter.count("statement_line") == 1


async def test_a_newer_file_takes_the_place_and_says_so(counter: Counter) -> None:
    attempt = await counter.paid(500)
    kept = await counter.paid(600)
    counter.post.spoil = lambda content: without_row(content, attempt.trade_no, 500)
    assert (await counter.run()).classes == {"ONLY_HERE": 1}
    counter.post.spoil = None
    report = await counter.run()
    assert (report.version, report.is_new, report.outcome) == (2, True, Outcome.EXPLAINED)
    assert (report.closed, await counter.items()) == (1, [])
    assert await counter.closings() == ["agrees"]
    async with connection(counter.ctx.pool) as conn:
        rows = await conn.fetch("select version, state from statement_file order by version")
    assert [tuple(row) for row in rows] == [(1, "REPLACED"), (2, "ACTIVE")]
    # The first file's line stays as evidence beside the two of the second.
    assert await counter.count("statement_line") == 3
    assert kept.trade_no


def without_row(content: bytes, number: str, amount_fen: int) -> bytes:
    """A whole and right file that lacks a row: its totals are without it."""
    lines = wechat_text(content).split("\r\n")
    rows = [line for line in lines[1:] if line.startswith("`") and f"`{number}," not in line]
    *kept, summary = rows
    cells = summary[1:].split(",`")
    left = sum(int(c.replace(".", "")) for c in [cells[5]]) - amount_fen
    text = f"{left // 100}.{left % 100:02d}"
    cells[0], cells[1], cells[5] = str(len(kept)), text, text
    return pack("\r\n".join([lines[0], *kept, lines[-3], "`" + ",`".join(cells), ""]))


def pack(text: str, charset: str = "utf-8") -> bytes:
    return gzip.compress(text.encode(charset), mtime=0)


def doubled(text: str, totals: int = 1) -> str:
    lines = text.split("\r\n")
    rows = [line for line in lines[1:-3] if line]
    told = lines[-2].replace("`1,", f"`{totals},").replace("1234.00", f"{totals * 1234}.00")
    return "\r\n".join([lines[0], *rows, *rows, lines[-3], told, ""])


def footless(text: str) -> str:
    return "\r\n".join([*text.split("\r\n")[:-3], ""])


BROKEN: dict[str, tuple[str, Callable[[str], bytes]]] = {
    "cut within a row": ("row-broken", lambda text: pack(text[: text.index("OTHERS")])),
    "cut after a row": ("no-footer", lambda text: pack(footless(text))),
    "cut packing": ("truncated", lambda text: pack(text)[:-30]),
    "doubled": ("totals-differ", lambda text: pack(doubled(text))),
    "doubled with its totals": ("line-doubled", lambda text: pack(doubled(text, 2))),
    "thousand separator": (
        "amount-unreadable",
        lambda text: pack(text.replace("`1234.00", "`1,234.00")),
    ),
    "other merchant": (
        "other-merchant",
        lambda text: pack(text.replace("`1900000109", "`1900000110")),
    ),
    "wrong charset": ("charset", lambda text: pack(text, "gb18030")),
    "other day": ("other-day", lambda text: pack(text.replace("`2026-06-30", "`2026-06-29"))),
    "other totals": (
        "totals-differ",
        lambda text: pack(text[::-1].replace("00.4321`", "00.5321`", 1)[::-1]),
    ),
    "a separator in a number": (
        "number-unreadable",
        lambda text: pack(text.replace("`YM", "`Y\\M", 1)),
    ),
    "more after its totals": ("after-footer", lambda text: pack(text + "\r\nmore\r\n")),
    "no packing": ("damaged", lambda text: text.encode()),
    "an unlisted state": (
        "state-unlisted",
        lambda text: pack(text.replace("`SUCCESS", "`PERHAPS")),
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
async def test_nothing_of_a_broken_file_is_used(counter: Counter, kind: str) -> None:
    reason, spoil = BROKEN[kind]
    await counter.paid(123_400)
    counter.post.spoil = lambda content: spoil(wechat_text(content))
    report = await counter.run()
    assert (report.outcome, report.reason) == (Outcome.REFUSED, reason)
    assert await counter.count("statement_line") == 0
    assert await counter.count("statement_difference") == 0
    ((told, evidence),) = await counter.items()
    assert (told, evidence["day"]) == (f"statement-{reason}", DAY.isoformat())
    before = await counter.snapshot()
    await counter.run()
    assert await counter.snapshot() == before
    counter.post.spoil = None
    assert (await counter.run()).outcome is Outcome.EXPLAINED
    assert await counter.items() == []


async def test_a_broken_file_leaves_the_one_in_use(counter: Counter) -> None:
    await counter.paid(123_400)
    assert (await counter.run()).outcome is Outcome.EXPLAINED
    counter.post.spoil = lambda content: content[:-30]
    assert (await counter.run()).outcome is Outcome.REFUSED
    assert await counter.count("statement_line") == 1
    async with connection(counter.ctx.pool) as conn:
        states = await conn.fetch("select state from statement_file order by version")
    assert [row["state"] for row in states] == ["ACTIVE", "REFUSED"]


async def test_no_statement_where_there_were_payments(counter: Counter) -> None:
    attempt = await counter.paid()
    await counter.omit(attempt.trade_no)
    report = await counter.run()
    assert (report.outcome, report.reason) == (Outcome.MISSING, "missing")
    assert [reason for reason, _ in await counter.items()] == ["statement-missing"]


async def test_a_day_without_anything_is_explained(counter: Counter) -> None:
    report = await counter.run()
    assert (report.outcome, report.reason) == (Outcome.EXPLAINED, "nothing-on-either-side")
    assert await counter.items() == []


async def test_before_ten_there_is_no_statement_to_ask_for(counter: Counter) -> None:
    with pytest.raises(actions.TooEarly, match="2026-07-01T10:00"):
        await actions.reconcile_day(counter.ctx, date(2026, 6, 30))
    assert counter.post.fetched == 0


@pytest.mark.parametrize(("provider", "name"), [("nope", "1"), ("wechatpay", "1900000000")])
async def test_a_misspelt_account_is_refused_and_is_no_work_item(
    counter: Counter, provider: str, name: str
) -> None:
    counter.to(datetime(2026, 7, 1, 3, tzinfo=UTC))
    asked = [Account(provider=provider, account_name=name)]
    with pytest.raises(actions.NoSuchAccount, match=f"no account {provider}:{name}; those"):
        await actions.reconcile_day(counter.ctx, DAY, asked)
    assert await counter.items() == []
