"""The generic real-name profile: adapter against twin."""

import itertools
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from integrations.kit.transport import Transport
from integrations.ports.outcomes import Accepted, Rejected, Unknown
from integrations.realname_generic.gateway import GenericRealName, RealNameSettings
from integrations.sandbox.realname.app import create_realname_twin

NAME, NUMBER = "测试甲", "990001198001010019"
SECRET = "shared-secret"


class Rig:
    def __init__(self) -> None:
        self.at = datetime(2026, 11, 21, tzinfo=UTC)
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(
                create_realname_twin(lambda: self.at, {"yimatong": SECRET})
            ),
            base_url="http://names.test",
        )
        self.numbers = itertools.count()

    def source(self, secret: str = SECRET, client: str = "yimatong") -> GenericRealName:
        return GenericRealName(
            RealNameSettings(client=client, secret=secret, base_url="http://names.test"),
            Transport(self.client, 5.0),
            lambda: self.at,
            lambda: f"nonce{next(self.numbers)}",
        )


@pytest.fixture
def rig() -> Rig:
    return Rig()


async def test_a_pair_matches_or_does_not(rig: Rig) -> None:
    assert await rig.source().check(NAME, NUMBER, "R1") == Accepted(True)
    assert await rig.source().check("测试乙", NUMBER, "R2") == Accepted(False)
    unknown = await rig.source().check(NAME, "990001198001019999", "R3")
    assert isinstance(unknown, Rejected)
    assert unknown.reason == "not-on-record"


async def test_persons_can_be_added(rig: Rig) -> None:
    number = "99000119900101001X"
    added = await rig.client.post("/sandbox/persons", json=[{"name": "测试庚", "id_no": number}])
    assert added.json() == {"added": 1}
    assert await rig.source().check("测试庚", number, "R1") == Accepted(True)
    refused = await rig.client.post("/sandbox/persons", json=[{"name": "x", "id_no": "1"}])
    assert refused.status_code == 400


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("error", "provider-fault"),
        ("forged", "answer-invalid"),
        ("garbled", "answer-invalid"),
        ("too-often", "too-often"),
    ],
)
async def test_faults_are_unknown_and_pass(rig: Rig, fault: str, why: str) -> None:
    await rig.client.post("/sandbox/faults", json={"fault": fault})
    assert await rig.source().check(NAME, NUMBER, "R1") == Unknown(why)
    assert await rig.source().check(NAME, NUMBER, "R1") == Accepted(True)


@pytest.mark.parametrize("wrong", [{"secret": "other"}, {"client": "nobody"}])
async def test_a_wrong_client_is_refused(rig: Rig, wrong: dict[str, str]) -> None:
    outcome = await rig.source(**wrong).check(NAME, NUMBER, "R1")
    assert isinstance(outcome, Rejected)
    assert outcome.reason == "account-misconfigured"


async def test_a_request_may_be_neither_repeated_nor_old(rig: Rig) -> None:
    sent: list[httpx.Request] = []

    async def keep(request: httpx.Request) -> None:
        sent.append(request)

    rig.client.event_hooks["request"] = [keep]
    await rig.source().check(NAME, NUMBER, "R1")
    rig.client.event_hooks["request"] = []
    again = await rig.client.post(
        sent[0].url, content=sent[0].content, headers=dict(sent[0].headers)
    )
    assert again.status_code == 401
    late = rig.source()
    rig.at += timedelta(seconds=1)
    assert await late.check(NAME, NUMBER, "R2") == Accepted(True)


async def test_a_bad_question_is_refused(rig: Rig) -> None:
    outcome = await rig.source().check("", NUMBER, "R1")
    assert isinstance(outcome, Rejected)
    assert outcome.reason == "request-invalid"


def test_the_secret_shows_in_no_text() -> None:
    settings = RealNameSettings(client="c", secret="tell-nobody", base_url="http://x")
    assert "tell-nobody" not in f"{settings!r} {settings}"
