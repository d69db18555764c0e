"""The demo's phone with a key of its own: it shows a code with no network, and a reader that has
nothing but fetched lists believes it."""

import secrets
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from crypto.healthcode.holder import Holder, clock_offset_s, enrol_proof
from crypto.healthcode.layout import Purpose
from crypto.healthcode.revocation import RevocationDelta, open_revocation_list
from crypto.healthcode.revocation_set import RevocationSet
from crypto.healthcode.trust import TrustList, open_trust_list
from crypto.healthcode.trustfile import read_roots, split_trust_file
from crypto.healthcode.verify import CodeVerifier, Reader
from crypto.sm2 import PrivateKey
from service.kernel.clock import SystemClock
from service.sandbox.speaker import Speaker, StepWrong, until

LIST = "/v1/lists/revoked/bound/0"


class OwnPhone:
    """``trust_roots``: the file that pins the roots, got by another way than the served list."""

    def __init__(self, client: httpx.AsyncClient, trust_roots: Path) -> None:
        self._client = client
        self._trust_roots = trust_roots
        self._clock = SystemClock()
        self._holder: Holder | None = None
        self._text = ""
        self._shown_at = self._clock.now()

    async def enrol(self, resident: Speaker) -> str:
        """A new key, proved, gets a credential; the clock is set by the answer."""
        given = await resident.ask("POST", "/v1/me/phones/challenge", {})
        key = PrivateKey.generate()
        proof = enrol_proof(key, bytes.fromhex(given["challenge"]), bytes.fromhex(given["account"]))
        body = {
            "challenge": given["challenge"],
            "holder_key": key.public.compressed().hex(),
            "proof": proof.hex(),
            "label": "demo",
        }
        sent = self._clock.now()
        enrolled = await resident.ask("POST", "/v1/me/phones", body)
        offset = clock_offset_s(
            sent, self._clock.now(), datetime.fromisoformat(enrolled["server_time"])
        )
        self._holder = Holder(key, bytes.fromhex(enrolled["credential"]), offset)
        return f"credential until {enrolled['expires_at']}"

    async def show(self, kiosk: Speaker) -> str:
        """The phone asks nobody; the kiosk resolves what it shows."""
        if self._holder is None:
            raise StepWrong("no phone is enrolled")
        self._shown_at = self._clock.now()
        self._text = self._holder.show(self._shown_at, Purpose.IDENTIFY).issued.text
        body = {"text": self._text, "purpose": "identify"}
        scan = await kiosk.ask("POST", "/v1/terminal/scans", body, key=secrets.token_hex(8))
        if (scan["shown"], scan["level"]) != ("BOUND", "PRESENT"):
            raise StepWrong(f"the kiosk saw {scan['shown']} {scan['level']}")
        return f"{len(self._text)} characters, {scan['masked_name']} is present"

    async def verify_offline(self) -> str:
        """The very code by the fetched lists and a pinned root, and nothing else."""
        trust = await self._fetch_trust()
        seen: dict[str, Any] = {}

        async def made() -> dict[str, str]:
            seen["list"] = await self._client.get(LIST)
            return {"state": str(seen["list"].status_code)}

        await until(made, frozenset({"200"}), stuck=frozenset())
        listed = open_revocation_list(seen["list"].content, trust, self._clock.now())
        if isinstance(listed, RevocationDelta):
            raise StepWrong("the whole list was asked for")
        verdict = CodeVerifier(trust).verify(
            self._text, Reader(), self._shown_at, RevocationSet([listed])
        )
        if verdict.refusal is not None or verdict.level is None:
            raise StepWrong(f"refused: {verdict.refusal}")
        return f"{verdict.level.value}, not revoked as of {listed.made_at:%H:%M:%S} UTC"

    async def _fetch_trust(self) -> TrustList:
        roots = read_roots(self._trust_roots.read_text("ascii"))
        answer = await self._client.get("/v1/lists/trust")
        if answer.status_code != 200:
            raise StepWrong(f"/v1/lists/trust: {answer.status_code} {answer.text[:200]}")
        return open_trust_list(split_trust_file(answer.text)[1], roots)
