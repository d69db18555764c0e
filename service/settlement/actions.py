"""What callers may do with a settlement. Payments are in ``paying``, the worker in ``steps``."""

from msgspec.structs import replace

from service.audit import actions as audit
from service.audit.model import AuditEntry
from service.bill import actions as bill
from service.bill import rules as bill_rules
from service.bill.model import Bill
from service.bill.states import BillKind
from service.institution import actions as institution
from service.kernel.context import Context
from service.kernel.database import Connection, connection, transaction
from service.kernel.principals import Application
from service.kernel.problems import NotFound, StateConflict
from service.payment import actions as payment
from service.payment.model import PaymentAttempt, Presentation
from service.payment.problems import PaymentNotReady
from service.payment.states import AttemptState
from service.receipt import actions as receipt
from service.settlement import door, rules, store, tender
from service.settlement.cover.model import Cover
from service.settlement.insurance import chains
from service.settlement.model import (
    Channel,
    Place,
    Progress,
    Settlement,
    SettlementView,
    StartSettlement,
)
from service.settlement.problems import (
    HospitalReferenceDiffers,
    PostingVersionDiffers,
    ScanBoundToAnotherBill,
    SomethingToPay,
)
from service.settlement.states import MACHINE, PAYABLE, SettlementEvent, SettlementState
from service.settlement.stays import deposits

LIST_MAX = 100
_BATCH_BASE_LENGTH = 26

_S = SettlementState
_E = SettlementEvent


async def start(ctx: Context, command: StartSettlement) -> Settlement:
    """Lock the bill and begin. Without insurance the division is known at once.

    The same caller asking again for the bill that he is settling gets that settlement.
    Raises ``NotFound``, ``BillLocked``, ``BillNotPayable``, ``BillVersionStale``,
    ``ScanBoundToAnotherBill``.
    """
    charged = await bill.read(ctx, command.record_id, command.bill_id)
    if command.institution_id not in (None, charged.institution_id):
        raise NotFound
    if command.approved_fen not in (None, charged.total_fen):
        raise ScanBoundToAnotherBill
    place = await institution.get_institution(ctx, charged.institution_id)
    may_insure = bill_rules.may_insure(charged, registration_insured=place.registration_insured)
    command = replace(command, insured=command.insured and may_insure)
    row, progress = _new(ctx, command, charged)
    async with transaction(ctx.pool) as conn:
        standing = await store.find_live(conn, command.record_id, command.bill_id)
        if standing is not None and _is_same(door.check(ctx, standing), command):
            return standing
        await bill.lock(conn, ctx, row.record_id, row.bill_id, row.settlement_id, charged.version)
        await deposits.check_in_time(conn, row, progress)
        created = await door.create(conn, ctx, row, progress)
        await _note(conn, ctx, command, created)
        if created.insured:
            return created
        split = rules.own_split(created.total_fen)
        own = replace(created, fund_fen=0, account_fen=0, cash_fen=split.cash_fen, hospital_fen=0)
        return await door.advance(conn, ctx, own, _E.SPLIT, replace(progress, promised=split))


def _is_same(standing: Settlement, command: StartSettlement) -> bool:
    """A repeat by the device that is settling; another device or other wishes are refused."""
    return (
        standing.state not in (_S.POSTED, _S.REVERSING)
        and standing.channel is command.channel
        and standing.terminal_id == command.terminal_id
        and standing.account_id == command.account_id
        and standing.use_account == command.use_account
        and standing.insured == command.insured
    )


def _new(ctx: Context, command: StartSettlement, charged: Bill) -> tuple[Settlement, Progress]:
    now = ctx.clock.now()
    deadline = now + ctx.policy.pay_within
    row = Settlement(
        record_id=command.record_id,
        settlement_id=ctx.ids.new(),
        bill_id=charged.bill_id,
        bill_version=charged.version,
        institution_id=charged.institution_id,
        channel=command.channel,
        terminal_id=command.terminal_id,
        account_id=command.account_id,
        insured=command.insured,
        use_account=command.use_account,
        state=MACHINE.start,
        reason=None,
        total_fen=charged.total_fen,
        fund_fen=None,
        account_fen=None,
        cash_fen=None,
        hospital_fen=None,
        paid_fen=0,
        refunded_fen=0,
        sealed=b"",
        settlement_ref=None,
        paid_by=None,
        provider_ref=None,
        hospital_ref=None,
        due_at=now,
        deadline_at=deadline,
        tries=0,
        created_at=now,
        updated_at=now,
        settled_at=None,
        version=1,
        row_mac=b"",
    )
    progress = Progress(
        bill_no=charged.bill_no,
        kind=charged.kind,
        stay=charged.stay,
        reliefs=charged.reliefs,
        cover=_claim(ctx, command, charged),
        visit_no=charged.visit.visit_no[: rules.VISIT_NO_MAX],
        batch_base=ctx.ids.trade_no()[:_BATCH_BASE_LENGTH],
    )
    if charged.kind is BillKind.DISCHARGE and charged.stay is not None:
        progress = replace(
            progress,
            visit_no=charged.stay.stay_no,
            visit_ref=charged.stay.insurance_ref,
            diagnosed=charged.stay.ended_at is None,
            scope=chains.NOTHING,
        )
    return replace(row, cover_fen=None if progress.cover is None else 0), progress


