"""Phones of the pages' stand-in: enrolment by the HTTP contract, with real keys and signatures.

The issuer is made at start; ``trust_list`` is what a reader without a network would hold.
"""

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

from litestar import Request, Response, delete, get, post
from litestar.params import FromPath, JSONBody

from crypto.healthcode.context import Offer
from crypto.healthcode.index import Index
from crypto.healthcode.issue import CredentialRequest, Issuer, issue_credential
from crypto.healthcode.layout import Kind, Purpose, code_id, enrol_message, parse
from crypto.healthcode.offer import Till, make_offer, make_till_certificate
from crypto.healthcode.revocation import ListScope, make_full, sign_revocation_list
from crypto.healthcode.trust import TrustedKey, TrustList, Use, sign_trust_list
from crypto.healthcode.trustfile import write_trust_file
from crypto.sm2 import PrivateKey, PublicKey
from crypto.sm3 import sm3
from service.healthcode.problems import PhoneLimitReached, PhoneRevoked
from service.kernel.clock import Clock
from service.kernel.problems import IdempotencyKeyMissing, MalformedRequest, NotFound
from tests.support.page_world import Json, World, wire_time

LIFE_MIN = 2880
LIMIT = 5
KEY_ID, LISTER_ID, VOUCHER_ID = 0x6301, 0x6305, 0x6306
_NO_MOMENT = bytes(70)


class PhoneDesk:
    """Who enrolled which phone. ``requests`` counts what phones asked."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.issuer = Issuer(
            kind=Kind.BOUND,
            key_id=KEY_ID,
            signer=PrivateKey.generate(),
            index_root=secrets.token_bytes(32),
        )
        self.root, self.voucher = PrivateKey.generate(), PrivateKey.generate()
        self.lister = PrivateKey.generate()
        self.till_key = PrivateKey.generate()
        self.till = Till(
            institution=b"H99000100001".ljust(18, b"\0"),
            terminal=b"TERM0001",
            public=self.till_key.public,
            name="青禾市第一人民医院 收费处",
        )
        self.phones: dict[str, Json] = {}
        self.holders: dict[bytes, str] = {}
        """Key of each credential -> whose it is."""
        self.requests: list[str] = []
        self.refuses = False

    def trust_list(self) -> TrustList:
        """What a reader holds."""
        now = self.clock.now()
        keys = [
            self._trusted(KEY_ID, self.issuer.signer.public, Use.BOUND),
            self._trusted(LISTER_ID, self.lister.public, Use.REVOCATION_LIST),
            self._trusted(VOUCHER_ID, self.voucher.public, Use.TILL),
        ]
        made = now - timedelta(hours=1)
        return TrustList.of(sequence=1, made_at=made, next_at=now + timedelta(days=9), keys=keys)

    def _trusted(self, key_id: int, public: PublicKey, use: Use) -> TrustedKey:
        now = self.clock.now()
        return TrustedKey(
            key_id=key_id,
            public=public,
            uses=frozenset({use}),
            classes=frozenset(),
            sign_from=now - timedelta(days=1),
            sign_until=now + timedelta(days=30),
            verify_until=now + timedelta(days=40),
        )

    def trust_file(self) -> str:
        """What ``/v1/lists/trust`` gives."""
        return write_trust_file(sign_trust_list(self.trust_list(), self.root), [self.root.public])

    def revocation_list(self) -> bytes:
        """What a reader fetched a moment ago: nobody of the province is on it."""
        now = self.clock.now()
        made = make_full(
            scope=ListScope.BOUND,
            code_class=0,
            sequence=1,
            made_at=now,
            next_at=now + timedelta(minutes=10),
            code_ids=[],
            innocent=[],
        )
        return sign_revocation_list(made, LISTER_ID, self.lister)

    def offer(self, amount_fen: int, *, till_key: PrivateKey | None = None) -> tuple[Offer, str]:
        """An offer to pay, and its text; ``till_key`` may be a thief's."""
        now = self.clock.now()
        key = till_key or self.till_key
        till = Till(
            institution=self.till.institution,
            terminal=self.till.terminal,
            public=key.public,
            name=self.till.name,
        )
        certificate = make_till_certificate(
            till,
            key_id=VOUCHER_ID,
            signer=self.voucher if till_key is None else till_key,
            issued_at=now - timedelta(hours=1),
            valid_until=now + timedelta(days=1),
        )
        offer = Offer(
            purpose=Purpose.PAY,
            institution=till.institution,
            terminal=till.terminal,
            challenge=secrets.token_bytes(16),
            bill_id=secrets.token_bytes(16),
            amount_fen=amount_fen,
        )
        return offer, make_offer(offer, certificate, key, now)

    def challenge(self, subject: str) -> Json:
        """Anybody's, for 96 hours; the stand-in remembers none."""
        now = self.clock.now()
        return {
            "challenge": secrets.token_hex(32),
            "account": sm3(subject.encode())[:16].hex(),
            "entropy": secrets.token_hex(32),
            "expires_at": wire_time(now + timedelta(hours=96)),
            "server_time": wire_time(now),
        }

    def enrol(self, subject: str, body: Json) -> Json:
        """A credential for a proved key."""
        holder_key = PublicKey.from_bytes(bytes.fromhex(body["holder_key"]), allow_compressed=True)
        account = sm3(subject.encode())[:16]
        challenge = bytes.fromhex(body["challenge"])
        message = enrol_message(challenge, account, holder_key.compressed())
        if self.refuses or not holder_key.verify(message, bytes.fromhex(body["proof"])):
            raise MalformedRequest
        phone_id = body.get("phone_id") or "H" + secrets.token_hex(8)
        known = self.phones.get(phone_id)
        if known is not None and known["subject"] != subject:
            raise NotFound
        if known is not None and known["state"] != "ACTIVE":
            raise PhoneRevoked
        if known is None and sum(one["state"] == "ACTIVE" for one in self.of(subject)) >= LIMIT:
            raise PhoneLimitReached
        now = self.clock.now()
        index = Index(record_id=secrets.token_bytes(8), card=1, epoch=0)
        request = CredentialRequest(
            index=index, code_class=0, holder_key=holder_key, life_min=LIFE_MIN
        )
        credential = issue_credential(self.issuer, request, now)
        self.holders[holder_key.compressed()] = subject
        head = parse(credential + _NO_MOMENT)
        life = timedelta(minutes=LIFE_MIN)
        issued = datetime.fromtimestamp(head.head.issued, UTC)
        self.phones[phone_id] = {
            "subject": subject,
            "phone_id": phone_id,
            "label": body.get("label"),
            "enrolled_at": (known or {}).get("enrolled_at", wire_time(now)),
            "renewed_at": wire_time(now),
            "expires_at": wire_time(issued + life),
            "state": "ACTIVE",
        }
        return {
            "phone_id": phone_id,
            "credential": credential.hex(),
            "code_id": code_id(head).hex(),
            "issued_at": wire_time(issued),
            "expires_at": wire_time(issued + life),
            "renew_after": wire_time(issued + life / 2),
            "server_time": wire_time(now),
            "next": self.challenge(subject),
        }

    def of(self, subject: str) -> list[Json]:
        """The person's phones, newest first."""
        found = [phone for phone in self.phones.values() if phone["subject"] == subject]
        return [{k: v for k, v in phone.items() if k != "subject"} for phone in reversed(found)]

    def revoke(self, subject: str, phone_id: str | None = None) -> None:
        """One phone, or all."""
        for phone in self.phones.values():
            if phone["subject"] == subject and phone_id in (None, phone["phone_id"]):
                phone["state"] = "REVOKED"


