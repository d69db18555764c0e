"""The hospital's twin follows the platform's keys, as docs/integration.md asks of everybody."""

import base64
from datetime import timedelta

import httpx
import msgspec
import pytest

from crypto.sm2 import PrivateKey
from integrations.sandbox.hospital.app import AnswerForged, Hospital, HospitalSettings
from integrations.sandbox.hospital.signing import HospitalKeys
from tests.support.clock import FakeClock


class Platform:
    """Answers any question, signed by ``signs``; tells of ``told``."""

    def __init__(self) -> None:
        self.signs = PrivateKey.generate()
        self.told = [self.signs]
        self.scans: list[dict[str, str]] = []
        self.bills = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        nonce = request.headers["authorization"].split('nonce="')[1].split('"')[0]
        keys = [{"public_key": hexed(key)} for key in self.told]
        body = msgspec.json.encode({"keys": keys, "scans": self.scans})
        self.bills += request.method == "POST"
        signature = self.signs.sign(b"200\n" + nonce.encode() + b"\n" + body)
        headers = {"yimatong-signature": base64.b64encode(signature).decode()}
        return httpx.Response(200, content=body, headers=headers)


def hexed(key: PrivateKey) -> str:
    return key.public.to_bytes().hex()


async def test_a_key_told_in_time_is_believed_and_kept_and_a_strange_one_never() -> None:
    platform, clock, kept = Platform(), FakeClock(), []
    first, following = platform.signs, PrivateKey.generate()
    keys = HospitalKeys(
        application_id="A" * 27,
        private_key=PrivateKey.generate().to_bytes().hex(),
        platform_keys=[hexed(first)],
    )
    settings = HospitalSettings(base_url="http://platform.test", keys=keys)
    async with httpx.AsyncClient(transport=httpx.MockTransport(platform)) as client:
        hospital = Hospital(settings, client, clock.now, kept.append)
        await hospital.learn_platform_keys()
        assert kept == []
        platform.told = [first, following]
        await hospital.learn_platform_keys()
        assert kept == [], "not asked again at once"
        clock.advance(timedelta(minutes=1))
        await hospital.learn_platform_keys()
        assert kept == [[hexed(first), hexed(following)]]
        platform.signs = following
        await hospital.charge_new_patients()
        platform.signs = PrivateKey.generate()
        with pytest.raises(AnswerForged):
            await hospital.charge_new_patients()


async def test_a_scan_told_again_is_charged_once() -> None:
    """Also when its bill was paid and posted meanwhile."""
    platform, clock = Platform(), FakeClock()
    keys = HospitalKeys(
        application_id="A" * 27,
        private_key=PrivateKey.generate().to_bytes().hex(),
        platform_keys=[hexed(platform.signs)],
    )
    settings = HospitalSettings(base_url="http://platform.test", keys=keys)
    scan = {"scan_id": "S" * 27, "patient_id": "ab" * 16, "terminal_id": "T" * 27}
    platform.scans = [scan]
    async with httpx.AsyncClient(transport=httpx.MockTransport(platform)) as client:
        hospital = Hospital(settings, client, clock.now, lambda _: None)
        for _ in range(3):
            await hospital.charge_new_patients()
            hospital.billed = {}
    assert platform.bills == 1
