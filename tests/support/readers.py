"""A reader without a network: fetches lists while it has one, chains what it accepts when not."""

import secrets
from datetime import datetime, timedelta
from typing import Any

import httpx
import msgspec

from crypto.healthcode.holder import Holder
from crypto.healthcode.index import Index
from crypto.healthcode.issue import (
    CredentialRequest,
    PrintedRequest,
    issue_credential,
    issue_printed,
    load_issuer,
)
from crypto.healthcode.layout import Kind, Purpose
from crypto.healthcode.shown_log import FIRST_HEAD, next_head, shown_entry
from crypto.sm2 import PrivateKey
from service.healthcode import jobs
from service.healthcode.model import HolderCredential, IssuedState, RevokedCode, RevokedScope
from service.healthcode.store_phones import insert_revoked
from service.kernel.claims import run_once
from service.kernel.context import Context
from service.kernel.database import connection
from tests.support.callers import TerminalCaller

PURPOSES = {"identify": Purpose.IDENTIFY, "register": Purpose.REGISTER, "pay": Purpose.PAY}


async def make_lists(ctx: Context) -> int:
    """One round of the worker's loop; gives how many lists were due."""
    (source,) = jobs.sources(ctx)
    return await run_once(source, ctx.clock, ctx.metrics)


async def revoke(
    ctx: Context,
    code_id: bytes,
    *,
    scope: RevokedScope = RevokedScope.BOUND,
    code_class: int = 0,
    life: timedelta = timedelta(days=2),
) -> None:
    """A row as a lost phone or card leaves it."""
    now = ctx.clock.now()
    row = RevokedCode(
        record_id=ctx.ids.new(),
        code_id=code_id,
        scope=scope,
        code_class=code_class,
        expires_at=now + life,
        revoked_at=now,
        row_mac=b"",
    )
    mac = ctx.sealer.row_mac("revoked_code", row.mac_parts())
    row = msgspec.structs.replace(row, row_mac=mac)
    async with connection(ctx.pool) as conn:
        await insert_revoked(conn, [row])


async def issue(ctx: Context, code_id: bytes, *, sealed: bool = True) -> None:
    """The row of a credential, live for a day; not ``sealed``: as somebody puts it by SQL."""
    row = HolderCredential(
        record_id=1,
        code_id=code_id,
        phone_id=1,
        code_class=0,
        state=IssuedState.LIVE,
        issued_at=ctx.clock.now(),
        expires_at=ctx.clock.now() + timedelta(days=1),
        credential=b"",
        row_mac=b"",
    )
    if sealed:
        mac = ctx.sealer.row_mac("holder_credential", row.mac_parts())
        row = msgspec.structs.replace(row, row_mac=mac)
    async with connection(ctx.pool) as conn:
        await conn.execute(
            "insert into holder_credential (record_id, code_id, phone_id, code_class, state,"
            " issued_at, expires_at, credential, row_mac)"
            " values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            *msgspec.structs.astuple(row),
        )


async def fetch_list(
    client: httpx.AsyncClient, since: int | None = None, place: str = "bound/0"
) -> bytes:
    """What a reader at sequence ``since`` gets."""
    query = "" if since is None else f"?since={since}"
    answer = await client.get(f"/v1/lists/revoked/{place}{query}")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/octet-stream"
    return answer.content


def a_holder(ctx: Context, record_id: int = 7, at: datetime | None = None) -> Holder:
    """A phone with a credential under the ring's bound issuer."""
    now = at or ctx.clock.now()
    key = PrivateKey.generate()
    credential = issue_credential(
        load_issuer(ctx.ring.snapshot, Kind.BOUND, now),
        CredentialRequest(
            index=Index(record_id=record_id.to_bytes(8), card=0, epoch=0),
            code_class=0,
            life_min=2880,
            holder_key=key.public,
        ),
        now,
    )
    return Holder(key, credential)


def a_printed_text(ctx: Context, record_id: int) -> str:
    """A printed code under the ring's issuer."""
    now = ctx.clock.now()
    request = PrintedRequest(
        index=Index(record_id=record_id.to_bytes(8), card=0, epoch=0), code_class=0, life_days=365
    )
    return issue_printed(load_issuer(ctx.ring.snapshot, Kind.PRINTED, now), request, now).text


class CutOffReader:
    """A terminal's log of what it accepted, and its delivery on reconnect."""

    def __init__(self, terminal: TerminalCaller) -> None:
        self.terminal = terminal
        self.log = secrets.token_hex(16)
        self.head = FIRST_HEAD
        self.first = 0
        self.entries: list[dict[str, Any]] = []

    def accept(
        self, text: str, at: datetime, purpose: str = "identify", offer: str | None = None
    ) -> None:
        """Note a code as taken at that moment."""
        entry: dict[str, Any] = {"text": text, "scanned_at": at.isoformat(), "purpose": purpose}
        self.entries.append(entry if offer is None else {**entry, "offer": offer})

    def body(self) -> dict[str, Any]:
        """The report of everything noted since the last delivery."""
        return {
            "log": self.log,
            "first": self.first,
            "previous": self.head.hex(),
            "entries": self.entries,
        }

    def head_behind(self) -> bytes:
        """The chained head behind everything noted."""
        head = self.head
        for entry in self.entries:
            at = datetime.fromisoformat(entry["scanned_at"])
            head = next_head(
                head,
                shown_entry(
                    text=entry["text"],
                    scanned=int(at.timestamp()),
                    purpose=PURPOSES[entry["purpose"]],
                    offer=entry.get("offer", ""),
                ),
            )
        return head

    async def send(self, body: object = None, key: str | None = None) -> httpx.Response:
        """Hand in, and change nothing here."""
        return await self.terminal.send(
            "POST",
            "/v1/terminal/shown-codes",
            body or self.body(),
            key=key or secrets.token_hex(8),
        )

    async def deliver(self) -> dict[str, Any]:
        """Hand in what was noted, and go on behind it."""
        answer = await self.send()
        assert answer.status_code == 200, answer.text
        taken = dict(answer.json())
        assert taken["head"] == self.head_behind().hex()
        assert taken["taken"] == len(self.entries)
        self.first += len(self.entries)
        self.head = self.head_behind()
        self.entries = []
        return taken
