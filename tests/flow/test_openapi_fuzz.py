"""Each route, driven from the interface document with right and wrong input, by every caller.

Whatever comes in: no server error, and every refusal is a catalogued problem.
"""

import asyncio
import json
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import pytest
import schemathesis
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode

from service.console import listing
from service.console.model import Role
from service.kernel.idempotent_http import KEY_HEADER
from service.openapi import schema
from tests.support.console_rig import ConsoleRig, Desk, register_twins
from tests.support.database import DatabaseServer
from tests.support.settlement_street import Street, a_street

EXAMPLES = 6
ROOT = Path(__file__).resolve().parents[2]
CODES = {one["code"] for one in yaml.safe_load((ROOT / "openapi/problems.yaml").read_text("utf-8"))}
OWN_ANSWERS = ("/v1/notices/",)
"""Answered in the provider's own form."""
NOT_READY = {503}
Send = Callable[[str, str, bytes | None], Coroutine[Any, Any, httpx.Response]]

OPERATIONS = [found.ok() for found in schemathesis.openapi.from_dict(schema()).get_all_operations()]


@pytest.fixture(scope="module")
async def street(postgres: DatabaseServer, migrated: str) -> AsyncIterator[Street]:
    async with postgres.database(migrated) as dsn, a_street(dsn) as made:
        yield made


@pytest.fixture(scope="module")
async def desk(street: Street) -> Desk:
    """An operator of the console who may do everything."""
    return await ConsoleRig(street.ctx, street.client).hire("everyone", *Role)


async def signed_in(desk: Desk) -> None:
    """Where a route ended the session, or time did, another one begins."""
    if (await desk.ask("GET", "/v1/console/session")).status_code != 200:
        desk.rig.clock.advance(timedelta(seconds=60))
        await desk.sign_in()


@pytest.fixture(scope="module")
async def known(street: Street) -> dict[str, str]:
    """Ids that exist, so that requests come further than to "not found"."""
    record, _ = await register_twins(street.ctx)
    asked = await listing.list_items(street.ctx, ("person",), reason=None, is_open=True, after=None)
    bill_id = await street.push_bill()
    body = {"use_account": False, "insured": True}
    started = await street.mine("POST", f"/v1/me/bills/{bill_id}/settlements", body)
    await street.work()
    return {
        "bill_id": await street.push_bill(),
        "settlement_id": str(started["settlement_id"]),
        "scan_id": str(street.scan["scan_id"]),
        "bill_no": "B1",
        "provider": "wechatpay",
        "record": record,
        "item": asked.items[0].item,
    }


def senders(street: Street, desk: Desk, path: str) -> dict[str, Send]:
    """A stranger, and whoever the path is for."""

    async def stranger(method: str, target: str, content: bytes | None) -> httpx.Response:
        headers = {"content-type": "application/json"}
        return await street.client.request(method, target, content=content, headers=headers)

    async def resident(method: str, target: str, content: bytes | None) -> httpx.Response:
        headers = {
            "content-type": "application/json",
            "authorization": f"Bearer {street.phone.token}",
            "idempotency-key": secrets.token_hex(8),
        }
        return await street.client.request(method, target, content=content, headers=headers)

    async def operator(method: str, target: str, content: bytes | None) -> httpx.Response:
        key = {"idempotency-key": secrets.token_hex(8)}
        return await desk.send(method, target, content, key)

    def signed(caller: Any) -> Send:
        async def send(method: str, target: str, content: bytes | None) -> httpx.Response:
            answer: httpx.Response = await caller.send(
                method, target, content=content or b"", key=secrets.token_hex(8)
            )
            return answer

        return send

    by_prefix = {
        "/v1/me": resident,
        "/v1/institution/": signed(street.his),
        "/v1/terminal/": signed(street.kiosk),
        "/v1/console/": operator,
    }
    owners = {prefix: send for prefix, send in by_prefix.items() if path.startswith(prefix)}
    return {"stranger": stranger, **owners}


