"""The issuer keys of all kinds, and what goes into an issued code. The one way to a signature."""

from datetime import datetime
from functools import lru_cache

from crypto.healthcode.index import Index
from crypto.healthcode.issue import Issuer
from crypto.healthcode.layout import Kind
from crypto.keyring import KeyKind
from crypto.sm2 import PrivateKey
from service.healthcode.model import CodeCard
from service.kernel.context import Context
from service.kernel.problems import InvariantBroken

CODE_CLASS = 0
"""One class for the whole province."""
_RING_KIND = {
    Kind.BOUND: KeyKind.ISSUER_BOUND,
    Kind.ONCE: KeyKind.ISSUER_ONCE,
    Kind.PRINTED: KeyKind.ISSUER_PRINTED,
}


def issuer(ctx: Context, kind: Kind, now: datetime) -> Issuer:
    """The present issuer of a kind. Raises ``BadKey`` when the ring has none that may sign."""
    key = ctx.ring.current(_RING_KIND[kind], now)
    if key.code_key_id is None:
        raise InvariantBroken("an issuer key has a key id")
    root = ctx.ring.current(KeyKind.INDEX_ROOT, now)
    return _issuer(kind, key.code_key_id, key.material, root.material)


def index_of(card: CodeCard) -> Index:
    """What a code of this card says to the platform alone."""
    return Index(record_id=card.record_id.to_bytes(8), card=card.card, epoch=card.epoch)


@lru_cache(maxsize=16)
def _issuer(kind: Kind, key_id: int, material: bytes, index_root: bytes) -> Issuer:
    """Kept by key material and nothing else; importing a key costs as much as a signature."""
    return Issuer(
        kind=kind, key_id=key_id, signer=PrivateKey.from_bytes(material), index_root=index_root
    )