def _claim(ctx: Context, command: StartSettlement, charged: Bill) -> Cover | None:
    """Commercial cover rests on a settlement of the basic insurance."""
    if charged.cover is None or not command.insured:
        return None
    return Cover(
        insurer=charged.cover.insurer,
        authorisation=charged.cover.authorisation,
        claim_no=ctx.ids.trade_no(),
    )


async def _note(conn: Connection, ctx: Context, command: StartSettlement, row: Settlement) -> None:
    at_terminal = command.channel is not Channel.PHONE
    await audit.append(
        conn,
        ctx,
        AuditEntry(
            record_id=row.record_id,
            action="settlement.started",
            actor_kind="terminal" if at_terminal else "resident",
            actor_id=(command.terminal_id if at_terminal else command.account_id) or 0,
            institution_id=row.institution_id,
            facts={
                "settlement_id": row.settlement_id,
                "bill_id": row.bill_id,
                "total_fen": row.total_fen,
                "insured": row.insured,
                "use_account": row.use_account,
            },
        ),
    )


async def get(ctx: Context, record_id: int, settlement_id: int) -> SettlementView:
    """The settlement with what its payer needs. Raises ``NotFound``, ``RowTampered``."""
    async with connection(ctx.pool) as conn:
        row, payments = await tender.read(conn, ctx, (record_id, settlement_id))
        attempt = payments.order
        told = await _told(conn, ctx, row)
    posted = row.state is _S.POSTED
    return SettlementView(
        settlement=row,
        attempt=attempt,
        tenders=list(reversed(payments.paid)),
        presentation=await _present(ctx, attempt),
        refusal_text=told.refusal_text if row.reason else None,
        cover_declined=told.cover.declined if told.cover is not None else None,
        receipt=await receipt.find(ctx, record_id, settlement_id, row.round_no) if posted else None,
    )


async def _told(conn: Connection, ctx: Context, row: Settlement) -> Progress:
    """What bureau and insurer said; opened only where it can be of interest."""
    if row.reason is None and row.cover_fen is None:
        return Progress()
    return await door.progress_of(conn, ctx, row)


async def _present(ctx: Context, attempt: PaymentAttempt | None) -> Presentation | None:
    shown = (AttemptState.AWAITING_PAYER, AttemptState.FAILED)
    if attempt is None or attempt.state not in shown:
        return None
    try:
        return await payment.present(ctx, attempt.record_id, attempt.attempt_id, known=attempt)
    except PaymentNotReady:
        return None


async def find_live(ctx: Context, record_id: int, bill_id: int) -> Settlement | None:
    """The settlement of a bill that is not undone."""
    async with connection(ctx.pool) as conn:
        row = await store.find_live(conn, record_id, bill_id)
    return None if row is None else door.check(ctx, row)


async def confirm(
    ctx: Context, record_id: int, settlement_id: int, place: Place | None = None
) -> Settlement:
    """The payer agrees to a division that leaves him nothing to pay, or no more than the deposits
    and reliefs that were counted. Again changes nothing.

    Raises ``SettlementTakenOver``, ``SomethingToPay``, ``StateConflict`` (deadline passed, or not
    that far), ``NotFound``.
    """

    async def decide(conn: Connection, row: Settlement) -> Settlement:
        rules.check_place(row, place)
        paid = await tender.tender_of(conn, ctx, row)
        nothing_left = row.cash_fen is not None and paid.owed_fen(row) == 0
        if nothing_left and row.state in (_S.PAID, _S.SETTLING, _S.SETTLED, _S.POSTING):
            return row
        if row.state is _S.PRESETTLED and not nothing_left:
            raise SomethingToPay
        if rules.is_past(row.deadline_at, ctx.clock.now()):
            raise StateConflict("the time to confirm is over")
        return await door.advance(conn, ctx, row, _E.CONFIRMED, None)

    return await door.through(ctx, (record_id, settlement_id), decide)


