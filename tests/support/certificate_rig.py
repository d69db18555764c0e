"""One hospital whose application comes by certificate, and what its callers do over HTTP."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec

from crypto.certificates import make_name, make_request, read_crl
from crypto.keyring import KeyRing
from crypto.sm2 import PrivateKey
from service.app import create_app
from service.institution import actions as institution
from service.institution import certificates
from service.institution.model import HeldCertificate, Institution
from service.kernel.context import Context
from service.kernel.outside_roots import OutsideRoots
from tests.support.app import a_client, a_context
from tests.support.callers import ApplicationCaller
from tests.support.clock import FakeClock
from tests.support.database import DatabaseServer
from tests.support.identity_rig import CIPHER, PAGES, IdentityRig
from tests.support.rings import RingInHand
from tests.unit.crypto.certificate_parts import NOW

TARGET = "/v1/institution/certificates"


class Rig(IdentityRig):
    """One hospital; its application may come by certificate."""

    def __init__(self, ctx: Context, client: httpx.AsyncClient, dsn: str) -> None:
        self.ctx = ctx
        self.dsn = dsn
        self.client = client
        self.hospital: Institution
        self.hand: RingInHand

    def caller(self, held: HeldCertificate, key: PrivateKey) -> ApplicationCaller:
        caller_id = self.ctx.public_ids.text(held.institution_id, held.holder_id)
        platform = institution.platform_key(self.ctx)
        return ApplicationCaller(self.client, self.clock, caller_id, key, platform)

    async def certified(self) -> tuple[ApplicationCaller, HeldCertificate]:
        """An application that was enrolled by its request."""
        key = PrivateKey.generate()
        held = await certificates.enrol_application(
            self.ctx,
            self.hospital.institution_id,
            name="测试系统",
            scopes=frozenset({"bill"}),
            wish=certificates.Wish(csr=make_request(make_name("any"), key)),
        )
        return self.caller(held, key), held


@asynccontextmanager
async def certificate_rig(
    postgres: DatabaseServer, migrated: str, roots: Path
) -> AsyncIterator[Rig]:
    """A database of its own: there is one authority in each. ``roots``: the outside ones."""
    hand = RingInHand(KeyRing.generate_for_development(NOW))
    async with (
        postgres.database(migrated) as dsn,
        a_context(dsn, clock=FakeClock(NOW), ring=hand.live()) as bare,
    ):
        ctx = msgspec.structs.replace(bare, outside_roots=OutsideRoots(roots))
        async with a_client(create_app(ctx, CIPHER, PAGES)) as client:
            rig = Rig(ctx, client, dsn)
            rig.hand = hand
            rig.hospital = await rig.enrol("H99000100001")
            yield rig


async def renewed(
    his: ApplicationCaller, key: PrivateKey, *, by: PrivateKey | None = None, **body: str
) -> httpx.Response:
    """Ask for a certificate of ``key``."""
    wish = body or {"csr": make_request(make_name("any"), by or key)}
    return await his.send("POST", TARGET, wish, key=secrets.token_hex(8))


async def works(his: ApplicationCaller) -> bool:
    """Whether a signed request is answered."""
    answer = await his.send("GET", TARGET)
    assert answer.status_code in (200, 401), answer.text
    return answer.status_code == 200


def refused(answer: httpx.Response, status: int, code: str, word: str = "") -> None:
    body = answer.json()
    assert (answer.status_code, body["code"]) == (status, code), body
    assert word in body.get("detail", "")


async def crl_of(rig: Rig) -> Any:
    answer = await rig.client.get("/v1/lists/certificates.crl")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/pkix-crl"
    return read_crl(answer.content)
