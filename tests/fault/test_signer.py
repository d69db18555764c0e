"""The signer is slow, wrong, dead and back: clear problems, no wrong code, recovery by itself."""

import asyncio
import secrets
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from crypto.keyring import ISSUER_KINDS, KeyRing
from crypto.signer import RingSigner, SignerUnavailable, serving_ring
from service.account import actions as account
from service.healthcode import actions as healthcode
from service.healthcode.model import IssuedOnce, ScanPurpose
from service.kernel.live_ring import LiveRing
from service.kernel.principals import Resident
from service.kernel.problems import SignerUnavailable as Refused
from service.signer import client as signer_client
from service.signer.client import SocketSigner
from tests.support.fakes_identity import NOON
from tests.support.identity_rig import IdentityRig, Phone, an_identity_rig
from tests.support.odd_signer import OddSigner

DEADLINE_S = signer_client.DEADLINE_S
AT_ONCE_S = 5.0
"""A busy machine may stand still for a second; who waits for a dead signer waits for longer."""
RECOVERS_WITHIN_S = 30.0
RING = KeyRing.generate_for_development(NOON - timedelta(days=2))


class SignerRig:
    """A hospital whose codes are signed over a socket."""

    def __init__(self, rig: IdentityRig, odd: OddSigner, path: Path) -> None:
        self.rig = rig
        self.odd = odd
        self.path = path
        self.phone: Phone
        self.resident: Resident

    async def issue(self) -> IssuedOnce:
        return await healthcode.issue_once(self.rig.ctx, self.resident, ScanPurpose.IDENTIFY)

    async def assert_refused(self) -> float:
        """A clear, retryable problem; gives how long it took."""
        began = time.monotonic()
        answer = await self.phone.ask(
            "POST", "/v1/me/codes", {"purpose": "identify", "symbol": False}
        )
        took = time.monotonic() - began
        body = answer.json()
        assert (answer.status_code, body["code"]) == (503, "signer-unavailable"), body
        assert body["retryable"] is True
        assert int(answer.headers["retry-after"]) >= 1
        return took

    async def assert_recovers(self) -> float:
        """Issues again without anybody's help; gives after how long."""
        began = time.monotonic()
        while True:
            try:
                issued = await self.issue()
                break
            except Refused:
                assert time.monotonic() - began < RECOVERS_WITHIN_S
                await asyncio.sleep(0.05)
        took = time.monotonic() - began
        assert (await self.rig.scan(issued.text)).status_code == 200
        return took


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="ymt") as made:
        yield Path(made)


@pytest.fixture
async def signing(fresh_database: str, folder: Path) -> AsyncIterator[SignerRig]:
    path = folder / "s"
    client = SocketSigner(path)
    odd = OddSigner(RingSigner(RING, lambda: NOON))
    odd.slow_s = 1.5 * DEADLINE_S
    ring = LiveRing(serving_ring(RING, ISSUER_KINDS))
    async with an_identity_rig(fresh_database, ring, client) as rig:
        made = SignerRig(rig, odd, path)
        made.phone = await rig.resident(secrets.randbelow(400) * 2 + 101)
        made.resident = await account.authenticate(rig.ctx, made.phone.token)
        yield made
        await client.close()


@pytest.mark.parametrize(
    "mood",
    [
        "slow",
        "silent",
        "garbage",
        "huge",
        "text",
        "short",
        "wrong",
        "former",
        "foreign",
        "failed",
        "unknown",
        "empty",
    ],
)
async def test_a_signer_in_any_mood_gives_a_clear_problem_and_recovers(
    signing: SignerRig, mood: str
) -> None:
    async with signing.odd.at(signing.path):
        assert (await signing.rig.scan((await signing.issue()).text)).status_code == 200
        signing.odd.mood = mood
        for _ in range(5):
            assert await signing.assert_refused() < DEADLINE_S + AT_ONCE_S
        signing.odd.mood = "right"
        assert await signing.assert_recovers() < RECOVERS_WITHIN_S


async def test_swapped_answers_release_no_code(signing: SignerRig) -> None:
    async with signing.odd.at(signing.path):
        signing.odd.mood = "swapped"
        for _ in range(10):
            done = await asyncio.gather(signing.issue(), signing.issue(), return_exceptions=True)
            assert all(isinstance(one, Refused) for one in done)
        alarms = signing.rig.ctx.metrics.text().decode()
        assert 'yimatong_alarms_total{kind="signer-wrong-signature"} 20.0' in alarms
        signing.odd.mood = "right"
        await signing.assert_recovers()