async def abandon(
    ctx: Context, record_id: int, settlement_id: int, place: Place | None = None
) -> Settlement:
    """The payer gives up. A payment that is still open is closed first; if it won, it stands.

    Again changes nothing. Raises ``SettlementTakenOver``; ``StateConflict`` once the money is
    taken, and in a correction; ``NotFound``.
    """
    key = (record_id, settlement_id)

    async def decide(conn: Connection, row: Settlement) -> Settlement:
        rules.check_place(row, place)
        if row.state in (_S.REVERSING, _S.REVERSED):
            return row
        if row.correcting:
            raise StateConflict("a correction is under way; it is not abandoned")
        live = (await tender.tender_of(conn, ctx, row)).live
        if live is not None and row.state in PAYABLE:
            # Its deadline is now: the worker closes it if the provider does not answer here.
            now = ctx.clock.now()
            ending = replace(row, reason="abandoned", deadline_at=now, due_at=now)
            return await door.keep(conn, ctx, ending, None)
        given_up = replace(row, reason="abandoned")
        return await door.advance(conn, ctx, given_up, _E.ABANDONED, None)

    await tender.sync_now(ctx, key)
    row = await door.through(ctx, key, decide)
    if row.state not in PAYABLE:
        return row
    row = await tender.close_live(ctx, row)
    return row if row.state not in PAYABLE else await door.through(ctx, key, decide)


async def acknowledge_posting(
    ctx: Context,
    application: Application,
    settlement_id_text: str,
    hospital_ref: str,
    bill_version: int | None = None,
) -> Settlement:
    """The hospital's own system has it in its books. Again with the same reference changes nothing.

    After a correction ``bill_version`` is needed: a late repeat of the first acknowledgement must
    not pass for one of what remains. Raises ``NotFound`` for another institution's settlement,
    ``HospitalReferenceDiffers``, ``PostingVersionDiffers``, ``StateConflict``.
    """
    key = await _own_key(ctx, application, settlement_id_text)

    async def decide(conn: Connection, row: Settlement) -> Settlement:
        if bill_version != row.bill_version and (bill_version is not None or row.round_no):
            raise PostingVersionDiffers
        if row.state is _S.POSTED:
            if row.hospital_ref != hospital_ref:
                raise HospitalReferenceDiffers
            return row
        posted = replace(row, hospital_ref=hospital_ref)
        saved = await door.advance(conn, ctx, posted, _E.HOSPITAL_POSTED, None)
        await audit.append(
            conn,
            ctx,
            AuditEntry(
                record_id=row.record_id,
                action="settlement.acknowledged",
                actor_kind="application",
                actor_id=application.application_id,
                institution_id=row.institution_id,
                facts={"settlement_id": row.settlement_id, "hospital_ref": hospital_ref},
            ),
        )
        return saved

    return await door.through(ctx, key, decide)


async def _own_key(ctx: Context, application: Application, text: str) -> door.Key:
    record_id, settlement_id = ctx.public_ids.parse(text)
    async with connection(ctx.pool) as conn:
        found = await store.find_to_post(conn, application.institution_id, settlement_id)
    if found is None or found.record_id != record_id:
        raise NotFound
    return record_id, settlement_id


async def get_of_institution(
    ctx: Context, application: Application, settlement_id_text: str
) -> tuple[Settlement, str]:
    """A settled settlement of the institution and its bill's number. Raises ``NotFound``."""
    record_id, settlement_id = await _own_key(ctx, application, settlement_id_text)
    async with connection(ctx.pool) as conn:
        row = await door.read(conn, ctx, (record_id, settlement_id))
    return row, await bill_no_of(ctx, row)


async def bill_no_of(ctx: Context, row: Settlement) -> str:
    """The hospital's number of the bill that a settlement is of."""
    async with connection(ctx.pool) as conn:
        return (await door.progress_of(conn, ctx, row)).bill_no


async def list_to_post(
    ctx: Context, institution_id: int, limit: int, *, all_of_them: bool
) -> list[tuple[Settlement, str]]:
    """What the hospital has still to post, oldest first; or its latest settlements."""
    limit = min(limit, LIST_MAX)
    listing = store.list_of_institution if all_of_them else store.list_to_post
    async with connection(ctx.pool) as conn:
        found = await listing(conn, institution_id, limit)
        return [
            (await door.read(conn, ctx, (one.record_id, one.settlement_id)), one.bill_no)
            for one in found
        ]
