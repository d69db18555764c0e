"""How the rows of health codes move to newer keys.

The use of another owner's credential is kept under a blind key of its text, which is stored
nowhere: such a row ends with its day and is waited for.
"""

import msgspec

from crypto import blindindex
from crypto.keyring import KeyKind
from service.healthcode.store_rekeying import COUNT_USES, MACED, PAGE_USES
from service.kernel.context import Context
from service.kernel.rekeying import KeyedRows, Rekeyed, belonging, version_of


class _Use(msgspec.Struct, frozen=True, kw_only=True):
    code_id: bytes
    record_id: int
    scan_id: int


async def _wait_for_use(ctx: Context, row: _Use) -> Rekeyed:
    """Our own codes' ids are shorter and need no key."""
    ours = len(row.code_id) != blindindex.SIZE
    if ours or ctx.sealer.is_current(KeyKind.BLIND_INDEX, version_of(row.code_id)):
        return Rekeyed.CURRENT
    return Rekeyed.WAITING


KEYED_ROWS = (
    *MACED,
    KeyedRows(
        table="code_use",
        kind=KeyKind.BLIND_INDEX,
        row=_Use,
        key=("code_id",),
        page=PAGE_USES,
        count=COUNT_USES,
        rekey=_wait_for_use,
        belongs=belonging(("record_id", "scan_id")),
    ),
)
