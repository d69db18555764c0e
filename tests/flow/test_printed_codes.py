"""A printed code: issued, scanned for years, revoked; it identifies and never more."""

import secrets
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest

from service.healthcode import actions as healthcode
from service.kernel.database import connection
from tests.flow.test_scan_codes import record_of
from tests.support.identity_rig import IdentityRig, Phone, an_identity_rig


@pytest.fixture
async def rig(fresh_database: str) -> AsyncIterator[IdentityRig]:
    async with an_identity_rig(fresh_database) as opened:
        yield opened


async def printed(owner: Phone, **body: object) -> dict:
    answer = await owner.ask("POST", "/v1/me/printed-codes", body)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def test_it_identifies_at_every_scan_and_shows_no_bills_at_a_kiosk(rig: IdentityRig) -> None:
    owner = await rig.resident(1)
    code = await printed(owner, symbol=True)
    assert len(code["text"]) == 153
    assert code["svg"].lstrip().startswith("<")
    at_kiosk = (await rig.scan(code["text"])).json()
    at_desk = (await rig.scan(code["text"], terminal=rig.desk)).json()
    assert (at_kiosk["shown"], at_kiosk["level"]) == ("PRINTED", "IDENTIFIED")
    assert (at_kiosk["bills_visible"], at_desk["bills_visible"]) == (False, True)
    assert at_kiosk["scan_id"] != at_desk["scan_id"]
    for purpose in ("pay", "register"):
        await rig.refused(code["text"], "code-purpose-mismatch", 422, purpose=purpose)


async def test_the_same_request_is_the_same_scan_even_without_the_stored_answer(
    rig: IdentityRig,
) -> None:
    code, key = await printed(await rig.resident(3)), secrets.token_hex(8)
    first = (await rig.scan(code["text"], key=key)).json()
    async with connection(rig.ctx.pool) as conn:
        await conn.execute("delete from idempotency")
    assert (await rig.scan(code["text"], key=key)).json() == first
    another = (await rig.scan(code["text"])).json()
    assert another["scan_id"] != first["scan_id"]


@pytest.mark.parametrize(("body", "days"), [({}, 730), ({"life_days": 1827}, 1827)])
async def test_it_lives_as_long_as_asked(rig: IdentityRig, body: dict, days: int) -> None:
    owner = await rig.resident(5)
    code = await printed(owner, **body)
    life = datetime.fromisoformat(code["expires_at"]) - datetime.fromisoformat(code["issued_at"])
    assert life == timedelta(days=days)
    rig.clock.advance(timedelta(days=days, seconds=29))
    assert (await rig.scan(code["text"])).status_code == 200
    rig.clock.advance(timedelta(seconds=1))
    assert (await rig.refused(code["text"], "code-expired", 410))["off_by_s"] == 30


@pytest.mark.parametrize("days", [0, 1828, "730", 1.5])
async def test_no_other_life_is_given(rig: IdentityRig, days: object) -> None:
    owner = await rig.resident(7)
    body = {"symbol": False, "life_days": days}
    answer = await owner.ask("POST", "/v1/me/printed-codes", body)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed-request")


async def test_it_is_listed_without_its_text_and_revoked_by_itself(rig: IdentityRig) -> None:
    owner = await rig.resident(9)
    lost, kept = await printed(owner), await printed(owner)
    path = f"/v1/me/printed-codes/{lost['printed_code_id']}"
    stranger = await rig.resident(11)
    assert (await stranger.ask("DELETE", path)).status_code == 404
    for _ in range(2):
        assert (await owner.ask("DELETE", path)).status_code == 204
    await rig.refused(lost["text"], "code-revoked", 410)
    assert (await rig.scan(kept["text"])).status_code == 200
    listed = (await owner.ask("GET", "/v1/me/printed-codes")).json()["printed_codes"]
    assert {one["printed_code_id"]: one["state"] for one in listed} == {
        lost["printed_code_id"]: "REVOKED",
        kept["printed_code_id"]: "LIVE",
    }
    assert all("text" not in one for one in listed)
    async with connection(rig.ctx.pool) as conn:
        rows = await conn.fetch(
            "select scope, expires_at from revoked_code where record_id = $1",
            await record_of(rig, owner),
        )
    assert [tuple(row) for row in rows] == [(2, datetime.fromisoformat(lost["expires_at"]))]


async def test_ten_are_out_at_once_and_no_more(rig: IdentityRig) -> None:
    owner = await rig.resident(13)
    codes = [await printed(owner) for _ in range(10)]
    answer = await owner.ask("POST", "/v1/me/printed-codes", {"symbol": False})
    assert (answer.status_code, answer.json()["code"]) == (409, "printed-limit-reached")
    await owner.ask("DELETE", f"/v1/me/printed-codes/{codes[0]['printed_code_id']}")
    await printed(owner)


async def test_a_frozen_card_is_neither_read_nor_printed(rig: IdentityRig) -> None:
    owner = await rig.resident(15)
    code = await printed(owner)
    await healthcode.freeze(rig.ctx, await record_of(rig, owner))
    await rig.refused(code["text"], "code-frozen", 403)
    answer = await owner.ask("POST", "/v1/me/printed-codes", {"symbol": False})
    assert (answer.status_code, answer.json()["code"]) == (403, "code-frozen")


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ("update printed_code set state = 'LIVE' where record_id = $1", 500, "internal-error"),
        ("delete from printed_code where record_id = $1", 410, "code-no-such-card"),
    ],
)
async def test_a_row_changed_from_outside_opens_nothing(
    rig: IdentityRig, change: str, status: int, code: str
) -> None:
    owner = await rig.resident(17)
    lost = await printed(owner)
    await owner.ask("DELETE", f"/v1/me/printed-codes/{lost['printed_code_id']}")
    async with connection(rig.ctx.pool) as conn:
        await conn.execute(change, await record_of(rig, owner))
    before = await rig.counts()
    answer = await rig.scan(lost["text"])
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert await rig.counts() == before
