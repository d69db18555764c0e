"""The console's sign-in: two factors, limited tries, sessions that end, requests nobody forges."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import count

import httpx
import pytest

from service.console import enrolling, rules
from service.console.guarding import COOKIE, FORGERY_HEADER
from service.console.model import OperatorState, Role
from service.console.problems import OperatorNameTaken
from service.kernel.database import connection
from tests.support.audited import entries_of
from tests.support.console_rig import BY, ConsoleRig, Desk, a_console

NUMBERS = count(1)
SESSION, SIGN_IN = "/v1/console/session", "/v1/console/sign-in"


@pytest.fixture
async def console(fresh_database: str) -> AsyncIterator[ConsoleRig]:
    async with a_console(fresh_database) as rig:
        yield rig


async def steward(console: ConsoleRig) -> Desk:
    return await console.hire(f"steward{next(NUMBERS)}", Role.STEWARD)


def problem_in(answer: httpx.Response) -> str:
    return str(answer.json()["code"])


def test_the_codes_are_those_of_rfc_6238() -> None:
    secret = b"12345678901234567890"
    published = {1111111109: "081804", 1234567890: "005924", 20000000000: "353130"}
    for seconds, code in published.items():
        step = seconds // 30
        for off, found in ((0, step), (1, step), (-1, step), (2, None), (-2, None)):
            now = datetime.fromtimestamp((step + off) * 30, UTC)
            assert rules.step_of(secret, code, now) == found


async def test_an_operator_signs_in_and_out(console: ConsoleRig) -> None:
    desk = await steward(console)
    answer = await desk.try_in()
    assert answer.status_code == 200
    said = answer.headers["set-cookie"]
    assert said.startswith(f"{COOKIE}=")
    flags = {part.strip().lower() for part in said.split(";")[1:]}
    assert {"secure", "httponly", "samesite=strict", "path=/"} <= flags
    assert not any(flag.startswith(("domain", "max-age", "expires")) for flag in flags)
    assert desk.cookie not in answer.text
    assert answer.headers["cache-control"] == "no-store"
    shown = await desk.read(SESSION)
    assert (shown["name"], shown["roles"]) == (desk.name, ["steward"])
    assert shown["forgery_token"] == desk.forgery_token
    assert (await desk.ask("DELETE", SESSION)).status_code == 204
    assert await desk.refused("GET", SESSION) == "console-not-signed-in"


async def test_each_factor_is_needed_and_no_answer_says_which_was_wrong(
    console: ConsoleRig,
) -> None:
    desk = await steward(console)
    nobody = Desk(console, "nobody.at.all", desk.secrets)
    wrong_code = f"{(int(desk.code()) + 1) % 1_000_000:06d}"
    for refused in (
        await desk.try_in(password="wrong"),
        await desk.try_in(code=wrong_code),
        await nobody.try_in(),
    ):
        assert (refused.status_code, problem_in(refused)) == (403, "console-sign-in-refused")
    await enrolling.set_state(console.ctx, desk.name, OperatorState.SUSPENDED, BY)
    assert problem_in(await desk.try_in()) == "console-sign-in-refused"
    await enrolling.set_state(console.ctx, desk.name, OperatorState.ACTIVE, BY)
    await desk.sign_in()


async def test_a_code_counts_once(console: ConsoleRig) -> None:
    desk = await steward(console)
    code = desk.code()
    await desk.sign_in()
    assert problem_in(await desk.try_in(code=code)) == "console-sign-in-refused"
    assert problem_in(await desk.try_in(code=desk.code(-30))) == "console-sign-in-refused"
    await desk.read(SESSION)  # who signed in rightly is not thrown out by a replay
    console.clock.advance(timedelta(seconds=35))
    await desk.sign_in()


async def test_one_code_at_two_browsers_at_once_begins_one_session(console: ConsoleRig) -> None:
    desk = await steward(console)
    answers = await asyncio.gather(*(desk.try_in() for _ in range(2)))
    assert sorted(answer.status_code for answer in answers) == [200, 403]


async def test_refused_tries_slow_down_and_lock(console: ConsoleRig) -> None:
    desk = await steward(console)
    waits = []
    for _ in range(len(rules.WAITS) + 1):
        assert problem_in(await desk.try_in(password="wrong")) == "console-sign-in-refused"
        locked = await desk.try_in(password="wrong") if len(waits) > 1 else None
        waits.append(locked.json()["retry_after_s"] if locked else 0)
        if locked:
            assert (locked.status_code, problem_in(locked)) == (403, "console-locked")
            console.clock.advance(timedelta(seconds=waits[-1]))
    assert waits[0] == 0 < waits[2] < waits[3] < waits[4]
    assert waits[4] > rules.LOCKED_FOR.total_seconds()
    assert problem_in(await desk.try_in(password="wrong")) == "console-sign-in-refused"
    assert problem_in(await desk.try_in()) == "console-locked", "the right one is not looked at"
    await enrolling.unlock(console.ctx, desk.name, BY)
    await desk.sign_in()
    console.clock.advance(timedelta(seconds=60))
    for _ in range(2):
        assert problem_in(await desk.try_in(password="wrong")) == "console-sign-in-refused"
    assert (await desk.try_in()).status_code == 200, "a sign-in ends the count"


async def test_a_session_ends_unused_and_at_last(console: ConsoleRig) -> None:
    desk = await (await steward(console)).sign_in()
    for _ in range(3):
        console.clock.advance(rules.IDLE_LIFE - timedelta(seconds=1))
        await desk.read(SESSION)
    console.clock.advance(rules.IDLE_LIFE)
    assert await desk.refused("GET", SESSION) == "console-not-signed-in"
    await desk.sign_in()
    began = console.clock.now()
    while console.clock.now() + timedelta(minutes=10) < began + rules.SESSION_LIFE:
        console.clock.advance(timedelta(minutes=10))
        await desk.read(SESSION)
    console.clock.advance(timedelta(minutes=10))
    assert await desk.refused("GET", SESSION) == "console-not-signed-in"


async def test_every_change_of_an_operator_ends_his_session(console: ConsoleRig) -> None:
    ctx, desk = console.ctx, await steward(console)
    first, second = Desk(console, desk.name, desk.secrets), desk

    async def ended(desk: Desk) -> None:
        assert await desk.refused("GET", SESSION) == "console-not-signed-in"
        console.clock.advance(timedelta(seconds=60))

    await first.sign_in()
    console.clock.advance(timedelta(seconds=60))
    await second.sign_in()
    await ended(first)
    await enrolling.set_roles(ctx, desk.name, [Role.AUDITOR], BY)
    await ended(desk)
    assert (await (await desk.sign_in()).read(SESSION))["roles"] == ["auditor"]
    await enrolling.set_state(ctx, desk.name, OperatorState.SUSPENDED, BY)
    await ended(desk)
    await enrolling.set_state(ctx, desk.name, OperatorState.ACTIVE, BY)
    old = desk.secrets
    desk.secrets = await enrolling.new_secrets(ctx, desk.name, BY)
    assert problem_in(await Desk(console, desk.name, old).try_in()) == "console-sign-in-refused"
    await desk.sign_in()


async def test_forged_sessions_are_refused(console: ConsoleRig) -> None:
    desk, other = await (await steward(console)).sign_in(), await steward(console)
    await other.sign_in()
    name, _, secret = desk.cookie.partition(".")
    for forged in (
        "",
        name,
        f"{name}.",
        f"{name}.{'0' * 64}",
        f"{name}.{secret[:-2]}",
        f"{other.cookie.partition('.')[0]}.{secret}",
        f"x{desk.cookie}",
        desk.cookie + "00" * 200,
        "%00",
    ):
        answer = await desk.ask("GET", SESSION, cookie=f"{COOKIE}={forged}")
        assert (answer.status_code, problem_in(answer)) == (401, "console-not-signed-in"), forged
    await desk.read(SESSION)


async def test_a_changing_request_is_the_own_pages(console: ConsoleRig) -> None:
    desk, other = await (await steward(console)).sign_in(), await steward(console)
    await other.sign_in()
    forged = "console-request-forged"
    for token in ("", "0" * 64, other.forgery_token):
        assert await desk.refused("DELETE", SESSION, **{FORGERY_HEADER: token}) == forged
    for site in ("cross-site", "same-site"):
        assert await desk.refused("DELETE", SESSION, sec_fetch_site=site) == forged
        body = {"name": desk.name, "password": "x", "code": "000000"}
        assert await desk.refused("POST", SIGN_IN, body, sec_fetch_site=site) == forged
    answer = await desk.ask("DELETE", SESSION, sec_fetch_site="same-origin")
    assert answer.status_code == 204


async def test_a_row_changed_by_sql_proves_nobody(console: ConsoleRig) -> None:
    desk = await (await steward(console)).sign_in()
    change = "update console_operator set roles = $2 where name = $1"
    async with connection(console.ctx.pool) as conn:
        await conn.execute(change, desk.name, ["admin", "steward"])
        assert await desk.refused("GET", SESSION) == "internal-error"
        await conn.execute(change, desk.name, ["steward"])
    await desk.read(SESSION)


async def test_every_act_of_a_sign_in_is_in_the_audit_log(console: ConsoleRig) -> None:
    desk = await steward(console)
    await desk.try_in(password="wrong")
    await desk.sign_in()
    await desk.ask("DELETE", SESSION)
    for action in ("added", "sign-in-refused", "signed-in", "signed-out"):
        noted = await entries_of(console.ctx, 0, f"operator.{action}")
        mine = [entry for entry in noted if entry["name"] == desk.name]
        assert len(mine) == 1, action
        assert mine[0]["actor_kind"] == "operator"
    added = await entries_of(console.ctx, 0, "operator.added")
    assert {"by": "chief", "because": "hired"}.items() <= added[-1].items()


async def test_bad_names_and_roles_are_refused(console: ConsoleRig) -> None:
    desk = await steward(console)
    for name in ("", "x", "Li", "li na", "李", "l" * 41, "li\n"):
        with pytest.raises(ValueError, match="a name is"):
            await enrolling.add_operator(console.ctx, name, [Role.ADMIN], BY)
    with pytest.raises(ValueError, match="has a role"):
        await enrolling.add_operator(console.ctx, "li.na", [], BY)
    with pytest.raises(OperatorNameTaken):
        await enrolling.add_operator(console.ctx, desk.name, [Role.ADMIN], BY)


async def test_who_may_see_who_may_sign_in(console: ConsoleRig) -> None:
    admin = await (await console.hire("admin", Role.ADMIN)).sign_in()
    plain = await (await steward(console)).sign_in()
    listed = (await admin.read("/v1/console/operators"))["operators"]
    assert isinstance(listed, list)
    mine = next(one for one in listed if one["name"] == plain.name)
    assert (mine["roles"], mine["state"], mine["signed_in"]) == (["steward"], "ACTIVE", True)
    assert await plain.refused("GET", "/v1/console/operators") == "not-allowed"
