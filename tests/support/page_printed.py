"""Printed codes of the pages' stand-in, by the HTTP contract, with real keys and signatures."""

import secrets
from datetime import timedelta
from typing import Any

from litestar import Request, delete, get, post
from litestar.params import FromPath, JSONBody

from crypto.healthcode.index import Index
from crypto.healthcode.issue import Issuer, PrintedRequest, issue_printed
from crypto.healthcode.layout import Kind
from crypto.sm2 import PrivateKey
from service.healthcode.problems import PrintedLimitReached
from service.healthcode.symbols import Correction, draw
from tests.support.page_world import Json, World, wire_time

PRINTED_KEY_ID = 0x6303
LIMIT = 10


class PrintingDesk:
    """Who has which code on paper. ``withdrawn`` are their ids."""

    def __init__(self, world: World) -> None:
        self.clock = world.clock
        self.issuer = Issuer(
            kind=Kind.PRINTED,
            key_id=PRINTED_KEY_ID,
            signer=PrivateKey.generate(),
            index_root=secrets.token_bytes(32),
        )
        self.printed: dict[str, Json] = {}
        self.withdrawn: list[str] = []

    def of(self, subject: str) -> list[Json]:
        """The person's, newest first."""
        found = [one for one in self.printed.values() if one["subject"] == subject]
        return [{k: v for k, v in one.items() if k != "subject"} for one in reversed(found)]

    def make(self, subject: str, life_days: int) -> Json:
        """A code for paper; only its dates are kept."""
        if sum(one["state"] == "LIVE" for one in self.of(subject)) >= LIMIT:
            raise PrintedLimitReached
        now = self.clock.now()
        index = Index(record_id=secrets.token_bytes(8), card=1, epoch=0)
        request = PrintedRequest(index=index, code_class=0, life_days=life_days)
        text = issue_printed(self.issuer, request, now).text
        row = {
            "printed_code_id": "R" + secrets.token_hex(10).upper(),
            "issued_at": wire_time(now),
            "expires_at": wire_time(now + timedelta(days=life_days)),
        }
        self.printed[row["printed_code_id"]] = {"subject": subject, "state": "LIVE", **row}
        return {"text": text, "svg": draw(text, Correction.Q), **row}

    def withdraw(self, printed_code_id: str) -> None:
        """It identifies nobody any more."""
        self.printed[printed_code_id]["state"] = "REVOKED"
        self.withdrawn.append(printed_code_id)


def printed_handlers(world: World, desk: PrintingDesk) -> list[Any]:
    """``/v1/me/printed-codes``."""

    def whose(request: Request[Any, Any, Any]) -> str:
        return world.subject(request.headers.get("authorization", ""))

    @post("/v1/me/printed-codes", status_code=201, sync_to_thread=False)
    def make(request: Request[Any, Any, Any], data: JSONBody[dict[str, Any]]) -> Json:
        return desk.make(whose(request), data.get("life_days", 730))

    @get("/v1/me/printed-codes", sync_to_thread=False)
    def listed(request: Request[Any, Any, Any]) -> Json:
        return {"printed_codes": desk.of(whose(request))}

    @delete("/v1/me/printed-codes/{printed_code_id:str}", status_code=204, sync_to_thread=False)
    def withdraw(request: Request[Any, Any, Any], printed_code_id: FromPath[str]) -> None:
        whose(request)
        desk.withdraw(printed_code_id)

    return [make, listed, withdraw]
