"""A steward at the console: the queue, two records side by side, rulings, what was looked at."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from service.casework import actions as casework
from service.casework.model import NewItem
from service.console import listing
from service.console.model import Role
from service.kernel.database import connection, transaction
from tests.support.app import a_context
from tests.support.audited import entries_of
from tests.support.console_rig import (
    HOME,
    RING,
    ConsoleRig,
    Desk,
    a_console,
    register_child,
    register_twins,
)
from tests.support.database import DatabaseServer

QUESTIONS, FIGURES = "/v1/console/questions", "/v1/console/figures"
MONEY, ACTS = "/v1/console/money", "/v1/console/acts"
WHY = "出生医学证明已核对"


@pytest.fixture
async def console(postgres: DatabaseServer, migrated: str) -> AsyncIterator[ConsoleRig]:
    """Over a database of this test alone: its whole queue is looked at."""
    async with postgres.database(migrated) as dsn, a_console(dsn) as rig:
        yield rig


async def hired(console: ConsoleRig, *roles: Role) -> Desk:
    return await (await console.hire("-".join(roles), *roles)).sign_in()


async def queue(desk: Desk, *, closed: bool = False) -> list[dict[str, Any]]:
    found = await desk.read(f"{QUESTIONS}?closed={str(closed).lower()}")
    items = found["items"]
    assert isinstance(items, list)
    return items


async def asked(desk: Desk) -> dict[str, Any]:
    """The one open question."""
    (item,) = await queue(desk)
    return await desk.read(f"{QUESTIONS}/{item['item']}")


def ruling(one: str, other: str, verdict: str) -> dict[str, str]:
    return {"record": one, "other": other, "verdict": verdict, "because": WHY}


async def test_a_twin_case_is_shown_with_its_evidence_and_kept_apart(console: ConsoleRig) -> None:
    desk = await hired(console, Role.STEWARD)
    one, two = await register_twins(console.ctx)
    (item,) = await queue(desk)
    assert (item["kind"], item["reason"]) == ("person", "twins")
    assert {item["evidence"]["record"], item["evidence"]["other_record"]} == {one, two}
    seen = await asked(desk)
    assert {seen["one"]["name"], seen["other"]["name"]} == {"欧阳春晓", "欧阳秋晓"}
    assert seen["one"]["person"] != seen["other"]["person"]
    assert seen["one"]["address"] == HOME["address"]
    found = seen["evidence"]
    assert (found["reason"], found["levels"]["born"], found["levels"]["name"]) == ("twins", 3, 2)
    assert found["total_bits"] == pytest.approx(sum(found["bits"].values()), abs=0.3)
    assert [len(person["records"]) for person in seen["persons"]] == [1, 1]
    answer = await desk.act("/v1/console/rulings", ruling(one, two, "different"))
    assert (answer.status_code, answer.json()["verdict"]) == (200, "different")
    assert await queue(desk) == []
    (closed,) = await queue(desk, closed=True)
    assert (closed["item"], closed["closing"]) == (item["item"], "kept-apart")
    after = await desk.read(f"{QUESTIONS}/{item['item']}")
    assert (after["ruling"]["by"], after["ruling"]["because"]) == (desk.name, WHY)
    await register_child(console.ctx, "欧阳春晓")
    assert await queue(desk) == [], "it is not asked again"


async def test_merged_unmerged_undone_and_asked_again(console: ConsoleRig) -> None:
    desk = await hired(console, Role.STEWARD)
    one, two = await register_twins(console.ctx)
    item = (await asked(desk))["item"]
    because = {"because": WHY}
    pair = {"record": one, "other": two, **because}

    async def merge_of(record: str) -> dict[str, Any]:
        person: Any = await desk.read(f"/v1/console/records/{record}/person")
        return dict(next(one for one in person["changes"] if one["stands"]))

    async def persons() -> int:
        return len((await desk.read(f"{QUESTIONS}/{item}"))["persons"])  # type: ignore[arg-type]

    assert (await desk.act("/v1/console/rulings", ruling(one, two, "same"))).status_code == 200
    assert (await persons(), await queue(desk)) == (1, [])
    person: Any = await desk.read(f"/v1/console/records/{two}/person")
    assert {record["record"] for record in person["records"]} == {one, two}
    assert person["provenance"]["name"] in (one, two)
    assert len(person["former_names"]) == 1
    again = await desk.act("/v1/console/rulings", ruling(one, two, "different"))
    assert (again.status_code, again.json()["code"]) == (409, "state-conflict")

    merged = await merge_of(two)
    assert (merged["kind"], merged["by"]) == ("MERGE", desk.name)
    undone = await desk.act(f"/v1/console/changes/{merged['change']}/undo", because)
    assert (undone.status_code, undone.json()["kind"]) == (200, "UNMERGE")
    assert (await persons(), len(await queue(desk))) == (2, 1), "it is asked again"
    twice = await desk.act(f"/v1/console/changes/{merged['change']}/undo", because)
    assert twice.json()["code"] == "state-conflict"

    console.clock.advance(timedelta(seconds=1))
    merged_again = await desk.act("/v1/console/rulings", ruling(one, two, "same"))
    assert merged_again.status_code == 200, merged_again.text
    merged = await merge_of(one)
    console.clock.advance(timedelta(seconds=1))
    parted = await desk.act(f"/v1/console/changes/{merged['change']}/unmerge", because)
    assert parted.status_code == 200, parted.text
    assert await persons() == 2
    after: Any = await desk.read(f"{QUESTIONS}/{item}")
    assert after["ruling"]["verdict"] == "different"
    for wrong in (merged["change"], parted.json()["change"]):
        refused = await desk.act(f"/v1/console/changes/{wrong}/unmerge", because)
        assert refused.json()["code"] == "state-conflict"
    assert (await desk.act("/v1/console/rulings/withdrawal", pair)).status_code == 200
    gone = await desk.act("/v1/console/rulings/withdrawal", pair)
    assert gone.json()["code"] == "not-found"


@pytest.mark.parametrize("second", ["same", "different"])
async def test_of_two_stewards_at_once_the_second_is_told(console: ConsoleRig, second: str) -> None:
    desk = await (await console.hire("li.na", Role.STEWARD)).sign_in()
    other = await (await console.hire("wang", Role.STEWARD)).sign_in()
    one, two = await register_twins(console.ctx)
    answers = await asyncio.gather(
        desk.act("/v1/console/rulings", ruling(one, two, "same")),
        other.act("/v1/console/rulings", ruling(two, one, second)),
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    (refused,) = [answer for answer in answers if answer.status_code == 409]
    assert refused.json()["code"] == "state-conflict"
    (closed,) = await queue(desk, closed=True)
    assert closed["closing"] in ("merged", "kept-apart")
    assert await queue(desk) == []


async def test_an_act_happens_once_for_its_key(console: ConsoleRig) -> None:
    desk = await hired(console, Role.STEWARD)
    body = ruling(*await register_twins(console.ctx), "same")
    first = await desk.act("/v1/console/rulings", body, key="one-act")
    assert (await desk.act("/v1/console/rulings", body, key="one-act")).json() == first.json()
    refused = await desk.ask("POST", "/v1/console/rulings", body)
    assert refused.json()["code"] == "idempotency-key-missing"


async def test_who_looked_at_whom_is_in_the_audit_log(console: ConsoleRig) -> None:
    desk = await hired(console, Role.STEWARD)
    one, two = await register_twins(console.ctx)
    item = (await asked(desk))["item"]
    await desk.read(f"/v1/console/records/{one}/person")
    for record, items in ((one, [item, None]), (two, [item])):
        record_id, _ = console.ctx.public_ids.parse(record)
        looks = await entries_of(console.ctx, record_id, "record.looked-at")
        assert [(look["by"], look["item"]) for look in looks] == [
            (desk.name, about) for about in items
        ]
    await desk.act("/v1/console/rulings", ruling(one, two, "different"))
    record_id, _ = console.ctx.public_ids.parse(one)
    (made,) = await entries_of(console.ctx, record_id, "ruling.made")
    assert (made["by"], made["because"]) == (desk.name, WHY)


async def test_an_auditor_reads_who_did_what_and_looked_at_whom(console: ConsoleRig) -> None:
    desk, auditor = await hired(console, Role.STEWARD), await hired(console, Role.AUDITOR)
    one, two = await register_twins(console.ctx)
    item = (await asked(desk))["item"]
    await desk.act("/v1/console/rulings", ruling(one, two, "different"))

    async def acts(target: str) -> list[dict[str, Any]]:
        found: Any = await auditor.read(target)
        return list(found["items"])

    looks = await acts(f"{ACTS}?action=record.looked-at")
    assert {look["record"] for look in looks} == {one, two}
    assert {(look["by"], look["item"]) for look in looks} == {(desk.name, item)}
    ruled = await acts(f"{ACTS}?action=ruling.made")
    assert {(act["by"], act["because"], act["record"]) for act in ruled} == {
        (desk.name, WHY, record) for record in (one, two)
    }
    signed_in = await acts(f"{ACTS}?action=operator.signed-in")
    assert {(act["by"], act["record"]) for act in signed_in} == {
        (desk.name, None),
        (auditor.name, None),
    }
    added = await acts(f"{ACTS}?action=operator.added")
    assert {(act["by"], act["operator"], act["because"]) for act in added} == {
        ("chief", desk.name, "hired"),
        ("chief", auditor.name, "hired"),
    }
    answer = (await auditor.ask("GET", ACTS)).text
    assert "欧阳" not in answer
    assert HOME["phone"] not in answer


async def test_acts_are_paged_and_those_about_a_forgotten_record_are_left_out(
    console: ConsoleRig,
) -> None:
    desk, auditor = await hired(console, Role.STEWARD), await hired(console, Role.AUDITOR)
    record = await register_child(console.ctx, "欧阳春晓")
    gone = await register_child(console.ctx, "司马秋月", phone="13812345678", address="另一路")
    wanted = listing.PAGE_MAX + 2
    for number in range(wanted):
        console.clock.advance(timedelta(seconds=1))
        await desk.read(f"/v1/console/records/{record}/person")
        if number in (0, wanted - 1):
            await desk.read(f"/v1/console/records/{gone}/person")
    async with connection(console.ctx.pool) as conn:
        number, _ = console.ctx.public_ids.parse(gone)
        await conn.execute("delete from data_key where record_id = $1", number)
    seen: list[str] = []
    after = ""
    async with a_context(console.dsn, ring=RING, clock=console.clock) as elsewhere:
        while True:
            place = after or None
            page = await listing.list_acts(elsewhere, action="record.looked-at", after=place)
            seen += [act.at.isoformat() for act in page.items]
            assert {act.record for act in page.items} <= {record}
            if page.next is None:
                break
            after = page.next
    assert len(seen) == wanted
    assert seen == sorted(seen, reverse=True)
    assert await auditor.refused("GET", f"{ACTS}?after={record}") == "not-found"


RIGHTS = {
    Role.STEWARD: {QUESTIONS, FIGURES, "question", "person", "rule"},
    Role.FINANCE: {MONEY},
    Role.AUDITOR: {QUESTIONS, FIGURES, MONEY, ACTS, "operators"},
    Role.ADMIN: {"operators"},
}


@pytest.mark.parametrize("role", list(Role))
async def test_what_each_role_may(console: ConsoleRig, role: Role) -> None:
    desk = await hired(console, role)
    one, two = await register_twins(console.ctx)
    (item,) = (
        await listing.list_items(console.ctx, ("person",), reason=None, is_open=True, after=None)
    ).items
    asks = {
        QUESTIONS: ("GET", QUESTIONS, None),
        FIGURES: ("GET", FIGURES, None),
        MONEY: ("GET", MONEY, None),
        ACTS: ("GET", ACTS, None),
        "operators": ("GET", "/v1/console/operators", None),
        "question": ("GET", f"{QUESTIONS}/{item.item}", None),
        "person": ("GET", f"/v1/console/records/{one}/person", None),
        "rule": ("POST", "/v1/console/rulings", ruling(one, two, "different")),
    }
    may = set()
    for name, (method, path, body) in asks.items():
        answer = await desk.ask(method, path, body, idempotency_key=f"{role}-{name}")
        if answer.status_code == 200:
            may.add(name)
        else:
            assert (answer.status_code, answer.json()["code"]) == (403, "not-allowed")
    assert may == RIGHTS[role]
    for path in ("changes/x/undo", "changes/x/unmerge", "questions/x/closing"):
        refused = await desk.act(f"/v1/console/{path}", {"because": WHY})
        wanted = "not-found" if role is Role.STEWARD else "not-allowed"
        assert refused.json()["code"] == wanted


async def test_nobody_sees_anything_without_a_session(console: ConsoleRig) -> None:
    desk = await console.hire("nobody", Role.STEWARD)
    for path in (QUESTIONS, FIGURES, MONEY, "/v1/console/operators", f"{QUESTIONS}/x"):
        assert await desk.refused("GET", path) == "console-not-signed-in"
    because, both = {"because": WHY}, {"record": "x", "other": "y"}
    acts = {
        "rulings": ruling("x", "y", "same"),
        "rulings/withdrawal": both | because,
        "changes/x/undo": because,
        "changes/x/unmerge": because,
        "questions/x/closing": because,
    }
    for path, body in acts.items():
        assert await desk.refused("POST", f"/v1/console/{path}", body) == "console-not-signed-in"


async def test_a_ruling_needs_our_pages_token(console: ConsoleRig) -> None:
    desk = await hired(console, Role.STEWARD)
    one, two = await register_twins(console.ctx)
    desk.forgery_token = ""
    refused = await desk.act("/v1/console/rulings", ruling(one, two, "same"))
    assert refused.json()["code"] == "console-request-forged"
    assert len(await queue(desk)) == 1


async def open_items(console: ConsoleRig, kind: str, reason: str, count: int) -> None:
    for number in range(1, count + 1):
        console.clock.advance(timedelta(seconds=1))
        async with transaction(console.ctx.pool) as conn:
            item = NewItem(
                record_id=number,
                kind=kind,
                subject_id=number,
                institution_id=None,
                reason=reason,
                evidence={"amount_fen": number},
            )
            await casework.open_item(conn, console.ctx, item)


async def test_lists_are_paged_by_age_and_reason(console: ConsoleRig) -> None:
    desk = await hired(console, Role.FINANCE)
    await open_items(console, "refund", "refund-failed", listing.PAGE_MAX + 3)
    await open_items(console, "settlement", "contradicted", 2)
    await open_items(console, "person", "nearly", 1)
    amounts: list[int] = []
    after = ""
    while True:
        page: Any = await desk.read(f"{MONEY}?reason=refund-failed{after}")
        amounts += [item["evidence"]["amount_fen"] for item in page["items"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert amounts == list(range(1, listing.PAGE_MAX + 4))
    counts = {(one["kind"], one["reason"]): one["count"] for one in page["open_counts"]}
    assert counts == {("refund", "refund-failed"): 53, ("settlement", "contradicted"): 2}
    other: Any = await desk.read(f"{MONEY}?reason=contradicted")
    assert [item["reason"] for item in other["items"]] == ["contradicted"] * 2
    assert other["items"][0]["meaning"] == "two sides say what cannot both be true"
    steward = await hired(console, Role.STEWARD)
    (item,) = await queue(steward)
    refused = await desk.refused("GET", f"{MONEY}?after={item['item']}")
    assert refused == "not-found", "an item of another kind is no place in this list"


async def test_figures_of_the_days(console: ConsoleRig) -> None:
    desk = await hired(console, Role.STEWARD)
    one, two = await register_twins(console.ctx)
    console.clock.advance(timedelta(days=1))
    desk = await desk.sign_in()
    await desk.act("/v1/console/rulings", ruling(one, two, "same"))
    person: Any = await desk.read(f"/v1/console/records/{one}/person")
    change = person["changes"][0]["change"]
    await desk.act(f"/v1/console/changes/{change}/undo", {"because": WHY})
    shown: Any = await desk.read(f"{FIGURES}?days=3")
    assert [day["day"] for day in shown["days"]] == ["2026-03-01", "2026-03-02", "2026-03-03"]
    columns = ("opened", "closed", "automatic_merges", "merges", "unmerges")
    assert [[day[name] for name in columns] for day in shown["days"]] == [
        [0, 0, 0, 0, 0],
        [1, 0, 0, 0, 0],
        [1, 1, 0, 1, 1],
    ]
    assert [day["median_open_s"] for day in shown["days"]] == [None, None, 86_400]
    assert [(one["reason"], one["count"]) for one in shown["open_counts"]] == [("twins", 1)]
    for days in ("0", "93", "x"):
        assert await desk.refused("GET", f"{FIGURES}?days={days}") == "malformed-request"


async def test_what_only_a_person_ends_is_closed_by_hand(console: ConsoleRig) -> None:
    desk = await hired(console, Role.STEWARD)
    record = await register_child(console.ctx, "欧阳春晓")
    record_id, _ = console.ctx.public_ids.parse(record)
    async with transaction(console.ctx.pool) as conn:
        item = NewItem(
            record_id=record_id,
            kind="person",
            subject_id=record_id,
            institution_id=None,
            reason="credential-names-another-person",
            evidence={},
        )
        await casework.open_item(conn, console.ctx, item)
    seen = await asked(desk)
    assert (seen["one"], seen["by_hand"]) == (None, True)
    path = f"{QUESTIONS}/{seen['item']}/closing"
    assert (await desk.act(path, {"because": WHY})).status_code == 200
    assert await queue(desk) == []
    assert (await desk.act(path, {"because": WHY})).json()["code"] == "state-conflict"


async def test_bad_words_and_ids_are_refused(console: ConsoleRig) -> None:
    desk = await hired(console, Role.STEWARD)
    one, two = await register_twins(console.ctx)
    for body in (
        ruling(one, two, "perhaps"),
        ruling(one, two, "same") | {"because": ""},
        ruling(one, two, "same") | {"because": "x" * 201},
        ruling(one, two, "same") | {"because": "a\nb"},
        ruling(one, two, "same") | {"more": 1},
    ):
        refused = await desk.act("/v1/console/rulings", body)
        assert refused.json()["code"] == "malformed-request", body
    for record in ("x", one[:-1], two + "A"):
        refused = await desk.act("/v1/console/rulings", ruling(record, two, "same"))
        assert refused.json()["code"] == "not-found"
    assert (await desk.act("/v1/console/rulings", ruling(one, one, "same"))).json()["code"] == (
        "state-conflict"
    )


async def test_a_foreign_ring_sees_nothing(console: ConsoleRig, fresh_database: str) -> None:
    """A session of one system is nobody at another."""
    desk = await hired(console, Role.STEWARD)
    async with a_context(fresh_database) as other:
        assert other.ring is not console.ctx.ring
    async with a_console(fresh_database) as elsewhere:
        desk.rig = elsewhere
        assert await desk.refused("GET", QUESTIONS) == "console-not-signed-in"
