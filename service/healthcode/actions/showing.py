"""Show: one-time codes for clients that cannot sign."""

from datetime import datetime
from functools import lru_cache

from crypto.healthcode.index import Index
from crypto.healthcode.issue import Issuer, OnceRequest
from crypto.healthcode.issue import issue_once as sign_once
from crypto.healthcode.layout import Kind
from crypto.keyring import KeyKind
from crypto.sm2 import PrivateKey
from service.account import actions as account
from service.healthcode import cards, rules
from service.healthcode.model import IssuedOnce, ScanPurpose
from service.kernel.context import Context
from service.kernel.database import connection
from service.kernel.principals import Resident
from service.kernel.problems import InvariantBroken
from service.person import actions as person


async def issue_once(ctx: Context, resident: Resident, purpose: ScanPurpose) -> IssuedOnce:
    """A one-time code for the resident's own record; nothing of it is stored.

    Raises ``RegistrationNeeded``, ``CodeFrozen``, ``CodeNoSuchCard``.
    """
    record_id = account.own_record(resident)
    async with connection(ctx.pool) as conn:
        card = await cards.find_or_make(conn, ctx, record_id)
        owner = await person.person_of(conn, ctx, record_id)
    rules.check_card(card, card.epoch, person_frozen=owner.frozen_at is not None)
    now = ctx.clock.now()
    index = Index(record_id=record_id.to_bytes(8), card=card.card, epoch=card.epoch)
    issued = sign_once(
        _issuer(ctx, now),
        OnceRequest(
            index=index,
            code_class=0,
            purpose=rules.PURPOSES[purpose],
            life_s=ctx.policy.code_life_s,
        ),
        now,
    )
    return IssuedOnce(
        text=issued.text,
        issued_at=issued.code.head.issued_at,
        expires_at=issued.code.head.expires_at,
        life_s=ctx.policy.code_life_s,
    )


def _issuer(ctx: Context, now: datetime) -> Issuer:
    key = ctx.ring.current(KeyKind.ISSUER_ONCE, now)
    if key.code_key_id is None:
        raise InvariantBroken("an issuer key has a key id")
    return Issuer(
        kind=Kind.ONCE,
        key_id=key.code_key_id,
        signer=_private_key(key.material),
        index_root=ctx.ring.current(KeyKind.INDEX_ROOT, now).material,
    )


@lru_cache(maxsize=8)
def _private_key(material: bytes) -> PrivateKey:
    """The handle of an issuer key; importing it costs as much as a signature."""
    return PrivateKey.from_bytes(material)
