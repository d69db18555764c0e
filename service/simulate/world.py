"""One world: a hospital, its patients, our hosts and the partners' twins, on one stage.

Owns how a world is set up and how our program runs in it: a server that may die and start again,
and workers. What people do is in ``people``.
"""

import random
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import msgspec
from msgspec.structs import replace

from crypto.keyring import KeyRing
from integrations.registry import OpenPartners, OwnInsurance, PartnerSettings, open_partners
from integrations.sandbox.insurance.model import Person
from service import worker
from service.bill import jobs as bill_jobs
from service.institution import actions as institution
from service.institution.model import Institution, MovedAmounts, NewInstitution
from service.kernel.claims import BATCH, ClaimSource, run_unit
from service.kernel.context import Context, Policy, make_context
from service.kernel.database import connection, execute
from service.kernel.live_ring import LiveRing
from service.kernel.pool import Pool
from service.kernel.principals import Application
from service.kernel.sealing import Sealer
from service.kernel.short_memory import ShortMemory
from service.ledger import jobs as ledger_jobs
from service.payment import jobs as payment_jobs
from service.person import actions as person
from service.person.model import Registration, Source
from service.receipt import jobs as receipt_jobs
from service.sandbox.hospital import ALIPAY_SELLER, HOSPITAL_CODE, HOSPITAL_NAME, MERCHANT, REGION
from service.sandbox.keys import make_secrets
from service.settlement import jobs as settlement_jobs
from service.shift import actions as shift
from service.shift import jobs as shift_jobs
from service.shift import model as shift_model
from service.simulate.couriers import Couriers
from service.simulate.database import SteppedPool
from service.simulate.forgetting import FORGET
from service.simulate.machine import MachineAtWork
from service.simulate.points import CrashPoints
from service.simulate.stage import ROWS, Host, SimulatedClock, Stage, StageClock
from service.simulate.street import TWINS_URL, Twins, TwinWire, WorldPartners
from service.simulate.weather import Sky, Weather

if TYPE_CHECKING:
    from service.simulate.counter import Cashier

DAY = datetime(2026, 3, 2, tzinfo=UTC)
HOURS = (2, 7, 15)
"""A world may begin in the morning, in the afternoon or shortly before Beijing's midnight."""
OWN_MACHINE = PartnerSettings(own_insurance=[OwnInsurance(institution_code=HOSPITAL_CODE)])
PROVIDERS = {"wechatpay": MERCHANT, "alipay": ALIPAY_SELLER}
WIRE_TIMEOUT_S = 3600.0
"""Real seconds: callers lose patience in simulated time."""
UNITS_MAX = 4
LOOK_EVERY = timedelta(seconds=300)
"""A worker that knows of nothing due looks through all its loops again."""
SPENT_FEN = (0, 450_00, 500_00)
"""What a patient has spent of the year's deductible."""
BETWEEN_LOOKS = timedelta(seconds=1)
NEXT_DUE = """
select
  (select min(greatest(due_at, lease_until)) from settlement where due_at is not null),
  (select min(greatest(due_at, lease_until)) from payment_attempt where due_at is not null),
  (select min(greatest(due_at, lease_until)) from refund where due_at is not null),
  (select min(greatest(due_at, lease_until)) from fiscal_invoice where due_at is not null),
  (select min(greatest(due_at, lease_until)) from outbox where done_at is null)
"""
LOOPS = ("settlement", "payment-attempts", "payment-refunds", "fiscal-invoices", "outbox")
"""Whose next due times ``NEXT_DUE`` gives. All other loops are looked through now and then."""
_ALPHABET = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ"


class DrawnIds:
    """Identifiers that a seed repeats."""

    def __init__(self, draw: random.Random) -> None:
        self._draw = draw

    def new(self) -> int:
        return self._draw.getrandbits(63) or 1

    def token(self) -> bytes:
        return self._draw.randbytes(16)

    def trade_no(self) -> str:
        return "YM" + "".join(self._draw.choices(_ALPHABET, k=26))


class Grounds(msgspec.Struct, kw_only=True):
    """What all worlds of a run share, for it costs time to make: keys, twins, database."""

    ring: KeyRing
    twins: Twins
    wire: TwinWire
    client: httpx.AsyncClient
    bureau: PartnerSettings
    providers: OpenPartners
    pool: Pool


def make_grounds(pool: Pool) -> Grounds:
    """Keys of both sides, the twins, and the adapters of payment providers, which keep nothing."""
    ours, theirs = make_secrets(TWINS_URL)
    twins = Twins(theirs)
    wire = TwinWire(twins)
    client = httpx.AsyncClient(transport=wire, trust_env=False)
    providers = msgspec.structs.replace(ours, insurance=[], mobile_insurance=[])
    return Grounds(
        ring=KeyRing.generate_for_development(DAY - timedelta(days=1)),
        twins=twins,
        wire=wire,
        client=client,
        bureau=PartnerSettings(insurance=ours.insurance, mobile_insurance=ours.mobile_insurance),
        providers=open_partners(providers, client, WIRE_TIMEOUT_S, twins.now),
        pool=pool,
    )


