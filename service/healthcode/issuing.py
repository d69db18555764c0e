"""The issuer keys of all kinds, and what goes into an issued code. The one way to a signature.

The signer may be another process: it is asked with no transaction open, and what it answers is
verified under the ring's own public key before anything leaves.
"""

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import TypeVar

from crypto.errors import BadSignature
from crypto.healthcode.index import Index
from crypto.healthcode.issue import (
    IssuedCode,
    IssuingKey,
    PreparedCode,
    finish,
    finish_credential,
)
from crypto.healthcode.layout import Kind
from crypto.keyring import KeyKind
from crypto.signer import SignerUnavailable as SignerAway
from crypto.signer import UnknownKey, name_of
from crypto.sm2 import PrivateKey, PublicKey
from integrations.ports.outcalls import transaction_open
from service.healthcode.model import CodeCard
from service.healthcode.problems import SignerUnavailable
from service.kernel.context import Context
from service.kernel.logs import get_logger
from service.kernel.problems import InvariantBroken

CODE_CLASS = 0
"""One class for the whole province."""
_RING_KIND = {
    Kind.BOUND: KeyKind.ISSUER_BOUND,
    Kind.ONCE: KeyKind.ISSUER_ONCE,
    Kind.PRINTED: KeyKind.ISSUER_PRINTED,
}


RETRY_AFTER_S = 1
T = TypeVar("T")

_log = get_logger("issuing")


def issuer(ctx: Context, kind: Kind, now: datetime) -> IssuingKey:
    """The present issuer of a kind. Raises ``BadKey`` when the ring has none that may sign."""
    key = ctx.ring.current(_RING_KIND[kind], now)
    if key.code_key_id is None:
        raise InvariantBroken("an issuer key has a key id")
    root = ctx.ring.current(KeyKind.INDEX_ROOT, now)
    return IssuingKey(
        kind=kind,
        key_id=key.code_key_id,
        public=_public_key(key.material),
        index_root=root.material,
    )


def index_of(card: CodeCard) -> Index:
    """What a code of this card says to the platform alone."""
    return Index(record_id=card.record_id.to_bytes(8), card=card.card, epoch=card.epoch)


async def sign_code(ctx: Context, prepared: PreparedCode) -> IssuedCode:
    """A one-time or printed code, signed and verified. Raises ``SignerUnavailable``."""
    return _verified(ctx, prepared, await _signature(ctx, prepared), finish)


async def sign_credential(ctx: Context, prepared: PreparedCode) -> bytes:
    """A phone's credential, signed and verified. Raises ``SignerUnavailable``."""
    return _verified(ctx, prepared, await _signature(ctx, prepared), finish_credential)


async def _signature(ctx: Context, prepared: PreparedCode) -> bytes:
    if transaction_open.get():
        raise InvariantBroken("a signer is asked with no transaction open")
    key_name = name_of(ctx.ring.by_code_key_id(prepared.code.head.key_id))
    try:
        return await ctx.signer.sign_digest(key_name, prepared.digest)
    except SignerAway as fault:
        _note(ctx, type(fault).__name__)
        raise SignerUnavailable(retry_after_s=RETRY_AFTER_S) from None
    except UnknownKey:
        # Right after a rotation it may still be reading its file; lasting, a person must look.
        _note(ctx, "UnknownKey")
        ctx.metrics.alarms.labels("signer-key-unknown").inc()
        _log.error("signer.key_unknown", key=key_name)
        raise SignerUnavailable(retry_after_s=RETRY_AFTER_S) from None


def _verified(
    ctx: Context,
    prepared: PreparedCode,
    signature: bytes,
    finished: Callable[[PreparedCode, bytes], T],
) -> T:
    try:
        code = finished(prepared, signature)
    except BadSignature:
        _note(ctx, "WrongSignature")
        ctx.metrics.alarms.labels("signer-wrong-signature").inc()
        _log.error("signer.wrong_signature", key_id=prepared.code.head.key_id)
        raise SignerUnavailable(retry_after_s=RETRY_AFTER_S) from None
    _note(ctx, "Signed")
    return code


def _note(ctx: Context, outcome: str) -> None:
    ctx.metrics.outcomes.labels("signer", "sign", outcome).inc()


@lru_cache(maxsize=16)
def _public_key(material: bytes) -> PublicKey:
    """Kept by key material and nothing else; deriving it costs as much as a signature."""
    return PrivateKey.from_bytes(material).public
