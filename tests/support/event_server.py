"""A hospital's server on a real socket, well-behaved or not, and the events that were written."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import msgspec

from crypto.sm2 import PrivateKey
from integrations.his_generic.courier import open_courier
from integrations.kit.reach import Resolve
from integrations.ports.events_out import Reach
from integrations.sandbox.hospital.events import Arrived, EventDesk
from integrations.sandbox.hospital.signing import HospitalKeys, Signer
from service.institution import actions as institution
from service.institution.model import Institution, MovedAmounts, NewInstitution
from service.kernel.claims import run_once
from service.kernel.context import Context
from service.kernel.database import connection
from service.kernel.outbox import Event
from service.kernel.principals import Application
from service.notice import actions, jobs
from tests.support.app import a_context
from tests.support.clock import FakeClock

LOOPBACK = Reach(networks=(ip_network("127.0.0.0/8"),), plain_http=True)
TOPICS = ("settlement.settled", "settlement.posted", "settlement.reversed")
PATIENT_S = 20.0
IMPATIENT_S = 1.0
"""For servers that hang: a busy machine may take longer than this over an answer it does give."""
FORGET = "truncate institution_event, institution_event_number, notice_endpoint"


class EventServer:
    """Does to each request what ``plan`` says next, then ``otherwise``."""

    def __init__(self) -> None:
        self.plan: list[str] = []
        self.otherwise = "take"
        self.desk: EventDesk
        self.came: list[tuple[dict[str, Any], str]] = []
        """Every event that came, with what was done to it."""
        self.bodies: list[bytes] = []
        self.url = ""
        self.strayed = 0
        """Requests to another path than the one that was named."""
        self.sent_bytes = 0
        self.hung_up = asyncio.Event()
        """Ends every connection that hangs."""

    def believe(self, ctx: Context) -> None:
        """Verify by the platform's present key."""
        keys = HospitalKeys(
            application_id="A" * 27,
            private_key=PrivateKey.generate().to_bytes().hex(),
            platform_keys=[institution.platform_key(ctx).to_bytes().hex()],
        )
        self.desk = EventDesk(Signer(keys), ctx.clock.now)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request a connection."""
        try:
            await self._serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, target, _ = head[0].split(" ")
        pairs = [line.split(": ", 1) for line in head[1:] if line]
        headers = {name.lower(): value for name, value in pairs}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        if (method, target) != ("POST", "/his/events?site=1"):
            self.strayed += 1
            return
        act = self.plan.pop(0) if self.plan else self.otherwise
        self.came.append((msgspec.json.decode(body), act))
        self.bodies.append(body)
        if act in ("take", "drop"):
            self.desk.take(Arrived(host=headers["host"], target=target, headers=headers, body=body))
        await self._answer(act, writer)

    async def _answer(self, act: str, writer: asyncio.StreamWriter) -> None:
        if act == "hang":
            await self.hung_up.wait()
        elif act == "redirect":
            place = self.url.replace("/his/", "/elsewhere/")
            writer.write(f"HTTP/1.1 307 Moved\r\nLocation: {place}\r\n\r\n".encode())
        elif act == "endless":
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            while True:
                writer.write(b"x" * 16_384)
                self.sent_bytes += 16_384
                await writer.drain()
        elif act == "trickle":
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            while True:
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.02)
        elif act != "drop":
            status = {"take": "204 No Content", "break": "500 Broken"}[act]
            writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
        if act not in ("drop", "hang"):
            await writer.drain()

    def taken(self) -> list[tuple[str, int]]:
        """(settlement, sequence) in the order in which they were taken."""
        return [(one["settlement_id"], one["sequence"]) for one in self.desk.taken.values()]


@asynccontextmanager
async def an_event_server() -> AsyncIterator[EventServer]:
    """Listens on a free port of the loopback."""
    server = EventServer()
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(server.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    listening = await asyncio.start_server(accept, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/his/events?site=1"
    try:
        yield server
    finally:
        listening.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class NoticeRig:
    """Hospitals with endpoints, and settlements that tell."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self.source = jobs.sources(ctx)[0]

    @property
    def clock(self) -> FakeClock:
        assert isinstance(self.ctx.clock, FakeClock)
        return self.ctx.clock

    async def hospital(self, server: EventServer | None = None) -> Institution:
        """Enrolled; with ``server`` its events go there."""
        place = await institution.enrol_institution(
            self.ctx,
            NewInstitution(
                code=f"H990{self.ctx.ids.new() % 10**8:08d}",
                name="测试医院",
                insurance_region="990001",
                level=3,
                moved_amounts=MovedAmounts.ADJUST,
            ),
        )
        if server is not None:
            server.believe(self.ctx)
            await self.register(place, server.url)
        return place

    async def register(self, place: Institution, url: str) -> None:
        """Name an address."""
        application = Application(
            institution_id=place.institution_id,
            application_id=1,
            scopes=frozenset({"settlement"}),
        )
        await actions.set_endpoint(self.ctx, application, url)

    async def tell(self, place: Institution, settlement_id: int, sequence: int = 1) -> None:
        """The outbox hands over an event of a settlement."""
        body: dict[str, str | int | bool | None] = {
            "bill_id": "B0",
            "institution_id": place.institution_id,
            "total_fen": 100,
            "fund_fen": 60,
            "account_fen": 0,
            "cash_fen": 40,
            "hospital_fen": 0,
            "paid_by": "wechatpay",
            "version": sequence * 3,
            "sequence": sequence,
            "bill_no": f"B{settlement_id}",
            "occurred_at": self.clock.now().isoformat(),
        }
        event = Event(
            record_id=7,
            event_id=settlement_id * 10 + sequence,
            topic=TOPICS[sequence - 1],
            subject_id=settlement_id,
            body=body,
            attempts=0,
        )
        await jobs.HANDLERS[event.topic](self.ctx, event)

    async def work(self) -> None:
        """Send until nothing is due."""
        for _ in range(200):
            if not await run_once(self.source, self.clock, self.ctx.metrics):
                return
        raise AssertionError("work that never ends")

    async def run_for(self, span: timedelta, step: timedelta) -> None:
        """Let time pass, working all along."""
        end = self.clock.now() + span
        await self.work()
        while self.clock.now() < end:
            self.clock.advance(step)
            await self.work()

    async def states(self, place: Institution) -> list[tuple[int, int, str, int, str | None]]:
        """(settlement, sequence, state, tries, failure) of every event."""
        async with connection(self.ctx.pool) as conn:
            rows = await conn.fetch(
                "select settlement_id, sequence, state, tries, failure from institution_event"
                " where institution_id = $1 order by settlement_id, sequence",
                place.institution_id,
            )
        return [tuple(row) for row in rows]  # type: ignore[misc]

    async def items(self, place: Institution) -> list[str]:
        """Reasons of the hospital's open work items."""
        async with connection(self.ctx.pool) as conn:
            rows = await conn.fetch(
                "select reason from work_item where closed_at is null and institution_id = $1",
                place.institution_id,
            )
        return [row["reason"] for row in rows]


@asynccontextmanager
async def a_notice_rig(
    dsn: str, *, timeout_s: float = PATIENT_S, resolve: Resolve | None = None
) -> AsyncIterator[NoticeRig]:
    """A rig over a migrated database of its own."""
    async with (
        open_courier(LOOPBACK, timeout_s=timeout_s, resolve=resolve) as courier,
        a_context(dsn, clock=FakeClock(), courier=courier) as ctx,
    ):
        try:
            yield NoticeRig(ctx)
        finally:
            async with connection(ctx.pool) as conn:
                # Under a key of its own: nobody else can do anything with it.
                await conn.execute(FORGET)
