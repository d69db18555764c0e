"""Three processes over one database and one keystore file, under traffic that never stops.

Their clocks differ by two seconds either way; time moves only when the test moves it. The traffic
uses every kind of key across processes: what one makes another must take, and what was made at the
start must hold to the end.
"""

import asyncio
import secrets
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import jwt

from crypto import keystore
from crypto.healthcode.index import Index, find_index
from crypto.healthcode.issue import (
    CredentialRequest,
    Moment,
    PrintedRequest,
    issue_credential,
    issue_printed,
    load_issuer,
    show_bound,
)
from crypto.healthcode.layout import Kind, parse
from crypto.healthcode.text import decode
from crypto.healthcode.verify import CodeVerifier, Reader
from crypto.keyring import KeyKind, KeyRing
from crypto.sm2 import PrivateKey, PublicKey
from service.app import create_app
from service.healthcode.rules import trust_of
from service.kernel.live_ring import KeystoreFile, LiveRing, RingReport
from service.keys import changes
from service.keys.keystore_editing import Entry, KeystoreEditor
from tests.support.app import a_client, a_context
from tests.support.bound_phone import BoundPhone
from tests.support.callers import ApplicationCaller, TerminalCaller
from tests.support.clock import FakeClock
from tests.support.fakes_identity import NOON, POLICY, FakePartners, citizen_number
from tests.support.identity_rig import CIPHER, PAGES, IdentityRig, Phone

SKEWS = (timedelta(seconds=2), timedelta(0), timedelta(seconds=-2))
LOOK_EVERY_S = 0.05
PAUSE_S = 0.2
"""Between two rounds of what never waits for a database, so that the others get their turn."""
SIGNED_BY_HAND = (
    KeyKind.CODE_LIST,
    KeyKind.TILL,
    KeyKind.CERTIFICATE_AUTHORITY,
    KeyKind.AUDIT,
    KeyKind.RECEIPT,
)
"""Kinds that the traffic uses straight from the ring, as their owners do."""


@lru_cache
def _handle(material: bytes) -> PrivateKey:
    return PrivateKey.from_bytes(material)


@lru_cache
def _verifier(ring: KeyRing) -> CodeVerifier:
    return CodeVerifier(trust_of(ring))


class SkewedClock(FakeClock):
    """Another clock, a little off."""

    def __init__(self, right: FakeClock, by: timedelta) -> None:
        super().__init__()
        self._right, self._by = right, by

    def now(self) -> datetime:
        return self._right.now() + self._by


class System(ApplicationCaller):
    """A hospital's system that asks for the platform's keys and believes what they sign."""

    known: tuple[PublicKey, ...] = ()

    def check(self, text: bytes, signature: bytes) -> bool:
        return any(key.verify(text, signature) for key in self.known)

    async def learn(self) -> None:
        answer = await self.send("GET", "/v1/institution/platform-keys")
        assert answer.status_code == 200, answer.text
        points = [bytes.fromhex(row["public_key"]) for row in answer.json()["keys"]]
        self.known = tuple(PublicKey.from_bytes(point) for point in points)


