"""Whether a phone may be given a credential for a key: challenge and proof. Keeps no state.

    challenge 32   expires 4 (seconds since 1970) | random 10 | keyed SM3 18 over account and these

The account is told as 16 bytes that say nothing of it; the phone signs them with the challenge.
"""

import hmac
from datetime import UTC, datetime, timedelta

import msgspec

from crypto.errors import BadKey
from crypto.healthcode.layout import enrol_message
from crypto.sm2 import PublicKey
from service.healthcode.model import EnrolRequest
from service.healthcode.problems import (
    HolderKeyInvalid,
    PhoneChallengeExpired,
    PhoneChallengeInvalid,
    PhoneProofWrong,
)
from service.kernel.context import Context

LIFE = timedelta(hours=96)
"""Longer than any credential lives, so that each renewal's answer can carry the next one."""
_OPEN_SIZE = 14
_ENTROPY_TOKENS = 2


class Challenge(msgspec.Struct, frozen=True, kw_only=True):
    """What a phone needs to prove a new key. ``entropy`` is 32 bytes to hedge its randomness."""

    challenge: bytes
    account: bytes
    entropy: bytes
    expires_at: datetime


def new_challenge(ctx: Context, account_id: int) -> Challenge:
    """A fresh challenge for one account."""
    expires_at = (ctx.clock.now() + LIFE).replace(microsecond=0)
    opened = int(expires_at.timestamp()).to_bytes(4) + ctx.ids.token()[:10]
    return Challenge(
        challenge=opened + ctx.sealer.blind("phone challenge", _sealed_text(account_id, opened)),
        account=ctx.sealer.blind("phone account", str(account_id))[2:],
        entropy=b"".join(ctx.ids.token() for _ in range(_ENTROPY_TOKENS)),
        expires_at=expires_at,
    )


def prove(ctx: Context, account_id: int, request: EnrolRequest) -> PublicKey:
    """The holder key, proved to be held by who asks.

    Raises ``PhoneChallengeInvalid``, ``PhoneChallengeExpired``, ``HolderKeyInvalid``,
    ``PhoneProofWrong``.
    """
    account = _open_challenge(ctx, account_id, request.challenge)
    try:
        key = PublicKey.from_bytes(request.holder_key, allow_compressed=True)
    except BadKey:
        raise HolderKeyInvalid from None
    message = enrol_message(request.challenge, account, request.holder_key)
    if not key.verify(message, request.proof):
        raise PhoneProofWrong
    return key


def _open_challenge(ctx: Context, account_id: int, challenge: bytes) -> bytes:
    """The account's 16 bytes, under the key version that the challenge was made with."""
    opened, tag = challenge[:_OPEN_SIZE], challenge[_OPEN_SIZE:]
    tags = ctx.sealer.blind_all("phone challenge", _sealed_text(account_id, opened))
    accounts = ctx.sealer.blind_all("phone account", str(account_id))
    found = [
        account[2:]
        for expected, account in zip(tags, accounts, strict=True)
        if hmac.compare_digest(tag, expected)
    ]
    if not found:
        raise PhoneChallengeInvalid
    if ctx.clock.now() >= datetime.fromtimestamp(int.from_bytes(opened[:4]), UTC):
        raise PhoneChallengeExpired
    return found[0]


def _sealed_text(account_id: int, opened: bytes) -> str:
    return f"{account_id} {opened.hex()}"
