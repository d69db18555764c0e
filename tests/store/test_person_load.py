"""``yimatong person load``: a file's registrations in an empty index, once, whatever happens."""

import asyncio
import csv
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from loadtests.populations import MIXES, Population
from service.commands.person_load import load_file
from service.kernel.context import Context
from service.kernel.database import connection
from service.kernel.problems import StateConflict
from service.person import actions, loading, store_loading
from service.person.matching.batch import match
from service.person.matching.traits import Line, traits_of
from service.person.model import Registration, Source
from tests.support.app import a_context
from tests.support.database import DatabaseServer
from tests.support.fakes_identity import POLICY
from tests.support.index_state import check_invariants
from tests.support.index_steps import register

SEED, PEOPLE = 41, 60


@pytest.fixture
async def ctx(postgres: DatabaseServer, migrated: str) -> AsyncIterator[Context]:
    """Over a database of this test alone: a load begins an empty index."""
    async with postgres.database(migrated) as dsn, a_context(dsn, policy=POLICY) as opened:
        yield opened


def a_file(path: Path, *more: dict[str, Any]) -> list[dict[str, Any]]:
    lines = [line for line, _, _ in Population(SEED, PEOPLE, MIXES["sloppy"]).lines()]
    lines += more
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    path.write_text(text, encoding="utf-8")
    return lines


async def persons(ctx: Context) -> set[frozenset[int]]:
    """The records of each person."""
    async with connection(ctx.pool) as conn:
        rows = await conn.fetch(
            "select array_agg(record_id) as ids from link where to_at is null group by person_id"
        )
    return {frozenset(row["ids"]) for row in rows}


async def numbers(ctx: Context, *tables: str) -> list[int]:
    async with connection(ctx.pool) as conn:
        return [await conn.fetchval(f"select count(*) from {one}") for one in tables]  # noqa: S608


async def test_the_index_holds_the_partition_of_the_file(ctx: Context, tmp_path: Path) -> None:
    path = tmp_path / "all.jsonl"
    lines = a_file(path)
    said = await load_file(ctx, path, 1)
    assert f"{len(lines)} registrations of " in said
    found = match([traits_of(Line(**line), ctx.clock.now().date()) for line in lines])
    async with connection(ctx.pool) as conn:
        (row,) = await conn.fetch("select file_digest from index_load")
        load = await store_loading.find_load(conn, row["file_digest"])
    assert load is not None
    assert load.done == load.steps
    clusters: dict[str, set[int]] = {}
    for line, cluster in zip(lines, found.cluster_of, strict=True):
        clusters.setdefault(cluster, set()).add(loading.record_id_of(load, line["id"]))
    assert await persons(ctx) == {frozenset(ids) for ids in clusters.values()}
    assert await numbers(ctx, "person", "golden", "review") == [
        len(clusters),
        len(clusters),
        len(found.questions),
    ]
    await check_invariants(ctx)
    async with connection(ctx.pool) as conn:
        received_at = await conn.fetchval(
            "select received_at from record where record_id = $1",
            loading.record_id_of(load, lines[0]["id"]),
        )
    assert received_at.date().isoformat() == lines[0]["time"]


async def test_killed_anywhere_it_goes_on_without_double_records(
    ctx: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "STEP", 7)
    path = tmp_path / "all.jsonl"
    lines = a_file(path)
    kills = 0
    real = store_loading.advance

    async def dies(*args: Any) -> bool:
        nonlocal kills
        done = await real(*args)
        if args[2] % 5 == 4 and args[2] // 5 == kills:
            kills += 1
            raise asyncio.CancelledError
        return done

    monkeypatch.setattr(store_loading, "advance", dies)
    for _ in range(100):
        try:
            said = await load_file(ctx, path, 1)
        except asyncio.CancelledError:
            continue
        break
    assert kills > 3
    assert "an earlier run had begun it" in said
    assert await numbers(ctx, "record", "decision") == [len(lines), len(lines)]
    await check_invariants(ctx)
    again = await load_file(ctx, path, 1)
    assert "an earlier run had begun it" in again
    assert await numbers(ctx, "record") == [len(lines)]


async def test_two_runs_of_one_file_store_it_once(ctx: Context, tmp_path: Path) -> None:
    path = tmp_path / "all.jsonl"
    lines = a_file(path)
    both = await asyncio.gather(
        load_file(ctx, path, 1), load_file(ctx, path, 1), return_exceptions=True
    )
    assert [one for one in both if isinstance(one, str)]
    assert [type(one) for one in both if not isinstance(one, str)] in ([], [StateConflict])
    assert await numbers(ctx, "record") == [len(lines)]
    await check_invariants(ctx)


async def test_lines_that_the_index_cannot_hold_stand_beside_with_their_reason(
    ctx: Context, tmp_path: Path
) -> None:
    path = tmp_path / "some.jsonl"
    good = a_file(
        path,
        {"id": "x1", "name": "甲" * 100_000},
        {"id": "x2", "name": "李四", "source": "resident"},
        {"id": "x3", "name": "李\u202e四"},
        {"id": "x4", "name": "李四", "source": "nobody"},
    )
    with path.open("a", encoding="utf-8") as file:
        file.write("no object\n")
    said = await load_file(ctx, path, 1)
    assert "5 lines refused" in said
    with (tmp_path / "some.jsonl.refused.csv").open(newline="") as file:
        rows = {int(row["line"]): row["reason"] for row in csv.DictReader(file)}
    count = len(good)
    assert sorted(rows) == [count - 3, count - 2, count - 1, count, count + 1]
    assert rows[count - 3] == "too long"
    assert rows[count - 2].startswith("source: one of reader")
    assert rows[count - 1].startswith("name-invalid")
    assert "李" not in "".join(rows.values())
    assert await numbers(ctx, "record") == [count - 4]


async def test_it_begins_an_empty_index_only(ctx: Context, tmp_path: Path) -> None:
    path = tmp_path / "all.jsonl"
    a_file(path)
    await register(ctx, 1)
    with pytest.raises(StateConflict, match="begins an empty one"):
        await load_file(ctx, path, 1)
    assert await numbers(ctx, "record") == [1]


async def test_who_is_registered_after_the_load_meets_who_was_loaded(
    ctx: Context, tmp_path: Path
) -> None:
    path = tmp_path / "all.jsonl"
    lines = a_file(path)
    await load_file(ctx, path, 1)
    known = next(line for line in lines if line.get("id_no") and line["source"] == "reader")
    before = await persons(ctx)
    done = await actions.register(
        ctx,
        Registration(
            source=Source.WINDOW,
            institution_id=None,
            name=known["name"],
            id_type="01",
            id_no=known["id_no"],
            phone=None,
        ),
    )
    assert len(await persons(ctx)) == len(before)
    assert len(await actions.list_records(ctx, done.record_id)) > 1
    await check_invariants(ctx)
