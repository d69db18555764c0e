"""Till certificates: for a terminal that shows offers, so that phones know whom they approve."""

from datetime import timedelta
from functools import partial

from crypto.errors import BadEncoding, CryptoError
from crypto.healthcode.offer import NAME_MAX, Till, make_till_certificate
from crypto.keyring import KeyKind
from crypto.sm2 import PublicKey
from service.audit.actions import append
from service.audit.model import AuditEntry
from service.healthcode.model_lists import TillCertified
from service.healthcode.problems import TillKeyInvalid
from service.healthcode.rules_lists import till_place
from service.institution import actions as institution
from service.kernel.context import Context
from service.kernel.database import connection, transaction
from service.kernel.principals import Terminal
from service.kernel.problems import InvariantBroken
from service.kernel.signing import sign_with

CERTIFICATE_LIFE = timedelta(days=30)


async def certify_till(ctx: Context, terminal: Terminal, public_key: bytes) -> TillCertified:
    """A certificate for this terminal's till key (33 bytes), with its hospital's name.

    Raises ``TillKeyInvalid``, ``SignerUnavailable``. The name is cut to what a certificate holds.
    """
    try:
        public = PublicKey.from_bytes(public_key, allow_compressed=True)
    except CryptoError:
        raise TillKeyInvalid from None
    hospital = await institution.get_institution(ctx, terminal.institution_id)
    now = ctx.clock.now().replace(microsecond=0)
    institution_bytes, terminal_bytes = till_place(hospital.code, terminal.terminal_id)
    till = Till(
        institution=institution_bytes,
        terminal=terminal_bytes,
        public=public,
        name=_cut(hospital.name),
    )
    key = ctx.ring.current(KeyKind.TILL, now)
    if key.code_key_id is None:
        raise InvariantBroken("a till key has a key id")
    valid_until = now + CERTIFICATE_LIFE
    make = partial(
        make_till_certificate,
        till,
        key_id=key.code_key_id,
        issued_at=now,
        valid_until=valid_until,
    )
    try:
        certificate = await sign_with(ctx, key, lambda signer: make(signer=signer))
    except BadEncoding:
        raise InvariantBroken("the hospital's name cannot stand in a certificate") from None
    async with connection(ctx.pool) as conn:
        await ctx.sealer.platform_key(conn, now)
    async with transaction(ctx.pool) as conn:
        await append(
            conn,
            ctx,
            AuditEntry(
                record_id=0,
                action="till.certified",
                actor_kind="terminal",
                actor_id=terminal.terminal_id,
                institution_id=terminal.institution_id,
                facts={
                    "key_id": key.code_key_id,
                    "till_key": public.compressed().hex(),
                    "valid_until": valid_until.isoformat(),
                },
            ),
        )
    return TillCertified(certificate=certificate, valid_until=valid_until)


def _cut(name: str) -> str:
    """The longest beginning of a name that fits, in whole characters."""
    return name.encode()[:NAME_MAX].decode("utf-8", "ignore")