class World:
    """Everything of one seed."""

    def __init__(
        self,
        grounds: Grounds,
        draw: random.Random,
        weather: Weather,
        points: CrashPoints,
        begins: datetime,
        *,
        own_machine: bool,
    ) -> None:
        self.draw = draw
        self.stage = Stage(draw, SimulatedClock(begins), points)
        self.stage.when_dead = self._revive_later
        self.sky = Sky(draw, weather)
        self.twins = grounds.twins
        self.couriers = Couriers(self.stage, self.twins, self.request)
        self.began = begins
        self.server = Host("server")
        self.workers = [Host("worker-1"), Host("worker-2")]
        self.place: Institution
        self.application: Application
        self.patients: list[int] = []
        self.person_nos: dict[int, str] = {}
        self.bills = 0
        self.charged_fen: dict[int, int] = {}
        self.relief_fen: dict[int, int] = {}
        """What each bill came to when it was pushed, and what programmes take over, at most."""
        self.cashiers: list[Cashier] = []
        self.last_start = begins
        self.violations: list[str] = []
        """Found while the world went on."""
        self._due: tuple[int, dict[str, datetime]] | None = None
        """What ``due_at`` found, and at which count of changes."""
        self.wire = grounds.wire
        self.wire.open(self.stage, self.sky)
        self.own_machine = own_machine
        """Whether the hospital's own machine performs its insurance calls."""
        self.machine: MachineAtWork | None = None
        bureau = open_partners(
            OWN_MACHINE if own_machine else grounds.bureau,
            grounds.client,
            WIRE_TIMEOUT_S,
            grounds.twins.now,
            draw.randrange,
        )
        ctx = make_context(
            pool=SteppedPool(grounds.pool, self.stage),  # type: ignore[arg-type]
            clock=StageClock(self.stage),
            ring=LiveRing(grounds.ring),
            partners=WorldPartners(bureau, grounds.providers),
            policy=Policy(
                notice_url_base="https://yimatong.test", test_provinces=frozenset({"99"})
            ),
        )
        self.ctx = replace(ctx, ids=DrawnIds(draw))
        """Ours, without a host: for setting up and for checks."""
        self._of_host = {host: self._fresh() for host in (self.server, *self.workers)}

    def _fresh(self) -> Context:
        """What a host has in memory when it starts."""
        ctx = self.ctx
        return replace(ctx, sealer=Sealer(ctx.ring, ctx.clock), memory=ShortMemory(ctx.clock))

    def on(self, host: Host) -> Context:
        """The context of a host as it runs now."""
        return self._of_host[host]

    async def set_up(self, moved: MovedAmounts) -> None:
        """An empty database, the hospital, and the twins' starting persons as its patients."""
        async with connection(self.ctx.pool) as conn:
            await execute(conn, FORGET)
        self.twins.open(self.stage.clock.now, self.couriers.post)
        self.place = await institution.enrol_institution(
            self.ctx,
            NewInstitution(
                code=HOSPITAL_CODE,
                name=HOSPITAL_NAME,
                insurance_region=REGION,
                level=3,
                moved_amounts=moved,
            ),
        )
        self.application = Application(
            institution_id=self.place.institution_id,
            application_id=1,
            scopes=frozenset({"bill", "settlement"}),
        )
        for provider, account in PROVIDERS.items():
            await institution.set_merchant_account(
                self.ctx, self.place.institution_id, provider=provider, account_name=account
            )
        if self.own_machine:
            self.machine = MachineAtWork(
                self.stage, self.sky, self.request, self.place.institution_id
            )
        await shift.set_tenders(self.ctx, self.place.institution_id, frozenset(shift_model.Tender))

    async def hire(self, cashier: "Cashier") -> None:
        """A cashier begins to work."""
        self.cashiers.append(cashier)
        await cashier.begin()

    async def admit(self, insured: Person) -> int:
        """A patient whom the bureau knows; gives the record."""
        registered = await person.register(
            self.ctx,
            Registration(
                source=Source.READER,
                institution_id=self.place.institution_id,
                name=insured.psn_name,
                id_type="01",
                id_no=insured.certno,
                phone=None,
            ),
        )
        spent_fen = self.draw.choice(SPENT_FEN)
        book, year = self.twins.insurance.book, self.began.year
        for enrolled in insured.enrolments:
            book.move(insured.psn_no, enrolled.insutype, year, {"op.dedc": spent_fen})
        self.patients.append(registered.record_id)
        self.person_nos[registered.record_id] = insured.psn_no
        return registered.record_id

    def persons(self) -> list[Person]:
        """Whom the bureau's starting book knows."""
        rows = self.twins.insurance.book.all("select doc from person order by psn_no")
        return [msgspec.json.decode(row["doc"], type=Person) for row in rows]

    # Our program

    def open_hosts(self) -> None:
        """Start workers and the partners' couriers."""
        for host in self.workers:
            self._start_worker(host)
        self.stage.play("couriers", None, self.couriers.live)
        if self.machine is not None:
            self.stage.play("hospital's machine", None, self.machine.live)

    def _start_worker(self, host: Host) -> None:
        self._of_host[host] = self._fresh()
        self.stage.play(host.name, host, lambda: self._work(host))

    async def _work(self, host: Host) -> None:
        """Every claim loop of one worker, taken up in any order."""
        ctx = self.on(host)
        sources = worker_sources(ctx)
        under_way: set[str] = set()
        looked_at = None
        while True:
            now = ctx.clock.now()
            due_at = await self.due_at()
            look_at_all = looked_at is None or now - looked_at >= LOOK_EVERY
            if look_at_all:
                looked_at = now
            names = {name for name, at in due_at.items() if at <= now}
            for source in self.draw.sample(sources, len(sources)):
                if source.name in names or (look_at_all and source.name not in LOOPS):
                    await self._take_up(host, source, under_way)
            wait = min([LOOK_EVERY, *(at - now for at in due_at.values() if at > now)])
            await self.stage.rest(max(wait, BETWEEN_LOOKS), "looked", until_change=ROWS)

    async def _take_up(self, host: Host, source: ClaimSource[Any], under_way: set[str]) -> None:
        due = sorted(await source.list_due(self.stage.clock.now(), BATCH), key=repr)
        fresh = [key for key in due if f"{source.name} {key!r}" not in under_way]
        self.draw.shuffle(fresh)
        for key in fresh[:UNITS_MAX]:
            self._play_unit(host, source, key, under_way)

    def _play_unit(
        self, host: Host, source: ClaimSource[Any], key: Any, under_way: set[str]
    ) -> None:
        ctx, name = self.on(host), f"{source.name} {key!r}"
        under_way.add(name)

        async def run() -> None:
            try:
                await run_unit(source, ctx.clock, ctx.metrics, key, self.stage.within)
            finally:
                under_way.discard(name)
                self.stage.changes[ROWS] += 1

        self.stage.play(f"{host.name}/{source.name}", host, run)

    async def due_at(self) -> dict[str, datetime]:
        """When a row of each loop becomes due next, or its lease ends."""
        rows = self.stage.changes[ROWS]
        if self._due is None or self._due[0] != rows:
            async with connection(self.ctx.pool) as conn:
                row = await conn.fetchrow(NEXT_DUE)
            found = {name: at for name, at in zip(LOOPS, row or (), strict=True) if at is not None}
            self._due = rows, found
        return self._due[1]

    def _revive_later(self, host: Host) -> None:
        """Somebody starts it again after a while."""
        span = self.sky.seconds(1, 40)

        async def start() -> None:
            await self.stage.rest(span, f"{host.name} is down")
            if host.is_up:
                return
            host.start()
            if host in self.workers:
                self._start_worker(host)
            else:
                self._of_host[host] = self._fresh()

        self.stage.play(f"start of {host.name}", None, start)

    async def request(self, act: Callable[[Context], Coroutine[Any, Any, Any]]) -> Any:
        """A request to the server. Raises ``HostDown`` where no answer comes."""
        await self.stage.pause("request")
        return await self.stage.on(self.server, lambda: act(self.on(self.server)))

    async def close(self) -> None:
        """End all that goes on."""
        await self.stage.close()


def worker_sources(ctx: Context) -> list[ClaimSource[Any]]:
    """The worker's loops that settlements have to do with."""
    return [
        worker.outbox_source(ctx),
        *settlement_jobs.sources(ctx),
        *payment_jobs.sources(ctx),
        *receipt_jobs.sources(ctx),
        *shift_jobs.sources(ctx),
        *[source for source in ledger_jobs.sources(ctx) if source.name == "ledger-feed"],
        *bill_jobs.sources(ctx),
    ]


@asynccontextmanager
async def a_world(
    grounds: Grounds,
    seed: int,
    weather: Weather,
    points: CrashPoints | None = None,
    *,
    own_machine: bool = False,
) -> AsyncIterator[World]:
    """A world before anything happened in it."""
    draw = random.Random(seed)  # noqa: S311 - the seed must repeat, nothing is kept secret by it
    begins = DAY + timedelta(hours=draw.choice(HOURS), minutes=draw.randrange(60))
    counted = points or CrashPoints()
    world = World(grounds, draw, weather, counted, begins, own_machine=own_machine)
    try:
        yield world
    finally:
        await world.close()
