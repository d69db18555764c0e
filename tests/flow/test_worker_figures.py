"""The worker's figures: what lags, waits and ends, told where a watcher can ask."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from crypto.sm2 import PrivateKey
from service import figures, worker
from service.kernel import outbox
from service.kernel.claims import run_once
from service.kernel.context import Context
from service.kernel.database import transaction
from tests.support.certificate_rig import certificate_rig, renewed
from tests.support.database import DatabaseServer
from tests.support.money import House, a_house
from tests.support.running import free_port

Sample = tuple[str, frozenset[tuple[str, str]]]


@pytest.fixture
async def house(fresh_database: str) -> AsyncIterator[House]:
    async with a_house(fresh_database) as made:
        yield made


async def read(ctx: Context) -> dict[Sample, float]:
    """Every figure, after the worker looked."""
    await figures.observe(ctx, worker.all_sources(ctx))
    return parsed(ctx.metrics.text().decode())


def parsed(text: str) -> dict[Sample, float]:
    """Name and labels of each sample, with its value."""
    return {
        (one.name, frozenset(one.labels.items())): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def of(name: str, **labels: str) -> Sample:
    """The key of a sample."""
    return f"yimatong_{name}", frozenset(labels.items())


async def test_a_loop_lags_until_its_work_is_done(house: House) -> None:
    assert (await read(house.ctx))[of("oldest_due_seconds", loop="payment-attempts")] == 0
    attempt = await house.create()
    house.clock.advance(timedelta(minutes=3))
    lags = await read(house.ctx)
    assert lags[of("oldest_due_seconds", loop="payment-attempts")] == pytest.approx(180, abs=10)
    assert lags[of("oldest_due_seconds", loop="payment-refunds")] == 0
    await house.work()
    assert house.provider.trades[attempt.trade_no]
    assert (await read(house.ctx))[of("oldest_due_seconds", loop="payment-attempts")] == 0


async def test_what_waits_its_time_does_not_lag(house: House) -> None:
    """A refund may wait at the counters for a day; only what is behind that is told."""
    within = house.ctx.policy.hand_out_within
    (source,) = [one for one in worker.all_sources(house.ctx) if one.name == "counter-refunds"]
    assert source.oldest_due is not None
    assert source.oldest_due.after == within
    async with transaction(house.ctx.pool) as conn:
        await conn.execute(
            "insert into counter_refund (institution_id, refund_id, record_id, settlement_id,"
            " tender, amount_fen, asked_at, row_mac) values ($1, 1, 2, 3, 'cash', 100, $2, '')",
            house.institution_id,
            house.clock.now(),
        )
    house.clock.advance(within - timedelta(minutes=1))
    assert (await read(house.ctx))[of("oldest_due_seconds", loop="counter-refunds")] == 0
    house.clock.advance(timedelta(minutes=3))
    late = (await read(house.ctx))[of("oldest_due_seconds", loop="counter-refunds")]
    assert late == pytest.approx(120, abs=1)


async def test_every_loop_tells_its_lag_but_that_of_the_lists(house: House) -> None:
    told = {
        dict(labels)["loop"]
        for name, labels in await read(house.ctx)
        if name == "yimatong_oldest_due_seconds"
    }
    loops = {source.name for source in worker.all_sources(house.ctx)}
    assert loops - told == {"code-lists"}
    assert len(told) >= 12


async def test_events_that_nobody_takes_are_counted(house: House) -> None:
    async def fails(_ctx: Context, _event: outbox.Event) -> None:
        raise ValueError

    async with transaction(house.ctx.pool) as conn:
        await outbox.append(
            conn,
            house.ctx.ids,
            house.clock.now(),
            record_id=house.record_id,
            topic="payment.paid",
            subject_id=7,
            body={},
        )
    source = worker.outbox_source(house.ctx, {"payment.paid": fails})
    assert (await read(house.ctx))[of("outbox", value="waiting")] == 1
    for _ in range(3):
        await run_once(source, house.clock, house.ctx.metrics)
        house.clock.advance(timedelta(minutes=11))
    seen = await read(house.ctx)
    assert seen[of("outbox", value="failing")] == 1
    assert seen[of("outbox", value="most_attempts")] == 3
    assert seen[of("claims_total", loop="outbox", result="failed")] == 3
    assert seen[of("oldest_due_seconds", loop="outbox")] > 500


async def test_open_items_are_counted_and_go_back_to_zero(house: House) -> None:
    attempt = await house.paid()
    house.provider.faults.append("reject")
    await house.refund(attempt, 1234)
    await house.work()
    house.clock.advance(timedelta(hours=2))
    words = {"kind": "refund", "reason": "refund-refused"}
    seen = await read(house.ctx)
    assert seen[of("open_items", **words)] == 1
    assert seen[of("oldest_item_seconds", **words)] == pytest.approx(7200, abs=60)
    async with transaction(house.ctx.pool) as conn:
        await conn.execute("update work_item set closed_at = opened_at, closing = 'seen'")
    seen = await read(house.ctx)
    assert (seen[of("open_items", **words)], seen[of("oldest_item_seconds", **words)]) == (0, 0)


async def test_certificates_that_end_are_told_until_they_are_renewed(
    postgres: DatabaseServer, migrated: str, tmp_path: Path
) -> None:
    async with certificate_rig(postgres, migrated, tmp_path) as rig:
        his, _held = await rig.certified()

        async def told() -> list[float]:
            seen = await read(rig.ctx)
            values = ("holders", "ending", "days_left")
            return [seen[of("certificates", holder="application", value=one)] for one in values]

        assert await told() == [1, 0, pytest.approx(365, abs=1)]
        rig.clock.advance(timedelta(days=340))
        assert await told() == [1, 1, pytest.approx(25, abs=1)]
        assert (await renewed(his, PrivateKey.generate())).status_code == 201
        assert await told() == [1, 0, pytest.approx(365, abs=1)]


async def test_the_worker_answers_a_watcher_while_it_works(house: House) -> None:
    port, stop = free_port(), asyncio.Event()
    with figures.served(house.ctx.metrics, "127.0.0.1", port):
        working = asyncio.create_task(worker.work(house.ctx, stop))
        async with httpx.AsyncClient(trust_env=False) as client:
            for _ in range(100):
                answer = await client.get(f"http://127.0.0.1:{port}/metrics")
                if parsed(answer.text).get(of("observed_timestamp_seconds")):
                    break
                await asyncio.sleep(0.1)
        stop.set()
        await working
    assert answer.status_code == 200
    seen = parsed(answer.text)
    assert seen[of("observed_timestamp_seconds")] == house.clock.now().timestamp()
    assert of("trust_list", value="ok") in seen
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