def target_of(case: Case, known: dict[str, str] | None) -> str:
    """Path and query as they are sent; with the ids that exist when they are given."""
    path = case.path
    for name, value in (case.path_parameters or {}).items():
        text = known[name] if known is not None and name in known else str(value)
        path = path.replace(f"{{{name}}}", quote(text, safe="") or "%20")
    query = urlencode(dict(case.query or {}), doseq=True, errors="replace")
    return f"{path}?{query}" if query else path


def content_of(case: Case) -> bytes | None:
    """The body as JSON; what JSON cannot say is sent as its text."""
    if not case.media_type or case.body is None or type(case.body).__name__ == "NotSet":
        return None
    if isinstance(case.body, bytes):
        return case.body
    return json.dumps(case.body, default=str).encode("utf-8", "surrogatepass")


def check(case: Case, answer: httpx.Response) -> None:
    """No server error; a refusal is a problem from the catalogue."""
    status = answer.status_code
    assert status < 500 or status in NOT_READY, (case.method, answer.url, answer.text)
    if status >= 400 and not case.path.startswith(OWN_ANSWERS):
        assert answer.headers["content-type"] == "application/problem+json", answer.text
        assert answer.json()["code"] in CODES
        assert answer.json()["status"] == status


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda found: found.label)
async def test_no_input_breaks_a_route(
    street: Street, desk: Desk, known: dict[str, str], operation: Any
) -> None:
    loop = asyncio.get_running_loop()
    statuses: Counter[int] = Counter()
    # Callers' buckets fill with time, and the only clock is ours. Some routes end a login.
    street.advance(timedelta(seconds=5))
    await street.phone.log_in()
    await signed_in(desk)

    async def send_all(case: Case) -> None:
        for send in senders(street, desk, operation.path).values():
            for ids in (None, known):
                answer = await send(case.method, target_of(case, ids), content_of(case))
                check(case, answer)
                statuses[answer.status_code] += 1

    def drive(mode: GenerationMode) -> None:
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def one(case: Case) -> None:
            asyncio.run_coroutine_threadsafe(send_all(case), loop).result(30)

        one()

    await asyncio.to_thread(drive, GenerationMode.POSITIVE)
    if operation.body or operation.query or operation.path_parameters:
        # Where anything at all is allowed there is no wrong input to make.
        with suppress(Unsatisfiable):
            await asyncio.to_thread(drive, GenerationMode.NEGATIVE)
    assert statuses, "nothing was sent"


KEYED = [
    found
    for found in OPERATIONS
    if any(one["name"] == KEY_HEADER for one in found.definition.raw.get("parameters", []))
]


@pytest.mark.parametrize("operation", KEYED, ids=lambda found: found.label)
async def test_a_required_key_is_missed(
    street: Street, desk: Desk, known: dict[str, str], operation: Any
) -> None:
    loop = asyncio.get_running_loop()
    street.advance(timedelta(seconds=5))
    await street.phone.log_in()
    await signed_in(desk)
    codes: set[str] = set()

    async def send(case: Case) -> None:
        target, content = target_of(case, known), content_of(case) or b""
        if case.path.startswith("/v1/me"):
            headers = {
                "content-type": "application/json",
                "authorization": f"Bearer {street.phone.token}",
            }
            answer = await street.client.request(
                case.method, target, content=content, headers=headers
            )
        elif case.path.startswith("/v1/console"):
            answer = await desk.send(case.method, target, content)
        else:
            caller = street.his if case.path.startswith("/v1/institution") else street.kiosk
            answer = await caller.send(case.method, target, content=content)
        assert answer.status_code >= 400, answer.text
        codes.add(answer.json()["code"])

    def drive() -> None:
        @settings(
            max_examples=2,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=GenerationMode.POSITIVE))
        def one(case: Case) -> None:
            asyncio.run_coroutine_threadsafe(send(case), loop).result(30)

        one()

    await asyncio.to_thread(drive)
    assert "idempotency-key-missing" in codes


def test_every_route_is_in_the_document() -> None:
    assert {"POST /v1/me/codes", "POST /v1/terminal/scans", "POST /v1/institution/bills"} <= {
        operation.label for operation in OPERATIONS
    }
