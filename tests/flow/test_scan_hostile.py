"""What forgers, broken readers and careless systems send to the scan."""

import secrets
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from crypto.healthcode import text as code_text
from crypto.healthcode.index import Index
from crypto.healthcode.issue import (
    OnceRequest,
    PrintedRequest,
    issue_once,
    issue_printed,
    load_issuer,
)
from crypto.healthcode.layout import Kind
from crypto.keyring import KeyRing
from service.account import actions as account
from tests.support.identity_rig import IdentityRig, an_identity_rig


@pytest.fixture
async def rig(fresh_database: str) -> AsyncIterator[IdentityRig]:
    async with an_identity_rig(fresh_database) as opened:
        yield opened


def forged(rig: IdentityRig, record_id: int, ring: KeyRing, card: int = 0, epoch: int = 0) -> str:
    """A one-time code for a record, under whatever ring."""
    now = rig.clock.now()
    request = OnceRequest(
        index=Index(record_id=record_id.to_bytes(8), card=card, epoch=epoch), code_class=0
    )
    return issue_once(load_issuer(ring, Kind.ONCE, now), request, now).text


async def own_record(rig: IdentityRig, serial: int) -> int:
    phone = await rig.resident(serial)
    resident = await account.authenticate(rig.ctx, phone.token)
    await phone.code()
    return account.own_record(resident)


@pytest.mark.parametrize(
    "text",
    [
        "YM1:",
        "YM1:A",
        "YM1:" + "0" * 151,
        "YM1:" + "%" * 150,
        "YM2:" + "0" * 150,
        "hello",
        "' or 1=1 --",
        "https://example.invalid/h?c=1",
        "529901197701015318",
        "测试",
        "\x00\x1b[2J",
        "0CA28763AB656820B8F0BDF0FDCAE810290185E9EDD4526A3DC4EE9C62288DB6:1",
    ],
)
async def test_what_is_no_code_is_malformed(rig: IdentityRig, text: str) -> None:
    await rig.refused(text, "code-malformed", 422)


async def test_no_changed_byte_passes(rig: IdentityRig) -> None:
    raw = code_text.decode(await (await rig.resident(1)).code())
    before = await rig.counts()
    for place in range(len(raw)):
        changed = bytearray(raw)
        changed[place] ^= 1 << (place % 8)
        answer = await rig.scan(code_text.encode(bytes(changed)))
        assert answer.status_code in (410, 422), place
        assert answer.json()["code"] in {
            "code-malformed",
            "code-unsupported",
            "code-key-unknown",
            "code-key-not-for-kind",
            "code-key-closed",
            "code-not-yet-valid",
            "code-expired",
            "code-purpose-mismatch",
            "code-signature-wrong",
        }
    assert await rig.counts() == before
    assert (await rig.scan(code_text.encode(raw))).status_code == 200


async def test_a_code_that_a_reader_mangled_is_repaired(rig: IdentityRig) -> None:
    phone = await rig.resident(3)
    text = await phone.code()
    assert (await rig.scan(f" {text}\r\n")).status_code == 200
    lower = (await phone.code()).lower()
    assert (await rig.scan(lower)).status_code == 200
    wide = (await phone.code()).translate({ord(":"): "：", ord("."): "。", ord("$"): "￥"})
    assert (await rig.scan(wide)).status_code == 200


async def test_a_stranger_s_key_is_unknown_or_does_not_verify(rig: IdentityRig) -> None:
    record_id = await own_record(rig, 5)
    now = rig.clock.now()
    strange = KeyRing.generate_for_development(now, province=52)
    await rig.refused(forged(rig, record_id, strange), "code-key-unknown", 422)
    same_id = KeyRing.generate_for_development(now)
    await rig.refused(forged(rig, record_id, same_id), "code-signature-wrong", 422)


async def test_a_genuine_code_of_nobody_is_refused(rig: IdentityRig) -> None:
    await rig.refused(forged(rig, 1, rig.ctx.ring), "code-no-such-card", 410)
    record_id = await own_record(rig, 7)
    await rig.refused(forged(rig, record_id, rig.ctx.ring, card=1), "code-no-such-card", 410)
    await rig.refused(forged(rig, record_id, rig.ctx.ring, epoch=1), "code-superseded", 410)


