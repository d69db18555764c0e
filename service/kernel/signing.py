"""Signatures under the ring's keys, wherever their private halves are.

Where the ring holds a private key, it signs here. Where it holds the public half alone, the signer
is asked, with no transaction open, and what it answers is verified before anything leaves.
"""

from collections.abc import Callable
from typing import NoReturn, TypeVar

from crypto.keyring import Key
from crypto.signer import SignerUnavailable as SignerAway
from crypto.signer import UnknownKey, name_of, public_key_of, signing_key
from crypto.signing import Signer
from crypto.sm2 import PublicKey
from integrations.ports.outcalls import transaction_open
from service.kernel.context import Context
from service.kernel.logs import get_logger
from service.kernel.problems import InvariantBroken, SignerUnavailable

RETRY_AFTER_S = 1
T = TypeVar("T")

_log = get_logger("signing")


async def sign_digest(ctx: Context, key: Key, digest: bytes) -> bytes:
    """64 bytes, not verified yet. Raises ``SignerUnavailable``."""
    if transaction_open.get():
        raise InvariantBroken("a signer is asked with no transaction open")
    try:
        return await ctx.signer.sign_digest(name_of(key), digest)
    except SignerAway as fault:
        note(ctx, type(fault).__name__)
        raise SignerUnavailable(retry_after_s=RETRY_AFTER_S) from None
    except UnknownKey:
        # Right after a rotation it may still be reading its file; lasting, a person must look.
        note(ctx, "UnknownKey")
        ctx.metrics.alarms.labels("signer-key-unknown").inc()
        _log.error("signer.key_unknown", key=name_of(key))
        raise SignerUnavailable(retry_after_s=RETRY_AFTER_S) from None


async def sign_message(ctx: Context, key: Key, message: bytes) -> bytes:
    """64 bytes over the message, under the default user id. Raises ``SignerUnavailable``."""
    if not key.is_public_half:
        return signing_key(key).sign(message)
    public = public_key_of(key)
    signature = await sign_digest(ctx, key, public.digest(message))
    if not public.verify(message, signature):
        refuse(ctx, key)
    note(ctx, "Signed")
    return signature


async def sign_with(ctx: Context, key: Key, make: Callable[[Signer], T]) -> T:
    """What ``make`` makes with a signer that it asks once. Raises ``SignerUnavailable``.

    With the private key elsewhere ``make`` runs twice, so it must be quick and make the same each
    time: once to learn what is to be signed, and again with the signature.
    """
    if not key.is_public_half:
        return make(signing_key(key))
    public = public_key_of(key)
    try:
        make(_Listening(public))
    except _Heard as heard:
        message = heard.message
    else:
        raise InvariantBroken("nothing was to be signed")
    return make(_Signed(public, message, await sign_message(ctx, key, message)))


def refuse(ctx: Context, key: Key) -> NoReturn:
    """The signer's answer does not verify: an alarm, and ``SignerUnavailable``."""
    note(ctx, "WrongSignature")
    ctx.metrics.alarms.labels("signer-wrong-signature").inc()
    _log.error("signer.wrong_signature", key=name_of(key))
    raise SignerUnavailable(retry_after_s=RETRY_AFTER_S)


def note(ctx: Context, outcome: str) -> None:
    """Count how a question to the signer ended."""
    ctx.metrics.outcomes.labels("signer", "sign", outcome).inc()


class _Heard(Exception):
    def __init__(self, message: bytes) -> None:
        super().__init__()
        self.message = message


class _Listening:
    """A ``Signer`` that only tells what it was asked to sign."""

    def __init__(self, public: PublicKey) -> None:
        self.public = public

    def sign(self, message: bytes) -> bytes:
        raise _Heard(message)


class _Signed:
    """A ``Signer`` of one message."""

    def __init__(self, public: PublicKey, message: bytes, signature: bytes) -> None:
        self.public = public
        self._message = message
        self._signature = signature

    def sign(self, message: bytes) -> bytes:
        if message != self._message:
            raise InvariantBroken("another message than before was to be signed")
        return self._signature