def phone_handlers(world: World, desk: PhoneDesk) -> list[Any]:
    """``/v1/me/phones``."""

    def whose(request: Request[Any, Any, Any]) -> str:
        desk.requests.append(f"{request.method} {request.url.path}")
        return world.subject(request.headers.get("authorization", ""))

    @post("/v1/me/phones/challenge", status_code=200, sync_to_thread=False)
    def challenge(request: Request[Any, Any, Any], data: JSONBody[dict[str, Any]]) -> Json:
        return desk.challenge(whose(request))

    @post("/v1/me/phones", status_code=201, sync_to_thread=False)
    def enrol(request: Request[Any, Any, Any], data: JSONBody[dict[str, Any]]) -> Json:
        subject, key = whose(request), request.headers.get("idempotency-key")
        if not key:
            raise IdempotencyKeyMissing
        if key not in world.kept:
            world.kept[key] = desk.enrol(subject, data)
        return world.kept[key]

    @get("/v1/me/phones", sync_to_thread=False)
    def listed(request: Request[Any, Any, Any]) -> Json:
        return {"phones": desk.of(whose(request))}

    @delete("/v1/me/phones/{phone_id:str}", status_code=204, sync_to_thread=False)
    def revoke(request: Request[Any, Any, Any], phone_id: FromPath[str]) -> None:
        desk.revoke(whose(request), phone_id)

    @delete("/v1/me/phones", status_code=204, sync_to_thread=False)
    def revoke_all(request: Request[Any, Any, Any]) -> None:
        desk.revoke(whose(request))
        world.stop_others(request.headers.get("authorization", ""))

    @get("/v1/lists/trust", sync_to_thread=False)
    def trust() -> Response[bytes]:
        return Response(desk.trust_file().encode(), media_type="application/json")

    return [challenge, enrol, listed, revoke, revoke_all, trust]
