"""Phones under load: keys and proofs made before the clock starts, showings just before it does."""

import secrets
import time
from datetime import UTC, datetime

import httpx
import msgspec

from crypto.healthcode.issue import Moment, show_bound
from crypto.healthcode.layout import Purpose, enrol_message
from crypto.sm2 import PrivateKey
from loadtests.sender import http_request


class Enrolment(msgspec.Struct, kw_only=True):
    """A request that enrols a fresh key, ready to send, and the key's secret."""

    request: bytes
    secret: bytes


class Phone(msgspec.Struct, kw_only=True):
    """An enrolled phone: what it needs to show a code."""

    secret: bytes
    credential: bytes


def prepare_enrolments(base_url: str, tokens: list[str], each: int) -> list[Enrolment]:
    """``each`` fresh keys for every token's account, proofs signed; in turn over the accounts."""
    made: list[list[Enrolment]] = []
    with httpx.Client(base_url=base_url, timeout=30.0, trust_env=False) as client:
        for token in tokens:
            answer = client.post(
                "/v1/me/phones/challenge", json={}, headers={"authorization": f"Bearer {token}"}
            )
            answer.raise_for_status()
            asked = answer.json()
            challenge, account = bytes.fromhex(asked["challenge"]), bytes.fromhex(asked["account"])
            made.append([_enrolment(base_url, token, challenge, account) for _ in range(each)])
    return [one for turn in zip(*made, strict=True) for one in turn]


def printed(base_url: str, tokens: list[str]) -> list[str]:
    """A printed code for the holder of every token."""
    texts = []
    with httpx.Client(base_url=base_url, timeout=30.0, trust_env=False) as client:
        for token in tokens:
            answer = client.post(
                "/v1/me/printed-codes",
                json={"symbol": False},
                headers={"authorization": f"Bearer {token}"},
            )
            answer.raise_for_status()
            texts.append(answer.json()["text"])
    return texts


def _enrolment(base_url: str, token: str, challenge: bytes, account: bytes) -> Enrolment:
    key = PrivateKey.generate()
    holder_key = key.public.compressed()
    proof = key.sign(enrol_message(challenge, account, holder_key))
    body = msgspec.json.encode(
        {"challenge": challenge.hex(), "holder_key": holder_key.hex(), "proof": proof.hex()}
    )
    headers = [f"authorization: Bearer {token}", f"idempotency-key: {secrets.token_hex(8)}"]
    request = http_request("POST", base_url, "/v1/me/phones", headers, body)
    return Enrolment(request=request, secret=key.to_bytes())


def phones_of(enrolments: list[Enrolment], bodies: list[bytes]) -> list[Phone]:
    """The phones whose enrolment was answered with a credential, matched by holder key."""
    secrets_by_key = {
        PrivateKey.from_bytes(one.secret).public.compressed(): one.secret for one in enrolments
    }
    credentials = [bytes.fromhex(msgspec.json.decode(body)["credential"]) for body in bodies]
    return [
        Phone(secret=secrets_by_key[credential[11:44]], credential=credential)
        for credential in credentials
    ]


def show(phones: list[Phone], each: int, purpose: Purpose, *, first_seq: int = 0) -> list[str]:
    """``each`` showings of every phone at this moment, rising; in turn over the phones."""
    now = datetime.fromtimestamp(int(time.time()), UTC)
    keys = [PrivateKey.from_bytes(phone.secret) for phone in phones]
    return [
        show_bound(phone.credential, key, Moment(at=now, seq=seq, purpose=purpose)).text
        for seq in range(first_seq, first_seq + each)
        for phone, key in zip(phones, keys, strict=True)
    ]
