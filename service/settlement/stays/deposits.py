"""Deposits: held from their payment to the discharge of their stay, counted there once.

A deposit is a settlement of its own, of own money. Paid, it is not the hospital's but owed to the
patient (ledger account ``deposit``). The discharge counts it among its payments; what it does not
need goes back the way it came, through the deposit's own settlement. A row changes hands by
compare-and-set on its version, so a deposit is counted by one discharge or given back, never both.
"""

from msgspec.structs import replace

from service.bill import stays
from service.bill.problems import BillNotPayable
from service.bill.states import BillKind
from service.kernel.context import Context
from service.kernel.database import Connection, connection
from service.kernel.problems import InvariantBroken, StateConflict
from service.ledger import actions as ledger
from service.ledger.model import DEPOSIT, HOSPITAL, PATIENT, NewPosting
from service.payment import actions as payment
from service.payment.model import CountedPart, PaymentAttempt, RowKey
from service.payment.states import AttemptState
from service.settlement.model import Progress, Settlement
from service.settlement.problems import DepositCounted
from service.settlement.stays import store
from service.settlement.stays.model import Deposit, StayView

_TABLE = "deposit"


def payee(progress: Progress) -> str:
    """The account that the payer's own part is owed to once it is definite."""
    return DEPOSIT if progress.kind is BillKind.DEPOSIT else HOSPITAL


async def hold(conn: Connection, ctx: Context, row: Settlement, progress: Progress) -> bool:
    """A deposit is paid for good: from now on it is held. False where a discharge of its stay began
    meanwhile: perhaps it does not count this one any more."""
    stay_no = _stay_no(progress)
    new = Deposit(
        record_id=row.record_id,
        settlement_id=row.settlement_id,
        institution_id=row.institution_id,
        stay_no=stay_no,
        held_fen=row.cash_fen or 0,
        taken_by=None,
        settled_at=row.updated_at,
        version=1,
        row_mac=b"",
    )
    await store.insert_deposit(conn, _signed(ctx, new))
    return not await stays.is_over(conn, row.record_id, row.institution_id, stay_no)


async def check_in_time(conn: Connection, row: Settlement, progress: Progress) -> None:
    """A deposit is paid before its stay's discharge. Raises ``BillNotPayable``."""
    if progress.kind is not BillKind.DEPOSIT:
        return
    if await stays.is_over(conn, row.record_id, row.institution_id, _stay_no(progress)):
        raise BillNotPayable("the stay is being discharged, or was")


async def count(conn: Connection, ctx: Context, row: Settlement, progress: Progress) -> int:
    """The discharge counts every deposit held for its stay, at most 50; gives their sum.

    Raises ``StateConflict`` when one of them changed hands at the same moment.
    """
    counted_fen = 0
    key = (row.record_id, row.institution_id, _stay_no(progress))
    for found in await store.list_held(conn, *key):
        one = _checked(ctx, found)
        await _save(conn, ctx, one, taken_by=row.settlement_id)
        await payment.count_part(
            conn,
            ctx,
            CountedPart(
                record_id=row.record_id,
                settlement_id=row.settlement_id,
                institution_id=row.institution_id,
                provider=DEPOSIT,
                amount_fen=one.held_fen,
                ref=ctx.public_ids.text(one.record_id, one.settlement_id),
                since=one.settled_at,
            ),
        )
        counted_fen += one.held_fen
    return counted_fen


async def put_back(
    conn: Connection, ctx: Context, attempt: PaymentAttempt, amount_fen: int, cause: str
) -> None:
    """The discharge is undone: what it still counts is held again."""
    key = RowKey(attempt.record_id, attempt.attempt_id)
    await payment.release_part(conn, ctx, key, amount_fen, cause)
    one = await _counted(conn, ctx, attempt)
    await _save(conn, ctx, one, taken_by=None)


async def send_back(
    conn: Connection, ctx: Context, attempt: PaymentAttempt, amount_fen: int, cause: str
) -> None:
    """The discharge needs so much less: it goes back to where the deposit's money came from."""
    key = RowKey(attempt.record_id, attempt.attempt_id)
    await payment.release_part(conn, ctx, key, amount_fen, cause)
    one = await _counted(conn, ctx, attempt)
    await _save(conn, ctx, one, held_fen=one.held_fen - amount_fen)
    origin = f"discharge:{attempt.settlement_id}:{cause}"
    await ledger.post(
        conn,
        ctx,
        NewPosting(
            record_id=one.record_id,
            settlement_id=one.settlement_id,
            institution_id=one.institution_id,
            cause=f"returned:{origin}",
            debit=DEPOSIT,
            credit=PATIENT,
            amount_fen=amount_fen,
        ),
    )
    left = amount_fen
    for paid in await payment.list_attempts(conn, ctx, one.record_id, one.settlement_id):
        part = min(left, paid.refundable_fen) if paid.state is AttemptState.PAID else 0
        if part > 0:
            await payment.refund(conn, ctx, one.record_id, paid.attempt_id, part, origin)
            left -= part
    if left > 0:
        raise InvariantBroken("more of a deposit goes back than was paid")


async def end(conn: Connection, ctx: Context, row: Settlement) -> int:
    """The hospital gives the deposit back, whatever is left of it; gives how much that is.

    Raises ``DepositCounted`` while a discharge counts it.
    """
    one = await store.find_deposit(conn, row.record_id, row.settlement_id)
    if one is None:
        raise InvariantBroken("a paid deposit is held")
    one = _checked(ctx, one)
    if one.taken_by is not None:
        raise DepositCounted
    await _save(conn, ctx, one, held_fen=0)
    return one.held_fen


async def read_stay(ctx: Context, institution_id: int, stay_no: str) -> StayView:
    """The deposits of the institution's stay. Raises ``NotFound``, ``RowTampered``."""
    record_id = await stays.find(ctx, institution_id, stay_no)
    async with connection(ctx.pool) as conn:
        found = await store.list_of_stay(conn, record_id, institution_id, stay_no)
    return StayView(stay_no=stay_no, deposits=[_checked(ctx, one) for one in found])


def _stay_no(progress: Progress) -> str:
    if progress.stay_no is None:
        raise InvariantBroken("a deposit and a discharge name their stay")
    return progress.stay_no


async def _counted(conn: Connection, ctx: Context, attempt: PaymentAttempt) -> Deposit:
    """The deposit that an attempt counts."""
    key = ctx.public_ids.parse(attempt.provider_ref or "")
    one = await store.find_deposit(conn, *key)
    if one is None or one.taken_by != attempt.settlement_id:
        raise InvariantBroken("a counted deposit is the discharge's")
    return _checked(ctx, one)


def _checked(ctx: Context, row: Deposit) -> Deposit:
    ctx.sealer.check_mac(_TABLE, row.mac_parts(), row.row_mac)
    return row


async def _save(conn: Connection, ctx: Context, before: Deposit, **changes: int | None) -> None:
    after = _signed(ctx, replace(before, version=before.version + 1, **changes))
    if not await store.save_deposit(conn, after):
        raise StateConflict("the deposit is changing; try again")


def _signed(ctx: Context, row: Deposit) -> Deposit:
    return replace(row, row_mac=ctx.sealer.row_mac(_TABLE, row.mac_parts()))
