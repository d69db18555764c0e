"""The issuer keys of all kinds, and what goes into an issued code. The one way to a signature.

The signer may be another process: it is asked with no transaction open, and what it answers is
verified under the ring's own public key before anything leaves.
"""

from collections.abc import Callable
from datetime import datetime
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
from crypto.signer import public_key_of
from service.healthcode.model import CodeCard
from service.kernel import signing
from service.kernel.context import Context
from service.kernel.problems import InvariantBroken

CODE_CLASS = 0
"""One class for the whole province."""
_RING_KIND = {
    Kind.BOUND: KeyKind.ISSUER_BOUND,
    Kind.ONCE: KeyKind.ISSUER_ONCE,
    Kind.PRINTED: KeyKind.ISSUER_PRINTED,
}
T = TypeVar("T")


def issuer(ctx: Context, kind: Kind, now: datetime) -> IssuingKey:
    """The present issuer of a kind. Raises ``BadKey`` when the ring has none that may sign."""
    key = ctx.ring.current(_RING_KIND[kind], now)
    if key.code_key_id is None:
        raise InvariantBroken("an issuer key has a key id")
    root = ctx.ring.current(KeyKind.INDEX_ROOT, now)
    return IssuingKey(
        kind=kind,
        key_id=key.code_key_id,
        public=public_key_of(key),
        index_root=root.material,
    )


def index_of(card: CodeCard) -> Index:
    """What a code of this card says to the platform alone."""
    return Index(record_id=card.record_id.to_bytes(8), card=card.card, epoch=card.epoch)


async def sign_code(ctx: Context, prepared: PreparedCode) -> IssuedCode:
    """A one-time or printed code, signed and verified. Raises ``SignerUnavailable``."""
    return await _finished(ctx, prepared, finish)


async def sign_credential(ctx: Context, prepared: PreparedCode) -> bytes:
    """A phone's credential, signed and verified. Raises ``SignerUnavailable``."""
    return await _finished(ctx, prepared, finish_credential)


async def _finished(
    ctx: Context, prepared: PreparedCode, finished: Callable[[PreparedCode, bytes], T]
) -> T:
    key = ctx.ring.by_code_key_id(prepared.code.head.key_id)
    signature = await signing.sign_digest(ctx, key, prepared.digest)
    try:
        code = finished(prepared, signature)
    except BadSignature:
        signing.refuse(ctx, key)
    signing.note(ctx, "Signed")
    return code
