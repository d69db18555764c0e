"""Operators of the console over HTTP: a browser's cookie, an authenticator app, a page's token."""

import base64
import hashlib
import hmac
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

import httpx
import msgspec

from crypto.keyring import KeyRing
from service.app import create_app
from service.audit.model import Decided
from service.console import enrolling
from service.console.guarding import COOKIE, FORGERY_HEADER
from service.console.model import Enrolled, Role
from service.kernel.context import Context
from service.person import actions as person
from service.person.model import Registration, Source
from tests.support.app import a_context
from tests.support.clock import FakeClock
from tests.support.identity_rig import CIPHER, PAGES

BY = Decided("chief", "hired")
RING = KeyRing.generate_for_development(FakeClock().now())
"""One for all tests of a module: they share a database."""


def code_at(factor: str, seconds: int) -> str:
    """What an authenticator app shows for an ``otpauth`` address: RFC 6238, by hand."""
    secret = base64.b32decode(parse_qs(urlsplit(factor).query)["secret"][0])
    digest = hmac.new(secret, (seconds // 30).to_bytes(8), hashlib.sha1).digest()
    place = digest[-1] & 15
    number = int.from_bytes(digest[place : place + 4]) & 0x7FFFFFFF
    return f"{number % 1_000_000:06d}"


class Desk:
    """One operator at one browser."""

    def __init__(self, rig: "ConsoleRig", name: str, secrets: Enrolled) -> None:
        self.rig = rig
        self.name = name
        self.secrets = secrets
        self.cookie = ""
        self.forgery_token = ""

    def code(self, ahead_s: int = 0) -> str:
        """The second factor's code now, or at another time."""
        return code_at(self.secrets.factor, int(self.rig.clock.now().timestamp()) + ahead_s)

    async def try_in(self, *, password: str = "", code: str = "") -> httpx.Response:
        """One try to sign in; what is not given is right."""
        body = {
            "name": self.name,
            "password": password or self.secrets.password,
            "code": code or self.code(),
        }
        answer = await self.rig.client.post("/v1/console/sign-in", json=body)
        if answer.status_code == 200:
            self.cookie = answer.cookies[COOKIE]
            self.forgery_token = answer.json()["forgery_token"]
        self.rig.client.cookies.clear()
        return answer

    async def sign_in(self) -> "Desk":
        answer = await self.try_in()
        assert answer.status_code == 200, answer.text
        return self

    async def act(self, path: str, body: object, key: str = "") -> httpx.Response:
        """A changing request under a key of its own."""
        return await self.ask("POST", path, body, idempotency_key=key or os.urandom(8).hex())

    async def ask(
        self, method: str, path: str, body: object = None, **headers: str
    ) -> httpx.Response:
        """As the page asks; ``headers`` come over its own."""
        content = None if body is None else msgspec.json.encode(body)
        more = {name.replace("_", "-"): text for name, text in headers.items()}
        return await self.send(method, path, content, more)

    async def send(
        self, method: str, path: str, content: bytes | None, more: dict[str, str] | None = None
    ) -> httpx.Response:
        """A body as it is, and headers that come over the page's own."""
        own = {
            "content-type": "application/json",
            "cookie": f"{COOKIE}={self.cookie}",
            FORGERY_HEADER: self.forgery_token,
        }
        answer = await self.rig.client.request(
            method, path, content=content, headers=own | (more or {})
        )
        self.rig.client.cookies.clear()
        return answer

    async def read(self, path: str) -> dict[str, object]:
        answer = await self.ask("GET", path)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def refused(self, method: str, path: str, body: object = None, **headers: str) -> str:
        """The code of the problem."""
        answer = await self.ask(method, path, body, **headers)
        assert answer.headers["content-type"] == "application/problem+json", answer.text
        return str(answer.json()["code"])


class ConsoleRig:
    """A system whose console is open; made by ``a_console``."""

    def __init__(self, ctx: Context, client: httpx.AsyncClient, dsn: str = "") -> None:
        self.ctx = ctx
        self.dsn = dsn
        self.client = client

    @property
    def clock(self) -> FakeClock:
        assert isinstance(self.ctx.clock, FakeClock)
        return self.ctx.clock

    async def hire(self, name: str, *roles: Role) -> Desk:
        return Desk(self, name, await enrolling.add_operator(self.ctx, name, roles, BY))


@asynccontextmanager
async def a_console(dsn: str) -> AsyncIterator[ConsoleRig]:
    """The whole application over a test database, reached by TLS as far as a client can tell."""
    async with a_context(dsn, ring=RING) as ctx:
        transport = httpx.ASGITransport(app=create_app(ctx, CIPHER, PAGES))
        address = "https://yimatong.test"
        async with httpx.AsyncClient(transport=transport, base_url=address) as client:
            yield ConsoleRig(ctx, client, dsn)


HOME = {
    "birth_date": "2020-05-17",
    "sex": "F",
    "phone": "13912345678",
    "address": "测试市某路一号",
    "guardian_name": "欧阳测试",
}
"""What twins have in common."""


async def register_child(ctx: Context, name: str, **said: str) -> str:
    """A child without a number, registered at a window; gives the record's public id."""
    given = Registration(
        source=Source.WINDOW, institution_id=None, name=name, id_type="01", id_no=None, phone=None
    )
    done = await person.register(ctx, msgspec.structs.replace(given, **(HOME | said)))
    return ctx.public_ids.text(done.record_id, done.record_id)


async def register_twins(ctx: Context, family: str = "欧阳", **said: str) -> tuple[str, str]:
    """Two children of one home and day whose names a slip of the pen could have parted: the index
    asks whether they are one."""
    names = (f"{family}春晓", f"{family}秋晓")
    one, other = [await register_child(ctx, name, **said) for name in names]
    return one, other
