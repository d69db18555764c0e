"""The login adapter against its twin, and each row of its error table."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from integrations.kit.transport import Transport
from integrations.ports.login import PlatformIdentity
from integrations.ports.outcomes import Accepted, Outcome, Rejected, Unknown
from integrations.sandbox.wechat_login.app import create_wechat_login_twin
from integrations.wechat_login.gateway import WechatLogin, WechatLoginSettings

APP, SECRET = "wx0000000000000001", "s3cret+/=&?"


class Rig:
    def __init__(self) -> None:
        self.at = datetime(2026, 11, 21, tzinfo=UTC)
        twin = create_wechat_login_twin(lambda: self.at, {APP: SECRET, "wx2": "other"})
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(twin), base_url="http://login.test"
        )

    def login(self, appid: str = APP, secret: str = SECRET) -> WechatLogin:
        settings = WechatLoginSettings(appid=appid, secret=secret, base_url="http://login.test")
        return WechatLogin(settings, Transport(self.client, 5.0))

    async def code(self, subject: str = "oPerson1", **more: str) -> str:
        answer = await self.client.post("/sandbox/codes", json={"subject": subject, **more})
        return str(answer.json()["code"])


@pytest.fixture
def rig() -> Rig:
    return Rig()


def reason(outcome: Outcome[PlatformIdentity]) -> str:
    assert isinstance(outcome, Rejected), outcome
    return outcome.reason


async def test_a_code_becomes_its_person_once(rig: Rig) -> None:
    code = await rig.code(union="uPerson1")
    assert await rig.login().exchange(code) == Accepted(
        PlatformIdentity(subject="oPerson1", union="uPerson1")
    )
    assert reason(await rig.login().exchange(code)) == "code-invalid"


async def test_a_code_lives_five_minutes_and_for_its_app(rig: Rig) -> None:
    late, other = await rig.code(), await rig.code(appid="wx2")
    assert reason(await rig.login().exchange(other)) == "code-invalid"
    rig.at += timedelta(minutes=5)
    assert reason(await rig.login().exchange(late)) == "code-invalid"


@pytest.mark.parametrize(
    ("errcode", "expected"),
    [
        (40029, "code-invalid"),
        (40163, "code-invalid"),
        (45011, "too-often"),
        (40226, "account-at-risk"),
        (40013, "account-misconfigured"),
        (40125, "account-misconfigured"),
    ],
)
async def test_each_refusal_has_its_reason(rig: Rig, errcode: int, expected: str) -> None:
    await rig.client.post("/sandbox/errors", json={"errcode": errcode})
    outcome = await rig.login().exchange(await rig.code())
    assert reason(outcome) == expected
    assert isinstance(outcome, Rejected)
    assert outcome.provider_code == str(errcode)


@pytest.mark.parametrize(("errcode", "why"), [(-1, "provider-busy"), (99999, "status-unlisted")])
async def test_busy_and_unlisted_are_unknown(rig: Rig, errcode: int, why: str) -> None:
    await rig.client.post("/sandbox/errors", json={"errcode": errcode})
    assert await rig.login().exchange(await rig.code()) == Unknown(why)


async def test_a_wrong_secret_or_app_is_refused(rig: Rig) -> None:
    code = await rig.code()
    assert reason(await rig.login(secret="wrong").exchange(code)) == "account-misconfigured"
    assert reason(await rig.login(appid="wx3").exchange(code)) == "account-misconfigured"


async def test_the_hundred_and_first_try_of_a_minute_is_too_often(rig: Rig) -> None:
    for _ in range(100):
        assert isinstance(await rig.login().exchange(await rig.code()), Accepted)
    assert reason(await rig.login().exchange(await rig.code())) == "too-often"
    rig.at += timedelta(seconds=61)
    assert isinstance(await rig.login().exchange(await rig.code()), Accepted)


@pytest.mark.parametrize("code", ["", "x" * 129, "line\nbreak", "码"])
async def test_a_code_that_cannot_be_one_is_not_sent(rig: Rig, code: str) -> None:
    await rig.client.post("/sandbox/errors", json={"errcode": -1})
    assert reason(await rig.login().exchange(code)) == "code-invalid"


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (200, b"<html>", "answer-invalid"),
        (200, b"{}", "answer-invalid"),
        (200, b'{"openid":5}', "answer-invalid"),
        (200, b"[" * 100_000, "answer-invalid"),
        (404, b"{}", "status-unlisted"),
        (502, b"{}", "provider-fault"),
    ],
)
async def test_unreadable_answers_are_unknown(status: int, body: bytes, why: str) -> None:
    client = httpx.AsyncClient(
        transport=httpx.MockTransport(lambda _: httpx.Response(status, content=body))
    )
    settings = WechatLoginSettings(appid=APP, secret=SECRET, base_url="http://login.test")
    assert await WechatLogin(settings, Transport(client, 5.0)).exchange("c0de") == Unknown(why)


def test_the_secret_shows_in_no_text() -> None:
    settings = WechatLoginSettings(appid=APP, secret="tell-nobody")
    assert "tell-nobody" not in f"{settings!r} {settings}"