class Town:
    """The processes, the callers, and what they remember from before."""

    def __init__(self, clock: FakeClock, editor: KeystoreEditor, rigs: list[IdentityRig]) -> None:
        self.clock, self.editor, self.rigs = clock, editor, rigs
        self.seen: defaultdict[KeyKind, set[int]] = defaultdict(set)
        self.rounds: Counter[str] = Counter()
        self.turned = asyncio.Condition()
        self.followed = asyncio.Semaphore(0)
        """Released by each process that took a changed ring."""
        self.moment = asyncio.Lock()
        """Held while a phone's code is on its way: it counts for a minute, and time jumps."""
        self.residents: list[Phone] = []
        self.patients: dict[str, str] = {}
        self.scan_ids: list[str] = []
        self.bureau_silent = 0
        """Scans at which the bureau's answer did not come in time, as on a busy machine."""
        self.printed: list[str] = []
        self.papers: list[str] = []
        self.phone: BoundPhone | None = None
        self.shown = (0, 0)
        self.signed: list[tuple[KeyKind, int, bytes]] = []
        self.kiosks: list[TerminalCaller] = []
        self.systems: list[System] = []
        self.serial = 0

    def any_rig(self) -> IdentityRig:
        return secrets.choice(self.rigs)

    def at(self, phone: Phone) -> Phone:
        """The same phone, its next request at whatever process."""
        moved = Phone(self.any_rig().client, phone.subject)
        moved.token = phone.token
        return moved

    async def open(self) -> None:
        first = self.rigs[0]
        hospital = await first.enrol(f"H99{secrets.randbelow(10**9):09d}")
        kiosk = await first.terminal(hospital, public_place=False)
        his = await first.application(hospital, "scan", "bill")
        for rig in self.rigs:
            rig.hospital = hospital
            self.kiosks.append(TerminalCaller(rig.client, rig.clock, kiosk.caller_id, kiosk.key))
            system = System(rig.client, rig.clock, his.caller_id, his.key, his.platform)
            system.known = (his.platform,)
            self.systems.append(system)
        self.residents = [await self.new_resident() for _ in range(6)]

    async def new_resident(self) -> Phone:
        self.serial += 1
        born = date(1950, 1, 1) + timedelta(days=self.serial // 900)
        rig = self.any_rig()
        id_no = citizen_number(born, self.serial % 900)
        rig.partners.names.pairs.add(("测试甲", id_no))
        phone = Phone(rig.client, secrets.token_hex(8))
        self.note_token(await phone.log_in())
        answer = await phone.register("测试甲", id_no)
        assert answer.status_code == 200, answer.text
        return phone

    def note_token(self, answer: dict[str, Any]) -> None:
        kid = jwt.get_unverified_header(answer["access_token"])["kid"]
        self.seen[KeyKind.TOKEN].add(int(kid.removeprefix("token-")))

    async def show_and_scan(self) -> None:
        """A code issued at one process is taken at another, once, for the same patient."""
        phone = secrets.choice(self.residents)
        text = await self.at(phone).code()
        kiosk, key = secrets.choice(self.kiosks), secrets.token_hex(8)
        kiosk_rig = self.any_rig()
        body = {"text": text, "purpose": "identify"}
        answer = await kiosk.send("POST", "/v1/terminal/scans", body, key=key)
        assert answer.status_code == 200, answer.text
        said = answer.json()
        assert self.patients.setdefault(phone.subject, said["patient_id"]) == said["patient_id"]
        again = await secrets.choice(self.kiosks).send("POST", "/v1/terminal/scans", body, key=key)
        assert again.status_code == 200, again.text
        repeated = again.json()
        parse_id = kiosk_rig.ctx.public_ids.parse
        # The id of one scan may be written under a newer key by now; both name that scan.
        assert parse_id(repeated.pop("scan_id")) == parse_id(said["scan_id"])
        if "OWNER_DOWN" in (said["insurance"]["status"], repeated["insurance"]["status"]):
            # The bureau is asked anew, and a busy machine's may answer too late for the scan.
            self.bureau_silent += 1
            said["insurance"] = repeated["insurance"]
        assert repeated == {name: said[name] for name in repeated}, again.text
        assert len(repeated) == len(said) - 1
        self.seen[KeyKind.PUBLIC_ID].add(ord(said["scan_id"][0]) - 64)
        self.scan_ids.append(said["scan_id"])
        code = parse(decode(text))
        ring = self.any_rig().ctx.ring
        self.seen[KeyKind.ISSUER_ONCE].add(ring.by_code_key_id(code.head.key_id).version)
        for root in ring.keys:
            if root.kind is KeyKind.INDEX_ROOT and find_index([root.material], code):
                self.seen[KeyKind.INDEX_ROOT].add(root.version)

    async def old_handles(self) -> None:
        """Public ids, tokens and log-ins from before hold, whoever is asked."""
        if self.scan_ids:
            for scan_id in (self.scan_ids[0], secrets.choice(self.scan_ids)):
                kiosk = secrets.choice(self.kiosks)
                bills = await kiosk.send("GET", f"/v1/terminal/scans/{scan_id}/bills")
                assert bills.status_code == 200, bills.text
        phone = self.at(secrets.choice(self.residents))
        me = await phone.ask("GET", "/v1/me")
        assert me.status_code == 200, me.text
        assert me.json()["masked_name"] == "测*甲"
        self.note_token(await phone.log_in())
        assert (await self.at(phone).ask("GET", "/v1/me")).json()["registered"] is True

    async def newcomer(self) -> None:
        """A registration sealed at one process is read at another, and a phone enrolled."""
        phone = await self.new_resident()
        me = await self.at(phone).ask("GET", "/v1/me")
        assert me.json()["masked_name"] == "测*甲", me.text
        self.residents[secrets.randbelow(3) + 3] = phone
        own = await self.enrolled(phone)
        async with self.moment:
            await self.scanned(own.show())
        answer = await self.at(phone).ask("POST", "/v1/me/printed-codes", {"symbol": False})
        assert answer.status_code == 201, answer.text
        self.papers.append(answer.json()["text"])

    async def enrolled(self, owner: Phone) -> BoundPhone:
        """A phone whose challenge came from one process and its credential from another."""
        phone = BoundPhone(self.at(owner), self.clock)
        phone.next = await phone.challenge()
        phone.owner = self.at(owner)
        await phone.enrol()
        return phone

    async def old_phone_and_paper(self) -> None:
        """The first phone shows on, with no request; the first paper and the last are read."""
        if self.phone is None:
            self.phone = await self.enrolled(self.residents[0])
        async with self.moment:
            step = int(self.clock.now().timestamp()) // 30
            self.shown = (step, self.shown[1] + 1 if self.shown[0] == step else 0)
            await self.scanned(self.phone.show(seq=self.shown[1]))
        for text in self.papers[:1] + self.papers[-1:]:
            await self.scanned(text)

    async def scanned(self, text: str) -> None:
        kiosk, key = secrets.choice(self.kiosks), secrets.token_hex(8)
        body = {"text": text, "purpose": "identify"}
        answer = await kiosk.send("POST", "/v1/terminal/scans", body, key=key)
        assert answer.status_code == 200, answer.text
        code = parse(decode(text))
        key_of = self.any_rig().ctx.ring.by_code_key_id(code.head.key_id)
        self.seen[key_of.kind].add(key_of.version)

    async def hospital_system(self) -> None:
        """Signed answers, checked under the keys that earlier answers told of."""
        system = secrets.choice(self.systems)
        answer = await system.send("GET", "/v1/institution/scans?limit=5")
        assert answer.status_code == 200, answer.text
        version = int(answer.headers["yimatong-key"].removeprefix("transport-"))
        self.seen[KeyKind.TRANSPORT].add(version)
        await system.learn()
        for one in self.systems:
            one.known = system.known

    async def bound_and_printed(self) -> None:
        """Codes that are verified from the ring's trust list, the first printed one for ever."""
        await asyncio.sleep(PAUSE_S)
        here, there = self.any_rig().ctx, self.any_rig().ctx
        now, index = here.clock.now(), Index(record_id=bytes(8), card=0, epoch=0)
        holder = PrivateKey.generate()
        request = CredentialRequest(index=index, code_class=0, holder_key=holder.public)
        credential = issue_credential(load_issuer(here.ring, Kind.BOUND, now), request, now)
        bound = show_bound(credential, holder, Moment(at=now)).text
        wanted = PrintedRequest(index=index, code_class=0, life_days=100)
        issuer = load_issuer(here.ring, Kind.PRINTED, now)
        self.printed.append(issue_printed(issuer, wanted, now).text)
        verifier, roots = _verifier(there.ring.snapshot), there.ring
        for text in (bound, self.printed[0], self.printed[-1]):
            verdict = verifier.verify(text, Reader(), there.clock.now())
            assert verdict.holds, verdict.refusal
            code = parse(decode(text))
            keys = roots.all_accepted(KeyKind.INDEX_ROOT, there.clock.now())
            assert find_index([key.material for key in keys], code) == index
            version = there.ring.by_code_key_id(code.head.key_id)
            self.seen[version.kind].add(version.version)

    async def by_hand(self) -> None:
        """What one process signs another verifies, now and for as long as it is accepted."""
        await asyncio.sleep(PAUSE_S)
        here, there = self.any_rig().ctx, self.any_rig().ctx
        for kind in SIGNED_BY_HAND:
            key = here.ring.current(kind, here.clock.now())
            signature = _handle(key.material).sign(b"message")
            self.signed.append((kind, key.version, signature))
            self.seen[kind].add(key.version)
        for kind, version, signature in (*self.signed[:5], *self.signed[-5:]):
            key = there.ring.accepted(kind, version, there.clock.now())
            assert _handle(key.material).public.verify(b"message", signature)

    def loops(self) -> dict[str, Callable[[], Awaitable[None]]]:
        return {
            "show-and-scan": self.show_and_scan,
            "old-handles": self.old_handles,
            "newcomer": self.newcomer,
            "old-phone-and-paper": self.old_phone_and_paper,
            "hospital-system": self.hospital_system,
            "bound-and-printed": self.bound_and_printed,
            "by-hand": self.by_hand,
        }

    async def keep_busy(self, name: str, once: Callable[[], Awaitable[None]]) -> None:
        while True:
            await once()
            async with self.turned:
                self.rounds[name] += 1
                self.turned.notify_all()

    async def traffic(self, rounds: int = 2) -> None:
        """Until each loop has gone round so many times more."""
        goal = {name: self.rounds[name] + rounds for name in self.loops()}
        async with self.turned:
            await self.turned.wait_for(
                lambda: all(self.rounds[name] >= wanted for name, wanted in goal.items())
            )

    def noting(self, report: RingReport) -> Callable[[LiveRing, bool], None]:
        def said(live: LiveRing, changed: bool) -> None:
            report(live, changed)
            if changed:
                self.followed.release()

        return said

    async def rotate(self, *kinds: KeyKind) -> None:
        """As ``yimatong keys rotate`` does it; then time goes on, slowly around the change."""
        now = self.clock.now()
        start = now + changes.ACTIVATION

        def rotated(before: KeyRing) -> KeyRing:
            for kind in kinds:
                before = changes.rotate(before, kind, now, start)
            return before

        ring = self.editor.change(
            rotated, lambda _: [Entry(at=now, action="rotate", kind=kind.value) for kind in kinds]
        )
        async with asyncio.timeout(45):
            for _ in self.rigs:
                await self.followed.acquire()
        assert all(rig.ctx.ring.keys == ring.keys for rig in self.rigs)
        await self.traffic(1)
        for step_s in (59, 2, 2, 60):
            async with self.moment:
                self.clock.advance(timedelta(seconds=step_s))
            await self.traffic(1)

    async def stored_versions(self) -> dict[KeyKind, set[int]]:
        """The key versions that rows carry."""
        queries = {
            KeyKind.COLUMN: "select distinct get_byte(wrapped, 1) from data_key",
            KeyKind.ROW_MAC: "select distinct get_byte(row_mac, 0) from record",
            KeyKind.BLIND_INDEX: "select distinct get_byte(blind_key, 0) from match_key",
        }
        async with self.rigs[0].ctx.pool.acquire() as conn:
            return {
                kind: {row[0] for row in await conn.fetch(query)} for kind, query in queries.items()
            }


@asynccontextmanager
async def a_town(dsn: str, folder: Path) -> AsyncIterator[Town]:
    """Three processes, their callers, and the keystore that they follow."""
    clock, partners, master = FakeClock(NOON), FakePartners(), keystore.new_master_key()
    file = KeystoreFile(folder / "keystore", folder / "master")
    file.master_file.write_text(master.hex())
    ring: KeyRing = changes.new_ring(NOON - timedelta(hours=1), 99)
    keystore.create(file.path, ring, master)
    stop = asyncio.Event()
    async with AsyncExitStack() as stack:
        rigs = []
        for skew in SKEWS:
            ctx = await stack.enter_async_context(
                a_context(
                    dsn,
                    clock=SkewedClock(clock, skew),
                    partners=partners,  # type: ignore[arg-type]
                    policy=POLICY,
                    ring=LiveRing.following(file),  # type: ignore[arg-type]
                )
            )
            client = await stack.enter_async_context(a_client(create_app(ctx, CIPHER, PAGES)))
            rigs.append(IdentityRig(ctx, client, partners))
        town = Town(clock, KeystoreEditor(file), rigs)
        await town.open()
        async with asyncio.TaskGroup() as group:
            tasks = []
            for rig in rigs:
                said = town.noting(RingReport(rig.ctx.metrics, rig.ctx.clock))
                group.create_task(rig.ctx.ring.follow(stop, said, LOOK_EVERY_S))
            for name, once in town.loops().items():
                tasks.append(group.create_task(town.keep_busy(name, once)))
            try:
                yield town
            finally:
                stop.set()
                for task in tasks:
                    task.cancel()
