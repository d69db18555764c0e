"""What cut-off readers accepted comes in on reconnect: kept, compared, and nobody blocked."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from crypto.healthcode.context import Offer
from crypto.healthcode.holder import Holder
from crypto.healthcode.layout import Purpose
from crypto.healthcode.offer import make_offer
from crypto.healthcode.refusal import Refusal
from crypto.healthcode.revocation import open_revocation_chain
from crypto.healthcode.revocation_set import RevocationSet
from crypto.healthcode.verify import CodeVerifier, Reader
from crypto.sm2 import PrivateKey
from service.account import actions as account
from service.casework import actions as casework
from service.casework.model import WorkItem
from service.healthcode import actions as healthcode
from service.healthcode import cards, rules
from service.kernel.database import connection
from tests.support.bound_phone import BoundPhone
from tests.support.identity_rig import IdentityRig, Phone, an_identity_rig
from tests.support.readers import CutOffReader, a_holder, a_printed_text, fetch_list, make_lists


@pytest.fixture
async def rig(postgres: object, migrated: str) -> AsyncIterator[IdentityRig]:
    async with (
        postgres.database(migrated) as dsn,  # type: ignore[attr-defined]
        an_identity_rig(dsn) as opened,
    ):
        yield opened


async def record_of(rig: IdentityRig, phone: Phone) -> int:
    resident = await account.authenticate(rig.ctx, phone.token)
    record_id = account.own_record(resident)
    async with connection(rig.ctx.pool) as conn:
        await cards.find_or_make(conn, rig.ctx, record_id)
    return record_id


async def holder_of(rig: IdentityRig, phone: Phone) -> Holder:
    return a_holder(rig.ctx, await record_of(rig, phone))


async def items(rig: IdentityRig) -> list[WorkItem]:
    return await casework.list_open(rig.ctx, 20)


async def reported(rig: IdentityRig) -> list[Any]:
    async with rig.ctx.pool.acquire() as conn:
        return list(
            await conn.fetch(
                "select record_id, shown, level, scanned_at, terminal_id from scan"
                " where reported order by scanned_at"
            )
        )


async def test_a_showing_is_kept_for_its_person_and_opens_nothing(rig: IdentityRig) -> None:
    phone = await rig.resident(1)
    record_id = await record_of(rig, phone)
    text, at = await phone.code(), rig.clock.now()
    reader = CutOffReader(rig.kiosk)
    reader.accept(text, at + timedelta(seconds=20))
    rig.clock.advance(timedelta(days=3))
    assert await reader.deliver() == {
        "taken": 1,
        "head": reader.head.hex(),
        "work_items": 0,
        "refused": [],
    }
    (row,) = await reported(rig)
    assert (row["record_id"], row["shown"], row["level"]) == (record_id, "ONE_TIME", "PRESENT")
    assert row["scanned_at"] == at + timedelta(seconds=20)
    async with rig.ctx.pool.acquire() as conn:
        scan_id = await conn.fetchval("select scan_id from scan where reported")
        audited = await conn.fetchval(
            "select count(*) from audit_entry where action = 'code.reported' and record_id = $1",
            record_id,
        )
    assert audited == 1
    handle = rig.ctx.public_ids.text(record_id, scan_id)
    refused = await rig.kiosk.send("GET", f"/v1/terminal/scans/{handle}/bills")
    assert (refused.status_code, refused.json()["code"]) == (403, "scan-reported")


async def test_a_hospital_sees_what_its_cut_off_readers_took(rig: IdentityRig) -> None:
    first, second = await rig.resident(37), await rig.resident(39)
    read_at = rig.clock.now()
    reader = CutOffReader(rig.kiosk)
    reader.accept(await first.code(), read_at)
    rig.clock.advance(timedelta(hours=3))
    online = (await rig.scan(await second.code())).json()
    rig.clock.advance(rules.SETTLED_AFTER + timedelta(seconds=1))
    page = (await rig.his.send("GET", "/v1/institution/scans")).json()
    assert [one["scan_id"] for one in page["scans"]] == [online["scan_id"]]
    assert (page["scans"][0]["read_offline"], page["scans"][0]["reported_at"]) == (False, None)
    await reader.deliver()
    told_at = rig.clock.now()
    rig.clock.advance(rules.SETTLED_AFTER + timedelta(seconds=1))
    page = (await rig.his.send("GET", f"/v1/institution/scans?after={page['next']}")).json()
    (late,) = page["scans"]
    assert late["read_offline"] is True
    assert datetime.fromisoformat(late["scanned_at"]) == read_at
    assert datetime.fromisoformat(late["reported_at"]) == told_at
    assert late["terminal_id"] == rig.kiosk.caller_id
    assert len(late["patient_id"]) == 32
    again = (await rig.his.send("GET", f"/v1/institution/scans?after={page['next']}")).json()
    assert again["scans"] == []
    both = (await rig.his.send("GET", "/v1/institution/scans")).json()["scans"]
    assert [one["read_offline"] for one in both] == [False, True]


async def test_one_screenshot_at_two_cut_off_terminals_opens_one_work_item(
    rig: IdentityRig,
) -> None:
    phone = await rig.resident(3)
    holder = await holder_of(rig, phone)
    shown, at = holder.show(rig.clock.now()).issued.text, rig.clock.now()
    readers = [CutOffReader(rig.kiosk), CutOffReader(rig.desk)]
    for late, reader in enumerate(readers):
        reader.accept(shown, at + timedelta(seconds=15 * late))
    rig.clock.advance(timedelta(hours=2))
    taken = [await reader.deliver() for reader in readers]
    assert [one["work_items"] for one in taken] == [0, 1]
    (item,) = await items(rig)
    assert (item.kind, item.reason) == ("code", "code-shown-twice")
    assert item.record_id == await record_of(rig, phone)
    assert {item.evidence["first_terminal"], item.evidence["second_terminal"]} == {
        rig.kiosk.caller_id,
        rig.desk.caller_id,
    }
    assert "测试甲" not in str(item.evidence)
    still = holder.show(rig.clock.now()).issued.text
    assert (await rig.scan(await phone.code())).status_code == 200
    reader = CutOffReader(rig.kiosk)
    reader.accept(still, rig.clock.now())
    assert (await reader.deliver())["refused"] == []
    assert len(await items(rig)) == 1


async def test_one_time_codes_are_compared_with_online_uses_both_ways(rig: IdentityRig) -> None:
    phone = await rig.resident(5)
    used_online, at = await phone.code(), rig.clock.now()
    assert (await rig.scan(used_online)).status_code == 200
    reader = CutOffReader(rig.desk)
    reader.accept(used_online, at)
    assert (await reader.deliver())["work_items"] == 1
    (item,) = await items(rig)
    assert item.evidence["first_reported"] is False
    taken_offline = await phone.code()
    reader.accept(taken_offline, rig.clock.now())
    assert (await reader.deliver())["work_items"] == 0
    await rig.refused(taken_offline, "code-already-used", 410)
    await rig.refused(taken_offline, "code-already-used", 410, terminal=rig.desk)


async def test_the_same_terminal_online_and_reported_is_no_copy(rig: IdentityRig) -> None:
    text = await (await rig.resident(7)).code()
    assert (await rig.scan(text)).status_code == 200
    reader = CutOffReader(rig.kiosk)
    reader.accept(text, rig.clock.now())
    assert (await reader.deliver())["work_items"] == 0
    assert await items(rig) == []


async def test_two_terminals_that_reconnect_at_once_are_told_apart(rig: IdentityRig) -> None:
    phone = await rig.resident(9)
    holder = await holder_of(rig, phone)
    texts = [holder.show(rig.clock.now()).issued.text for _ in range(12)]
    readers = [CutOffReader(rig.kiosk), CutOffReader(rig.desk)]
    for reader, order in zip(readers, (texts, texts[::-1]), strict=True):
        for text in order:
            reader.accept(text, rig.clock.now())
    taken = await asyncio.gather(*(reader.deliver() for reader in readers))
    assert sorted(one["work_items"] for one in taken) == [0, 1]
    assert len(await items(rig)) == 1


async def test_printed_codes_may_be_shown_everywhere(rig: IdentityRig) -> None:
    text = a_printed_text(rig.ctx, await record_of(rig, await rig.resident(11)))
    for terminal in (rig.kiosk, rig.desk):
        reader = CutOffReader(terminal)
        reader.accept(text, rig.clock.now())
        assert (await reader.deliver())["work_items"] == 0
    assert [row["level"] for row in await reported(rig)] == ["IDENTIFIED"] * 2
    assert await items(rig) == []


async def test_a_lost_answer_is_repeated_by_key_and_by_place_in_the_log(rig: IdentityRig) -> None:
    phone = await rig.resident(13)
    reader = CutOffReader(rig.kiosk)
    for _ in range(3):
        reader.accept(await phone.code(), rig.clock.now())
    key, body = secrets.token_hex(8), reader.body()
    first = await reader.send(body, key)
    assert first.status_code == 200
    assert (await reader.send(body, key)).content == first.content
    again = await reader.send(body)
    assert again.json()["head"] == first.json()["head"]
    reader.accept(await phone.code(), rig.clock.now())
    longer = await reader.send()
    assert (longer.status_code, longer.json()["taken"]) == (200, 4)
    assert len(await reported(rig)) == 4


async def test_a_forked_or_broken_log_is_refused_with_what_is_expected(rig: IdentityRig) -> None:
    phone = await rig.resident(15)
    reader = CutOffReader(rig.kiosk)
    reader.accept(await phone.code(), rig.clock.now())
    start = reader.body()
    await reader.deliver()
    reader.accept(await phone.code(), rig.clock.now())
    told = {"expected_first": 1, "expected_previous": reader.head.hex()}
    other = CutOffReader(rig.kiosk)
    other.accept(await phone.code(), rig.clock.now())
    forks: list[tuple[dict[str, Any], str]] = [
        ({**reader.body(), "first": 2}, "shown-log-gap"),
        ({**reader.body(), "previous": "00" * 32}, "shown-log-forked"),
        ({**start, "entries": other.entries}, "shown-log-forked"),
        ({**start, "entries": other.entries + reader.entries}, "shown-log-forked"),
        ({**other.body(), "log": reader.log}, "shown-log-forked"),
    ]
    for body, code in forks:
        answer = await reader.send(body)
        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (409, code)
        assert {name: problem[name] for name in told} == told
    gap = {**other.body(), "first": 1}
    unknown = (await other.send(gap)).json()
    assert (unknown["code"], unknown["expected_first"]) == ("shown-log-gap", 0)
    assert len(await reported(rig)) == 1
    assert (await reader.deliver())["taken"] == 1


async def test_logs_of_two_terminals_do_not_meet(rig: IdentityRig) -> None:
    phone = await rig.resident(17)
    mine, theirs = CutOffReader(rig.kiosk), CutOffReader(rig.desk)
    theirs.log = mine.log
    for reader in (mine, theirs):
        reader.accept(await phone.code(), rig.clock.now())
        assert (await reader.deliver())["taken"] == 1


async def test_what_does_not_hold_is_named_and_the_log_goes_on(rig: IdentityRig) -> None:
    phone = await rig.resident(19)
    now = rig.clock.now()
    good = await phone.code()
    stranger = a_holder(rig.ctx, 99).show(now).issued.text
    flipped = good[:-1] + ("0" if good[-1] != "0" else "1")
    reader = CutOffReader(rig.kiosk)
    reader.accept(good, now + timedelta(minutes=3))
    reader.accept(good, now, "pay")
    reader.accept(flipped, now)
    reader.accept("YM1:NONSENSE", now)
    reader.accept(stranger, now)
    reader.accept(good, now, "identify", "YMO1:NONSENSE")
    reader.accept(good, now + timedelta(minutes=6))
    reader.accept(good, now - timedelta(days=31))
    reader.accept(good, now)
    taken = await reader.deliver()
    errors = {one["number"]: one["error"] for one in taken["refused"]}
    assert errors.pop(2) in {"ISSUER_SIGNATURE", "CODE_MALFORMED"}
    assert errors == {
        0: "EXPIRED",
        1: "PURPOSE_MISMATCH",
        3: "CODE_MALFORMED",
        4: "NO_SUCH_CARD",
        5: "OFFER_REFUSED",
        6: "SCANNED_AHEAD",
        7: "SCANNED_TOO_LONG_AGO",
    }
    assert len(await reported(rig)) == 1
    assert await items(rig) == []


async def test_a_code_bound_to_an_offer_is_judged_with_its_offer(rig: IdentityRig) -> None:
    holder = await holder_of(rig, await rig.resident(21))
    till_key, now = PrivateKey.generate(), rig.clock.now()
    answer = await rig.desk.send(
        "POST",
        "/v1/terminal/till-certificate",
        {"public_key": till_key.public.compressed().hex()},
    )
    _, terminal_id = rig.ctx.public_ids.parse(rig.desk.caller_id)
    offer = Offer(
        purpose=Purpose.PAY,
        institution=rig.hospital.code.encode().ljust(18, b"\0"),
        terminal=terminal_id.to_bytes(8),
        challenge=secrets.token_bytes(16),
        bill_id=secrets.token_bytes(16),
        amount_fen=12345,
    )
    certificate = bytes.fromhex(answer.json()["certificate"])
    text = make_offer(offer, certificate, till_key, now)
    shown = holder.show(now, Purpose.PAY, offer).issued.text
    other = make_offer(Offer(**{**_fields(offer), "amount_fen": 1}), certificate, till_key, now)
    reader = CutOffReader(rig.desk)
    reader.accept(shown, now, "pay", text)
    reader.accept(shown, now, "pay", other)
    reader.accept(shown, now, "pay")
    taken = await reader.deliver()
    assert [(one["number"], one["error"]) for one in taken["refused"]] == [
        (1, "CONTEXT_MISMATCH"),
        (2, "PURPOSE_MISMATCH"),
    ]


def _fields(offer: Offer) -> dict[str, Any]:
    return {name: getattr(offer, name) for name in Offer.__dataclass_fields__}


async def test_a_revoked_or_voided_code_that_was_taken_before_is_still_kept(
    rig: IdentityRig,
) -> None:
    phone = await rig.resident(23)
    text, at = await phone.code(), rig.clock.now()
    await healthcode.void_codes(rig.ctx, await record_of(rig, phone))
    reader = CutOffReader(rig.kiosk)
    reader.accept(text, at)
    assert (await reader.deliver())["refused"] == []
    assert len(await reported(rig)) == 1


async def test_old_showings_are_forgotten(rig: IdentityRig) -> None:
    holder = await holder_of(rig, await rig.resident(25))
    reader = CutOffReader(rig.kiosk)
    reader.accept(holder.show(rig.clock.now()).issued.text, rig.clock.now())
    await reader.deliver()
    rig.clock.advance(timedelta(days=31))
    assert await healthcode.forget_shown(rig.ctx) == 0
    rig.clock.advance(timedelta(days=2))
    assert await healthcode.forget_shown(rig.ctx) == 1


ENTRY = {"text": "YM1:A", "scanned_at": "2026-06-30T04:00:00Z", "purpose": "identify"}
BODY = {"log": "00" * 16, "first": 0, "previous": "00" * 32, "entries": [ENTRY]}


@pytest.mark.parametrize(
    "body",
    [
        {**BODY, "log": "00" * 15},
        {**BODY, "log": "0G" * 16},
        {**BODY, "log": "00" * 16 + "\n"},
        {**BODY, "first": -1},
        {**BODY, "first": "1"},
        {**BODY, "first": 1 << 70},
        {**BODY, "previous": "00" * 31},
        {**BODY, "entries": []},
        {**BODY, "entries": [ENTRY] * 201},
        {**BODY, "entries": [{**ENTRY, "text": ""}]},
        {**BODY, "entries": [{**ENTRY, "text": "A" * 312}]},
        {**BODY, "entries": [{**ENTRY, "text": "码"}]},
        {**BODY, "entries": [{**ENTRY, "scanned_at": "2026-06-30T04:00:00"}]},
        {**BODY, "entries": [{**ENTRY, "scanned_at": "0001-01-01T00:00:00Z"}]},
        {**BODY, "entries": [{**ENTRY, "scanned_at": "9999-12-31T23:59:59Z"}]},
        {**BODY, "entries": [{**ENTRY, "scanned_at": 1782792000}]},
        {**BODY, "entries": [{**ENTRY, "purpose": "archive"}]},
        {**BODY, "entries": [{**ENTRY, "offer": "A" * 1025}]},
        {**BODY, "entries": [{**ENTRY, "level": "present"}]},
        {**BODY, "extra": 1},
        [],
        None,
    ],
)
async def test_hostile_reports_are_refused_whole(
    rig: IdentityRig, body: dict[str, Any] | list[Any] | None
) -> None:
    answer = await rig.kiosk.send(
        "POST", "/v1/terminal/shown-codes", body, key=secrets.token_hex(8)
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed-request")
    async with rig.ctx.pool.acquire() as conn:
        assert await conn.fetchval("select count(*) from shown_log") == 0


async def test_a_report_needs_a_key_and_a_terminal(rig: IdentityRig) -> None:
    answer = await rig.kiosk.send("POST", "/v1/terminal/shown-codes", BODY)
    assert answer.json()["code"] == "idempotency-key-missing"
    unsigned = await rig.client.post("/v1/terminal/shown-codes", json=BODY)
    assert unsigned.status_code == 401


async def test_a_phones_showing_read_online_and_later_reported_elsewhere(rig: IdentityRig) -> None:
    phone = BoundPhone(await rig.resident(31), rig.clock)
    await phone.enrol()
    copied, at = phone.show(), rig.clock.now()
    assert (await rig.scan(copied)).status_code == 200
    rig.clock.advance(timedelta(minutes=5))
    assert (await rig.scan(phone.show())).status_code == 200
    reader = CutOffReader(rig.desk)
    reader.accept(copied, at)
    assert (await reader.deliver())["work_items"] == 1
    (item,) = await items(rig)
    assert item.evidence["first_terminal"] == rig.kiosk.caller_id
    rig.clock.advance(timedelta(minutes=5))
    assert (await rig.scan(phone.show())).status_code == 200


async def test_a_phones_showing_reported_first_is_not_taken_online(rig: IdentityRig) -> None:
    phone = BoundPhone(await rig.resident(33), rig.clock)
    await phone.enrol()
    copied = phone.show()
    reader = CutOffReader(rig.desk)
    reader.accept(copied, rig.clock.now())
    assert (await reader.deliver())["work_items"] == 0
    await rig.refused(copied, "code-already-used", 410)
    assert (await rig.scan(phone.show(seq=1))).status_code == 200
    assert await items(rig) == []


async def test_a_lost_phone_reaches_the_list_that_readers_fetch(rig: IdentityRig) -> None:
    phone = BoundPhone(await rig.resident(35), rig.clock)
    await phone.enrol()
    text = phone.show()
    gone = await phone.owner.ask("DELETE", f"/v1/me/phones/{phone.phone_id}")
    assert gone.status_code in (200, 204)
    await make_lists(rig.ctx)
    trust = rules.trust_of(rig.ctx.ring.snapshot)
    blob = await fetch_list(rig.client)
    listed = open_revocation_chain([blob], trust, rig.clock.now())
    verdict = CodeVerifier(trust).verify(text, Reader(), rig.clock.now(), RevocationSet([listed]))
    assert verdict.refusal is Refusal.REVOKED
