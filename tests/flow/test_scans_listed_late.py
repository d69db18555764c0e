"""A hospital's cursor over its scans passes over none, however late it is committed."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from service.healthcode import rules, store
from service.healthcode.actions import reports
from service.kernel.database import COMMAND_TIMEOUT_S
from tests.support.bound_phone import BoundPhone
from tests.support.identity_rig import IdentityRig, an_identity_rig
from tests.support.readers import CutOffReader


@pytest.fixture
async def rig(postgres: object, migrated: str) -> AsyncIterator[IdentityRig]:
    async with (
        postgres.database(migrated) as dsn,  # type: ignore[attr-defined]
        an_identity_rig(dsn) as opened,
    ):
        yield opened


async def a_phone(rig: IdentityRig, number: int) -> BoundPhone:
    phone = BoundPhone(await rig.resident(number), rig.clock)
    await phone.enrol()
    return phone


class Gate:
    """Holds a function up behind its work, until it is opened."""

    def __init__(self, held_up: Any) -> None:
        self._held_up = held_up
        self.reached, self.opened = asyncio.Event(), asyncio.Event()

    async def __call__(self, *args: Any, **named: Any) -> Any:
        done = await self._held_up(*args, **named)
        self.reached.set()
        await self.opened.wait()
        return done


async def told(rig: IdentityRig, after: str | None = None) -> tuple[list[str], str]:
    query = "" if after is None else f"?after={after}"
    page = (await rig.his.send("GET", f"/v1/institution/scans{query}")).json()
    return [one["scan_id"] for one in page["scans"]], page["next"]


@pytest.mark.parametrize(
    ("module", "name", "held_s"),
    [(reports, "_keep_one", 3600), (store, "list_reported", 4), (store, "list_reported", 15)],
)
async def test_a_report_held_up_is_told_all_the_same(
    rig: IdentityRig, monkeypatch: pytest.MonkeyPatch, module: Any, name: str, held_s: int
) -> None:
    """Before its scans are listed for any time, and then for as long as a commit may take."""
    phone, other, third = [await a_phone(rig, number) for number in (9, 11, 13)]
    reader = CutOffReader(rig.desk)
    reader.accept(phone.show(), rig.clock.now())
    gate = Gate(getattr(module, name))
    monkeypatch.setattr(module, name, gate)
    report = asyncio.create_task(reader.send())
    await gate.reached.wait()
    rig.clock.advance(timedelta(seconds=1))
    online = (await rig.scan(other.show(seq=1))).json()["scan_id"]
    rig.clock.advance(timedelta(seconds=held_s - 1))
    assert (await rig.scan(third.show(seq=1))).status_code == 200
    before, cursor = await told(rig)
    assert online in before
    gate.opened.set()
    assert (await report).json()["taken"] == 1
    everything, _ = await told(rig)
    late = set(everything) - set(before)
    assert len(late) == 1
    assert late <= set((await told(rig, cursor))[0])


async def test_nor_is_one_passed_over_for_a_host_whose_clock_is_behind(rig: IdentityRig) -> None:
    ahead, behind = [await a_phone(rig, number) for number in (9, 11)]
    assert (await rig.scan(ahead.show(seq=1))).status_code == 200
    rig.clock.advance(timedelta(seconds=3))
    first, cursor = await told(rig)
    rig.clock.advance(-timedelta(seconds=4))
    assert (await rig.scan(behind.show(seq=2))).status_code == 200
    rig.clock.advance(timedelta(seconds=4))
    again, _ = await told(rig, cursor)
    assert len(set(again) - set(first)) == 1


@pytest.mark.parametrize("kind", ["report", "scan"])
async def test_what_is_not_committed_in_time_is_not_kept(
    rig: IdentityRig, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    phone = await a_phone(rig, 9)
    name = "list_reported" if kind == "report" else "insert_scan"
    gate = Gate(getattr(store, name))
    shown = phone.show()
    reader = CutOffReader(rig.desk)
    reader.accept(shown, rig.clock.now())
    with monkeypatch.context() as patched:
        patched.setattr(store, name, gate)
        patched.setattr(rules, "KNOWN_WITHIN_S", 0.5)
        held = await (reader.send() if kind == "report" else rig.scan(shown))
    assert (held.status_code, held.json()["retryable"]) == (503, True)
    assert (await told(rig))[0] == []
    answer = await (reader.send() if kind == "report" else rig.scan(shown))
    assert answer.status_code == 200
    assert len((await told(rig))[0]) == 1


def test_the_cursor_stays_behind_every_commit() -> None:
    assert rules.KNOWN_WITHIN_S >= COMMAND_TIMEOUT_S
    bound = timedelta(seconds=rules.KNOWN_WITHIN_S)
    assert bound + timedelta(seconds=5) <= rules.SETTLED_AFTER