async def test_an_answer_that_comes_twice_harms_nobody(signing: SignerRig) -> None:
    async with signing.odd.at(signing.path):
        signing.odd.mood = "twice"
        texts = []
        for _ in range(20):
            try:
                texts.append((await signing.issue()).text)
            except Refused:
                await asyncio.sleep(0.05)
        for text in texts:
            assert (await signing.rig.scan(text)).status_code == 200
        signing.odd.mood = "right"
        await signing.assert_recovers()


async def test_a_dead_signer_is_answered_for_at_once_and_found_when_it_is_back(
    signing: SignerRig,
) -> None:
    async with signing.odd.at(signing.path):
        await signing.issue()
    for _ in range(signer_client.FAULTS_TO_OPEN):
        await signing.assert_refused()
    began = time.monotonic()
    done = await asyncio.gather(*(signing.issue() for _ in range(50)), return_exceptions=True)
    assert all(isinstance(one, Refused) for one in done)
    assert time.monotonic() - began < AT_ONCE_S, "fifty requests waited for nobody"
    await asyncio.sleep(1)
    async with signing.odd.at(signing.path):
        assert await signing.assert_recovers() < signer_client.OPEN_S_MAX + AT_ONCE_S


async def test_while_it_is_silent_only_trials_are_sent_to_it(signing: SignerRig) -> None:
    async with signing.odd.at(signing.path):
        await signing.issue()
        signing.odd.mood, signing.odd.asked = "silent", 0
        began = time.monotonic()
        for _ in range(100):
            with pytest.raises(Refused):
                await signing.issue()
        # However slow this was: most were refused without being sent.
        trials = 1 + (time.monotonic() - began) / signer_client.OPEN_S
        assert signing.odd.asked <= min(50, signer_client.FAULTS_TO_OPEN + trials)


async def test_signers_that_come_and_go_never_release_a_wrong_code(signing: SignerRig) -> None:
    moods = ["right", "slow", "wrong", "short", "garbage", "swapped", "right", "former", "twice"]
    texts: list[str] = []
    issued, stop = asyncio.Event(), asyncio.Event()

    async def ask() -> None:
        while not stop.is_set():
            try:
                texts.append((await signing.issue()).text)
                issued.set()
            except Refused:
                await asyncio.sleep(0.02)

    asking = [asyncio.create_task(ask()) for _ in range(4)]
    for mood in moods * 2:
        signing.odd.mood = mood
        async with signing.odd.at(signing.path):
            await asyncio.sleep(0.15)
            await asyncio.wait_for(issued.wait(), RECOVERS_WITHIN_S)
    stop.set()
    await asyncio.gather(*asking)
    assert texts
    for text in texts[:: max(1, len(texts) // 40)]:
        assert (await signing.rig.scan(text)).status_code == 200, "a wrong code was released"
    signing.odd.mood = "right"
    async with signing.odd.at(signing.path):
        await signing.assert_recovers()


async def test_questions_in_flight_are_bounded(folder: Path) -> None:
    odd = OddSigner(RingSigner(RING, lambda: NOON))
    odd.mood = "silent"
    async with odd.at(folder / "s"):
        client = SocketSigner(folder / "s", deadline_s=AT_ONCE_S + 1)
        asked = [
            asyncio.create_task(client.sign_digest("issuer_once.1", bytes(32)))
            for _ in range(signer_client.IN_FLIGHT_MAX)
        ]
        await asyncio.sleep(0.1)
        began = time.monotonic()
        with pytest.raises(SignerUnavailable):
            await client.sign_digest("issuer_once.1", bytes(32))
        assert time.monotonic() - began < AT_ONCE_S, "it waited for its own deadline"
        done = await asyncio.gather(*asked, return_exceptions=True)
        assert all(isinstance(one, SignerUnavailable) for one in done)
        await client.close()


async def test_askers_that_go_away_do_not_open_the_circuit(folder: Path) -> None:
    odd = OddSigner(RingSigner(RING, lambda: NOON))
    odd.mood = "slow"
    async with odd.at(folder / "s"):
        client = SocketSigner(folder / "s", deadline_s=4 * AT_ONCE_S)
        for _ in range(6):
            asked = asyncio.create_task(client.sign_digest("issuer_once.1", bytes(32)))
            await asyncio.sleep(0.02)
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)
        odd.mood = "right"
        assert len(await client.sign_digest("issuer_once.1", bytes(32))) == 64
        await client.close()
