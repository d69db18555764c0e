"""The hospital twin's door for events: it verifies by docs/integration.md, and takes each once."""

import base64
import json
import re
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from crypto.sm2 import PrivateKey, PublicKey
from integrations.sandbox.hospital.app import HospitalSettings, create_hospital_twin
from integrations.sandbox.hospital.events import WINDOW, Arrived, EventDesk, EventForged
from integrations.sandbox.hospital.signing import HospitalKeys, Signer
from integrations.sandbox.street import Street
from service.kernel.signed_requests import SCHEME_APPLICATION, authorization, text_to_sign
from tests.support.clock import FakeClock

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "integration.md").read_text("utf-8")
PLATFORM = PrivateKey.generate()
HOST, TARGET = "his.test", "/hospital/events"


def keys() -> HospitalKeys:
    return HospitalKeys(
        application_id="A" * 27,
        private_key=PrivateKey.generate().to_bytes().hex(),
        platform_keys=[PLATFORM.public.to_bytes().hex()],
    )


def an_event(clock: FakeClock, number: int = 1, key: PrivateKey = PLATFORM) -> Arrived:
    body = json.dumps(
        {"event_id": f"E{number}", "settlement_id": "S1", "sequence": number}
    ).encode()
    timestamp = int(clock.now().timestamp())
    text = text_to_sign(
        caller_id="transport-1",
        method="POST",
        host=HOST,
        target=TARGET,
        timestamp=timestamp,
        nonce="n" * 32,
        idempotency_key=f"E{number}",
        body=body,
    )
    proof = authorization(SCHEME_APPLICATION, "transport-1", timestamp, "n" * 32, key.sign(text))
    headers = {"authorization": proof, "idempotency-key": f"E{number}"}
    return Arrived(host=HOST, target=TARGET, headers=headers, body=body)


def changed(arrived: Arrived, **parts: object) -> Arrived:
    fields = {name: getattr(arrived, name) for name in arrived.__struct_fields__}
    return Arrived(**{**fields, **parts})  # type: ignore[arg-type]


def test_what_is_not_the_platform_s_or_not_for_this_door_is_refused() -> None:
    clock = FakeClock()
    desk = EventDesk(Signer(keys()), clock.now)
    good = an_event(clock)
    for bad in (
        an_event(clock, key=PrivateKey.generate()),
        changed(good, body=good.body.replace(b"S1", b"S2")),
        changed(good, host="other.test"),
        changed(good, target="/other"),
        changed(good, headers={**good.headers, "idempotency-key": "E2"}),
        changed(good, headers={}),
    ):
        with pytest.raises(EventForged):
            desk.take(bad)
    clock.advance(WINDOW + timedelta(seconds=1))
    with pytest.raises(EventForged, match="not of now"):
        desk.take(good)
    assert desk.taken == {}


def test_a_repeat_changes_nothing_and_a_gap_is_refused() -> None:
    clock = FakeClock()
    desk = EventDesk(Signer(keys()), clock.now)
    for number in (1, 1, 2, 1):
        desk.take(an_event(clock, number))
    assert list(desk.taken) == ["E1", "E2"]
    assert desk.repeats == 2
    with pytest.raises(EventForged, match="out of order"):
        desk.take(an_event(clock, 4))


async def test_the_twin_takes_events_behind_its_street_and_commits_faults() -> None:
    clock = FakeClock()
    async with httpx.AsyncClient() as unused:
        settings = HospitalSettings(base_url="http://platform.test", keys=keys())
        street = Street(
            {"hospital": create_hospital_twin(settings, unused, clock.now)}, title="twins"
        )
        transport = httpx.ASGITransport(app=street)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}") as client:

            async def post(arrived: Arrived) -> int:
                answer = await client.post(
                    arrived.target, content=arrived.body, headers=dict(arrived.headers)
                )
                return answer.status_code

            await client.post("/hospital/sandbox/events/faults", json=["refuse"])
            statuses = [await post(an_event(clock)) for _ in range(3)]
            assert statuses == [500, 200, 200]
            assert await post(an_event(clock, key=PrivateKey.generate())) == 401
            book = (await client.get("/hospital/sandbox/events")).json()
    assert [one["event_id"] for one in book["taken"]] == ["E1"]
    assert (book["repeats"], book["refused"]) == (1, ["signature wrong"])


def test_the_page_s_worked_example_verifies() -> None:
    section = PAGE.partition("# Events")[2]
    found = re.search(r"```event\n(.*?)\n\n(.*?)\n```", section, re.DOTALL)
    assert found is not None
    head = found[1].splitlines()
    headers = dict(line.split(": ", 1) for line in head[1:])
    parts = dict(re.findall(r'(\w+)="([^"]+)"', headers["Authorization"]))
    public = re.search(r"`(04[0-9a-f]{128})`", section)
    assert public is not None
    method, target, _ = head[0].split(" ")
    lines = [parts["id"], method, headers["Host"], target, parts["timestamp"], parts["nonce"]]
    lines += [headers["Idempotency-Key"], found[2]]
    text = "".join(f"{line}\n" for line in lines).encode()
    key = PublicKey.from_bytes(bytes.fromhex(public[1]))
    assert key.verify(text, base64.b64decode(parts["signature"]))
    assert json.loads(found[2])["event_id"] == headers["Idempotency-Key"]
