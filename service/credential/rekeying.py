"""How the rows of credentials move to newer keys: the number's hash, from the sealed number."""

import asyncpg
import msgspec

from crypto.keyring import KeyKind
from service.credential import rules
from service.credential.model import Credential, CredentialState, SealedInsurance
from service.credential.store_rekeying import (
    COUNT_NUMBERS,
    MACED,
    PAGE_CREDENTIALS,
    SWAP_NUMBER,
)
from service.kernel.context import Context
from service.kernel.database import connection
from service.kernel.problems import NotFound, RowTampered
from service.kernel.rekeying import KeyedRows, Rekeyed, belonging, swapped, version_of

FORGOTTEN = b""
"""The hash of a number whose record was forgotten: it finds nothing any more."""


async def _rekey_number(ctx: Context, row: Credential) -> Rekeyed:
    """Ends a link that stands twice, under an older and the present key: the present one stays."""
    version = version_of(row.number_hash)
    if not row.number_hash or ctx.sealer.is_current(KeyKind.BLIND_INDEX, version):
        return Rekeyed.CURRENT
    ctx.sealer.check_mac("credential", row.mac_parts(), row.row_mac)
    fresh = msgspec.structs.replace(row, number_hash=await _fresh_hash(ctx, row))
    try:
        return await _write(ctx, row, fresh)
    except asyncpg.UniqueViolationError:
        ended = CredentialState.ENDED
        return await _write(
            ctx, row, msgspec.structs.replace(fresh, state=ended, ended_at=ctx.clock.now())
        )


async def _fresh_hash(ctx: Context, row: Credential) -> bytes:
    async with connection(ctx.pool) as conn:
        try:
            key = await ctx.sealer.record_key(conn, row.record_id)
        except NotFound:
            return FORGOTTEN
    plain = ctx.sealer.open(key, "credential", "sealed", row.credential_id, row.sealed)
    person_no = msgspec.json.decode(plain, type=SealedInsurance).person_no
    if row.number_hash not in ctx.sealer.blind_all(rules.NUMBER_KIND, person_no):
        raise RowTampered("credential")
    return ctx.sealer.blind(rules.NUMBER_KIND, person_no)


async def _write(ctx: Context, was: Credential, row: Credential) -> Rekeyed:
    return await swapped(
        ctx,
        SWAP_NUMBER,
        was.record_id,
        was.credential_id,
        was.row_mac,
        row.number_hash,
        row.state,
        row.ended_at,
        ctx.sealer.row_mac("credential", row.mac_parts()),
    )


KEYED_ROWS = (
    *MACED,
    KeyedRows(
        table="credential",
        kind=KeyKind.BLIND_INDEX,
        row=Credential,
        key=("record_id", "credential_id"),
        page=PAGE_CREDENTIALS,
        count=COUNT_NUMBERS,
        rekey=_rekey_number,
        belongs=belonging(("record_id", "credential_id")),
    ),
)
