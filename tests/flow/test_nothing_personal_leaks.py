"""No personal data of the people who were served in logs, problem bodies, metrics or the database.

Drives the journey and many requests that fail on a running system, then looks for every secret in
every place where it must not be, in the encodings in which it could hide.
"""

import asyncio
import base64
import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import asyncpg
import httpx
import pytest

from loadtests import people
from loadtests.meter import dsn
from service.postgres.binaries import find_binaries
from service.sandbox.speaker import StepWrong
from tests.support.running import RunningSystem, running_system
from tests.support.traveller import Traveller, a_traveller

NAME = "闻人试验"
PHONE = "19900047113"
SAID_BY_HOSPITAL = ("急性上呼吸道感染", "测试胶囊（乙类）", "测试医师")


def encodings(secret: str) -> set[bytes]:
    """How a text may stand in a file: plain, escaped, hexadecimal, base64 at any offset."""
    plain = secret.encode()
    found = {
        plain,
        secret.encode("utf-16-le"),
        plain.hex().encode(),
        plain.hex().upper().encode(),
        json.dumps(secret).strip('"').encode(),
        quote(secret).encode(),
    }
    for shift in range(3):
        whole = base64.b64encode(b"\0" * shift + plain)
        # Characters that depend on the neighbours are left out.
        found.add(whole[(shift * 8 + 5) // 6 : len(plain) * 8 // 6 - 1])
    return found


def where(secret: str, places: dict[str, bytes]) -> list[str]:
    """The places in which a secret stands."""
    return [
        place for place, text in places.items() if any(form in text for form in encodings(secret))
    ]


@pytest.mark.parametrize("shift", [0, 1, 2])
def test_the_search_finds_what_hides(shift: int) -> None:
    number = "990001198001018888"
    padded = "x" * shift + number + "yz"
    hidden = {
        "plain": padded.encode(),
        "hex": padded.encode().hex().encode(),
        "base64": base64.b64encode(padded.encode()),
        "escaped": json.dumps({"name": "x" * shift + NAME}).encode(),
        "other": b"990001198001018887",
    }
    assert where(number, hidden) == ["plain", "hex", "base64"]
    assert where(NAME, hidden) == ["escaped"]


class Evidence:
    """Everything that was answered with a problem."""

    def __init__(self) -> None:
        self.problems: list[bytes] = []
        self.codes: set[str] = set()

    async def note(self, answer: httpx.Response) -> None:
        if answer.status_code >= 400:
            body = await answer.aread()
            self.problems.append(body + b"\n" + repr(answer.headers).encode())
            self.codes.add(str(json.loads(body).get("code")))


@asynccontextmanager
async def someone(system: RunningSystem, evidence: Evidence) -> AsyncIterator[Traveller]:
    async with a_traveller(system) as traveller:
        traveller.journey.client.event_hooks["response"].append(evidence.note)
        yield traveller


async def fail_in_many_ways(traveller: Traveller, him: people.Person) -> None:
    """Requests that carry personal data where it does not belong, and get a problem."""
    journey = traveller.journey
    client = journey.client
    token = {"authorization": f"Bearer {journey.resident._token}"}
    texts = (him.name, him.number, PHONE, him.subject, him.person_no)
    for text in texts:
        for body in (
            {"name": him.name, "id_type": text, "id_no": him.number, "phone": PHONE},
            {"name": text, "id_type": "01", "id_no": him.number[:-1] + "?", "phone": PHONE},
            {"name": him.name, "id_type": "01", "id_no": him.number, text: text},
            {"name": him.name, "id_type": "01", "id_no": him.number, "phone": text},
            text,
        ):
            await client.put("/v1/me/registration", json=body, headers=token)
        await client.put("/v1/me/registration", content=f'{{"{text}', headers=token)
        await client.get(f"/v1/me/settlements/{text}", headers=token)
        await client.get(f"/v1/{text}/x?q={text}", headers=token)
        await client.post("/v1/login/wechat", json={"code": text})
        await client.post(f"/v1/login/{text}", json={"code": text})
        await client.get("/v1/me", headers={"authorization": f"Bearer {quote(text)}"})
        await client.post("/v1/terminal-activation", json={"activation_code": text})
        await client.post("/v1/notices/payment/wechatpay/x", content=text)
        for purpose in ("pay", text):
            with pytest.raises(StepWrong):
                await journey.kiosk.ask(
                    "POST", "/v1/terminal/scans", {"text": text, "purpose": purpose}, key="k" * 9
                )
        with pytest.raises(StepWrong):
            await journey.hospital.ask(
                "POST", "/v1/institution/bills", {"bill_no": text, "patient_id": text}, key="b"
            )


async def serve_him(system: RunningSystem, evidence: Evidence) -> tuple[set[str], str]:
    """The whole journey with faults on the way; gives the secrets, and one thing that is none."""
    him = people.invent(77, 1)[0]
    him.name = NAME
    await asyncio.to_thread(people.make_known, system.twin_url, [him])
    async with someone(system, evidence) as traveller:
        journey = traveller.journey
        journey.name, journey.number, journey.subject = him.name, him.number, him.subject
        await journey.logged_in()
        await partner_faults(journey.twins)
        body = {"name": him.name, "id_type": "01", "id_no": him.number, "phone": PHONE}
        for _ in range(3):
            with pytest.raises(StepWrong):
                await journey.resident.ask("PUT", "/v1/me/registration", body)
        await journey.resident.ask("PUT", "/v1/me/registration", body)
        await journey.code_shown()
        await journey.scanned()
        await journey.billed()
        await traveller.start(use_account=False)
        await traveller.reach("PRESETTLED")
        await traveller.order()
        await traveller.pay()
        await traveller.reach("POSTING")
        await traveller.post()
        await journey.receipt()
        shown = await journey.twins.get(f"/insurance/sandbox/persons/{him.person_no}/credential")
        credential = str(shown.json()["credential_text"])
        scan = {"text": credential, "purpose": "identify"}
        await journey.kiosk.ask("POST", "/v1/terminal/scans", scan, key="credential")
        with pytest.raises(StepWrong):
            await journey.kiosk.ask("POST", "/v1/terminal/scans", scan, key="again")
        await fail_in_many_ways(traveller, him)
        secrets = {
            him.name,
            him.number,
            him.person_no,
            him.subject,
            PHONE,
            credential,
            journey.code,
            journey.resident._token,
        }
        return secrets, journey.bill_no


async def partner_faults(twins: httpx.AsyncClient) -> None:
    """Each partner answers badly a few times, so that our side has something to complain about."""
    garbled = [{"fault": "garble", "infno": infno} for infno in ("2201", "2206", "2207")]
    for path, body in (
        ("realname/sandbox/faults", {"fault": "error", "times": 3}),
        ("insurance/sandbox/faults", garbled),
        ("wechatpay/sandbox/faults", {"fault": "answer-forged", "path": "jsapi"}),
        ("wechatpay/sandbox/faults", {"fault": "notice-forged"}),
    ):
        answer = await twins.post(f"/{path}", json=body)
        assert answer.status_code == 200, answer.text


async def dumped(system: RunningSystem) -> dict[str, bytes]:
    """The database by pg_dump and, table by table, as the bytes that are stored."""
    address = urlsplit(dsn(system))
    program = find_binaries().folder / "pg_dump"
    host = parse_qs(address.query)["host"][0]
    command = [program, "-h", host, "-U", address.username or "", address.path.lstrip("/")]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=True)
    places = {"pg_dump": done.stdout}
    conn = await asyncpg.connect(dsn(system))
    try:
        sql = "select tablename from pg_tables where schemaname = 'public'"
        for row in await conn.fetch(sql):
            parts: list[bytes] = []

            async def take(part: bytes, parts: list[bytes] = parts) -> None:
                parts.append(part)

            await conn.copy_from_table(row["tablename"], output=take, format="binary")
            places[f"table {row['tablename']}"] = b"".join(parts)
    finally:
        await conn.close()
    return places


def logged(system: RunningSystem) -> dict[str, bytes]:
    """Every log file of the system, the database's included."""
    files: list[Path] = [system.output, *system.state_dir.rglob("*.log*")]
    return {f"log {path.name}": path.read_bytes() for path in files if path.is_file()}


async def test_nothing_of_the_person_is_left_behind(tmp_path: Path) -> None:
    evidence = Evidence()
    system: RunningSystem
    pace = {"YIMATONG_RETRY_AFTER_S": "1", "YIMATONG_POLL_EVERY_S": "1"}
    with running_system(tmp_path, **pace) as system:
        secrets, bill_no = await serve_him(system, evidence)
        async with httpx.AsyncClient(base_url=system.base_url, trust_env=False) as client:
            metrics = (await client.get("/metrics")).content
        database = await dumped(system)
    places: dict[str, Any] = {
        **database,
        **logged(system),
        "problems": b"\n".join(evidence.problems),
        "metrics": metrics,
    }
    assert {"pg_dump", "table bill"} <= set(where(bill_no, places)), "the dump is whole"
    assert {"log serve.log", "log worker.log", "log postgres.log"} <= places.keys()
    assert len(places["log worker.log"]) > 0, "our side complained of its partners"
    expected = {"real-name-source-unavailable", "code-malformed", "malformed-request", "not-found"}
    assert expected <= evidence.codes
    found = {secret: where(secret, places) for secret in secrets}
    assert {secret: spots for secret, spots in found.items() if spots} == {}
    health = {text: where(text, database) for text in SAID_BY_HOSPITAL}
    assert {text: spots for text, spots in health.items() if spots} == {}