async def test_a_genuine_code_that_nobody_noted_opens_nothing(rig: IdentityRig) -> None:
    record_id = await own_record(rig, 9)
    now = rig.clock.now()
    printed = issue_printed(
        load_issuer(rig.ctx.ring, Kind.PRINTED, now),
        PrintedRequest(
            index=Index(record_id=record_id.to_bytes(8), card=0, epoch=0),
            code_class=0,
            life_days=30,
        ),
        now,
    )
    await rig.refused(printed.text, "code-no-such-card", 410)
    await rig.refused("YM1:" + "0" * 150, "code-unsupported", 422)


async def test_a_row_changed_by_sql_resolves_nobody(rig: IdentityRig) -> None:
    phone = await rig.resident(11)
    text = await phone.code()
    async with rig.ctx.pool.acquire() as conn:
        await conn.execute("update code set epoch = 0, state = 'ACTIVE', row_mac = '\\x01'")
    await rig.refused(text, "internal-error", 500)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b'{"text": "' + b"A" * 100_000 + b'", "purpose": "pay"}', 400, "malformed-request"),
        (b'{"text": 12345, "purpose": "pay"}', 400, "malformed-request"),
        (b'{"text": "YM1:A", "purpose": "steal"}', 400, "malformed-request"),
        (b'{"text": "YM1:A", "purpose": "pay", "more": 1}', 400, "malformed-request"),
        (b'{"text": "", "purpose": "pay"}', 400, "malformed-request"),
        (b'{"text": null, "purpose": "pay"}', 400, "malformed-request"),
        (b'{"text": "YM1:A"}', 400, "malformed-request"),
        (b'{"text": "\xff", "purpose": "pay"}', 400, "malformed-request"),
        (b"[" * 10_000, 400, "malformed-request"),
        (b"", 400, "malformed-request"),
        (b"x" * 1_100_000, 413, "body-too-large"),
    ],
)
async def test_bodies_that_are_not_of_the_form(
    rig: IdentityRig, body: bytes, status: int, code: str
) -> None:
    before = await rig.counts()
    answer = await rig.kiosk.send(
        "POST", "/v1/terminal/scans", content=body, key=secrets.token_hex(8)
    )
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert await rig.counts() == before


async def test_a_scan_needs_a_key_and_a_key_belongs_to_its_code(rig: IdentityRig) -> None:
    phone, neighbour = await rig.resident(13), await rig.resident(19, "测试乙")
    text = await phone.code()
    body = {"text": text, "purpose": "identify"}
    missing = await rig.kiosk.send("POST", "/v1/terminal/scans", body)
    assert missing.json()["code"] == "idempotency-key-missing"
    key = secrets.token_hex(8)
    first = (await rig.scan(text, key=key)).json()
    assert (await rig.scan(text, key=key)).json() == first
    other = (await rig.scan(await neighbour.code(), key=key)).json()
    assert other["patient_id"] != first["patient_id"], "another code is its own owner's"
    assert (await rig.scan(text, key=key)).json() == first
    long = await rig.scan(await phone.code(), key="k" * 65)
    assert (long.status_code, long.json()["code"]) == (400, "malformed-request")


async def test_an_unsigned_or_foreign_terminal_scans_nothing(rig: IdentityRig) -> None:
    text = await (await rig.resident(15)).code()
    bare = await rig.client.post("/v1/terminal/scans", json={"text": text, "purpose": "identify"})
    assert (bare.status_code, bare.json()["code"]) == (401, "not-authenticated")
    rig.kiosk.key = bytes(32)
    answer = await rig.scan(text)
    assert (answer.status_code, answer.json()["code"]) == (401, "not-authenticated")


async def test_a_refused_scan_says_nothing_of_the_person(rig: IdentityRig) -> None:
    phone = await rig.resident(17, name="机密姓名")
    text = await phone.code()
    rig.clock.advance(timedelta(minutes=5))
    answer = await rig.scan(text)
    assert answer.status_code == 410
    assert "机密" not in answer.text
    assert text not in answer.text
