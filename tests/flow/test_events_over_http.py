"""A hospital names its address, is told of a whole settlement, and pulls what it missed."""

from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest

from crypto.sm2 import PrivateKey
from integrations.his_generic.courier import open_courier
from integrations.ports.events_out import Posted, Reach
from integrations.sandbox.hospital.events import Arrived, EventDesk
from integrations.sandbox.hospital.signing import HospitalKeys, Signer
from service.institution import actions as institution
from service.kernel.database import connection
from tests.support.database import DatabaseServer
from tests.support.settlement_street import ID_NO, NAME, PERSON_NO, SINGLE_FEN, Street, a_street

URL = "https://his.example.cn/events"
ENDPOINT = "/v1/institution/notice-endpoint"


class Door:
    """A courier whose every post arrives at the hospital twin's desk; addresses are real ones."""

    def __init__(self) -> None:
        self.desk: EventDesk
        self.bodies: list[bytes] = []
        self.answers: list[Posted] = []

    async def check(self, url: str) -> None:
        async def resolve(_host: str, _port: int) -> list[str]:
            return ["8.8.8.8"] if url == URL else ["127.0.0.1"]

        async with open_courier(Reach(), resolve=resolve) as courier:
            await courier.check(url)

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Posted:
        parts = urlsplit(url)
        self.desk.take(
            Arrived(host=parts.netloc, target=parts.path, headers=dict(headers), body=body)
        )
        self.bodies.append(body)
        return Posted()


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.fixture
async def street(postgres: DatabaseServer, migrated: str, door: Door) -> AsyncIterator[Street]:
    async with (
        postgres.database(migrated) as dsn,
        a_street(dsn, courier=door) as made,
    ):
        keys = HospitalKeys(
            application_id="A" * 27,
            private_key=PrivateKey.generate().to_bytes().hex(),
            platform_keys=[institution.platform_key(made.ctx).to_bytes().hex()],
        )
        door.desk = EventDesk(Signer(keys), made.ctx.clock.now)
        yield made


async def settle(street: Street) -> str:
    """One bill, paid at the kiosk and posted; gives the settlement's id."""
    bill_id = await street.push_bill()
    base = f"/v1/terminal/scans/{street.scan['scan_id']}/settlements"
    body = {"bill_id": bill_id, "use_account": False, "insured": True}
    settlement_id = (await street.ask(street.kiosk, "POST", base, body))["settlement_id"]
    await street.work()
    path = f"{base}/{settlement_id}"
    shown = await street.ask(
        street.kiosk, "POST", f"{path}/payment", {"provider": "wechatpay", "way": "native"}
    )
    await street.till.control("pay", code_url=shown["payment"]["qr_text"])
    await street.run_for(timedelta(minutes=1))
    await street.ask(
        street.his,
        "POST",
        f"/v1/institution/settlements/{settlement_id}/posting",
        {"hospital_ref": "HIS-1"},
    )
    await street.work()
    return str(settlement_id)


async def test_a_settlement_is_told_in_order_and_nothing_personal(
    street: Street, door: Door
) -> None:
    named = await street.ask(street.his, "PUT", ENDPOINT, {"url": URL})
    assert (named["url"], named["due"], named["unanswered"]) == (URL, 0, 0)
    settlement_id = await settle(street)
    events = [msgspec.json.decode(body) for body in door.bodies]
    assert [(one["type"], one["sequence"]) for one in events] == [
        ("settlement.settled", 1),
        ("settlement.posted", 2),
    ]
    shown = await street.ask(street.his, "GET", f"/v1/institution/settlements/{settlement_id}")
    parts = ("total_fen", "fund_fen", "account_fen", "cash_fen", "hospital_fen")
    for one in events:
        assert one["settlement_id"] == settlement_id
        assert one["bill_no"] == shown["bill_no"] == "B1"
        assert {part: one[part] for part in parts} == {part: shown[part] for part in parts}
        assert one["total_fen"] == SINGLE_FEN
    patient = street.scan["patient_id"]
    for body in door.bodies:
        for personal in (NAME, ID_NO, PERSON_NO, patient, "测试医师", "感染"):
            assert personal.encode() not in body
            assert msgspec.json.encode(personal)[1:-1] not in body


async def test_what_was_not_sent_is_pulled_without_gaps(street: Street) -> None:
    settlement_id = await settle(street)
    page = await street.ask(street.his, "GET", "/v1/institution/events?limit=1")
    rest = await street.ask(street.his, "GET", f"/v1/institution/events?after={page['next']}")
    pulled = page["events"] + rest["events"]
    assert [one["type"] for one in pulled] == ["settlement.settled", "settlement.posted"]
    assert {one["settlement_id"] for one in pulled} == {settlement_id}
    end = await street.ask(street.his, "GET", f"/v1/institution/events?after={rest['next']}")
    assert end == {"events": [], "next": rest["next"]}


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://inside.example.cn/events", "address-not-allowed"),
        ("https://127.0.0.1/events", "address-not-allowed"),
        ("http://his.example.cn/events", "not-https"),
        ("https://a:b@his.example.cn/events", "names-a-user"),
        ("https://his.example.cn", "not-an-address"),
    ],
)
async def test_an_address_inside_is_refused_when_it_is_named(
    street: Street, url: str, reason: str
) -> None:
    answer = await street.his.send("PUT", ENDPOINT, {"url": url})
    assert answer.status_code == 422
    assert (answer.json()["code"], answer.json()["reason"]) == ("notice-endpoint-refused", reason)
    assert (await street.his.send("GET", ENDPOINT)).status_code == 404


async def test_only_the_hospital_s_own_application_with_the_scope_may(street: Street) -> None:
    other: Any = await street.callers.application(street.callers.hospital, "bill")
    for method, path in (("PUT", ENDPOINT), ("GET", ENDPOINT), ("DELETE", ENDPOINT)):
        body = {"url": URL} if method == "PUT" else None
        assert (await other.send(method, path, body)).status_code == 403
    assert (await other.send("GET", "/v1/institution/events")).status_code == 403
    foreign = street.ctx.public_ids.text(5, 5)
    answer = await street.his.send("GET", f"/v1/institution/events?after={foreign}")
    assert answer.status_code == 404


async def test_after_the_address_is_withdrawn_nothing_is_sent(street: Street, door: Door) -> None:
    await street.ask(street.his, "PUT", ENDPOINT, {"url": URL})
    assert (await street.his.send("DELETE", ENDPOINT)).status_code == 204
    assert (await street.his.send("DELETE", ENDPOINT)).status_code == 404
    await settle(street)
    assert door.bodies == []


async def test_a_pulled_event_that_was_changed_by_sql_is_refused(street: Street) -> None:
    await settle(street)
    async with connection(street.ctx.pool) as conn:
        await conn.execute("update institution_event set settlement_id = settlement_id + 1")
    answer = await street.his.send("GET", "/v1/institution/events")
    assert answer.status_code == 500
    assert answer.json()["code"] == "internal-error"
