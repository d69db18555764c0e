"""A phone that signs its own codes, as a client of the published calls."""

from datetime import datetime
from typing import Any

import httpx

from crypto.healthcode.issue import Moment, show_bound
from crypto.healthcode.layout import Purpose, enrol_message
from crypto.sm2 import PrivateKey
from service.kernel.clock import Clock
from tests.support.identity_rig import Phone


class BoundPhone:
    """Holds a key and its credential; ``requests`` counts what it asked of the server."""

    def __init__(self, owner: Phone, clock: Clock) -> None:
        self.owner = owner
        self.clock = clock
        self.key = PrivateKey.generate()
        self.credential = b""
        self.code_id = ""
        self.phone_id: str | None = None
        self.renew_after: datetime | None = None
        self.next: dict[str, str] | None = None
        self.requests = 0

    async def ask(self, path: str, body: object) -> httpx.Response:
        self.requests += 1
        return await self.owner.ask("POST", path, body)

    async def challenge(self) -> dict[str, str]:
        answer = await self.ask("/v1/me/phones/challenge", {})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def body(self, challenge: dict[str, str], key: PrivateKey, **changes: Any) -> dict[str, Any]:
        """The request that enrols ``key``, with what the test changes in it."""
        holder_key = key.public.compressed()
        message = enrol_message(
            bytes.fromhex(challenge["challenge"]), bytes.fromhex(challenge["account"]), holder_key
        )
        body = {
            "challenge": challenge["challenge"],
            "holder_key": holder_key.hex(),
            "proof": key.sign(message).hex(),
        }
        if self.phone_id is not None:
            body["phone_id"] = self.phone_id
        return body | changes

    async def try_enrol(self, **changes: Any) -> httpx.Response:
        """Enrol or renew with a new key; the answer may be a problem."""
        fresh = PrivateKey.generate()
        challenge = self.next or await self.challenge()
        body = self.body(challenge, fresh, **changes)
        answer = await self.ask("/v1/me/phones", body)
        if answer.status_code == 201:
            self.take(answer, fresh)
        return answer

    def take(self, answer: httpx.Response, key: PrivateKey) -> None:
        """Keep what an answer gave."""
        given = answer.json()
        self.key, self.credential = key, bytes.fromhex(given["credential"])
        self.code_id, self.phone_id = given["code_id"], given["phone_id"]
        self.next = given["next"]
        self.renew_after = datetime.fromisoformat(given["renew_after"])

    async def enrol(self, **changes: Any) -> dict[str, Any]:
        answer = await self.try_enrol(**changes)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def show(
        self, purpose: Purpose = Purpose.IDENTIFY, *, seq: int = 0, context: bytes | None = None
    ) -> str:
        moment = Moment(at=self.clock.now(), seq=seq, purpose=purpose, context=context)
        return show_bound(self.credential, self.key, moment).text
