"""Links by which somebody else pays what one settlement leaves to its payer.

A link is made by the person himself, signed by us, for one settlement and for a short time. Whoever
holds it and is logged in may look at and pay just that; it is no login and opens nothing else.
"""

import base64
import binascii
import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import msgspec

from service.audit import actions as audit
from service.audit.model import AuditEntry
from service.institution import actions as institution
from service.kernel.context import Context
from service.kernel.database import Connection, transaction
from service.kernel.masked import mask_name
from service.kernel.principals import Resident
from service.kernel.problems import NotFound, RowTampered
from service.payment import actions as payment
from service.payment.model import PaymentAttempt
from service.person import actions as persons
from service.settlement import actions, door, paying, rules, tender
from service.settlement.model import PHONES, Settlement, SettlementView, StartPayment
from service.settlement.problems import (
    PayLinkExpired,
    PayLinkNotValid,
    SettlementNotPayable,
)
from service.settlement.states import PAYABLE, SettlementState

LIVES = timedelta(minutes=30)
_DOMAIN = "pay-link"
_FORM = re.compile(r"([0-9A-Z]{1,40})\.([0-9]{10})\.([A-Za-z0-9_-]{44})", re.ASCII)
_S = SettlementState
_UNDONE = frozenset({_S.REVERSING, _S.REVERSED, _S.NEEDS_REVIEW})


class PayLink(msgspec.Struct, frozen=True, kw_only=True):
    """A link's text, and until when it holds."""

    text: str
    expires_at: datetime


class SharedState(StrEnum):
    """What the holder of a link can do."""

    OPEN = "OPEN"
    """Pay what is owed."""
    PAID = "PAID"
    """Nothing: it has been paid, by him or somebody else."""
    OVER = "OVER"
    """Nothing: it was given up or taken over at a terminal, or its time is over."""


class Shared(msgspec.Struct, frozen=True, kw_only=True):
    """All that the holder of a link learns."""

    masked_name: str
    institution_name: str
    institution_id: int
    state: SharedState
    owed_fen: int
    in_progress: bool
    """An order stands that somebody may be paying now."""
    expires_at: datetime


async def make(ctx: Context, resident: Resident, key: door.Key) -> PayLink:
    """A link to pay the settlement; the caller saw to it that it is the resident's own.

    Raises ``SettlementNotPayable`` where nothing is owed, ``SettlementTakenOver``, ``NotFound``.
    """
    await tender.sync_now(ctx, key)

    async def decide(conn: Connection, row: Settlement) -> PayLink:
        rules.check_place(row, PHONES)
        paying.check_payable(ctx, row)
        if (await tender.tender_of(conn, ctx, row)).owed_fen(row) == 0:
            raise SettlementNotPayable
        ends = min(ctx.clock.now() + LIVES, row.deadline_at or ctx.clock.now() + LIVES)
        await _note(conn, ctx, row, "settlement.pay-link-made", resident)
        return _signed(ctx, key, int(ends.timestamp()))

    return await door.through(ctx, key, decide)


def read(ctx: Context, text: str) -> tuple[door.Key, datetime]:
    """(settlement, end) of a link that holds now.

    Raises ``PayLinkNotValid``, ``PayLinkExpired``.
    """
    found = _FORM.fullmatch(text)
    if found is None:
        raise PayLinkNotValid
    try:
        key = ctx.public_ids.parse(found[1])
        mac = base64.b64decode(found[3], altchars=b"-_", validate=True)
        ctx.sealer.check_mac(_DOMAIN, [*key, int(found[2])], mac)
    except (NotFound, RowTampered, binascii.Error):
        raise PayLinkNotValid from None
    ends = datetime.fromtimestamp(int(found[2]), UTC)
    if ctx.clock.now() >= ends:
        raise PayLinkExpired
    return key, ends


async def look(ctx: Context, text: str) -> Shared:
    """What is to be paid, and for whom. Raises as ``read``."""
    key, ends = read(ctx, text)
    await tender.sync_now(ctx, key)
    async with transaction(ctx.pool) as conn:
        row = await door.read(conn, ctx, key)
        payments = await tender.tender_of(conn, ctx, row)
    owed_fen = payments.owed_fen(row) if row.state in PAYABLE else 0
    place = await institution.get_institution(ctx, row.institution_id)
    return Shared(
        masked_name=mask_name((await persons.read(ctx, key[0])).name.reveal()),
        institution_name=place.name,
        institution_id=row.institution_id,
        state=_state(ctx, row, owed_fen),
        owed_fen=owed_fen,
        in_progress=payments.live is not None,
        expires_at=ends,
    )


def _state(ctx: Context, row: Settlement, owed_fen: int) -> SharedState:
    elsewhere = row.taken_over_at is not None and not row.is_held_at(PHONES)
    if row.state in _UNDONE or (elsewhere and row.state in PAYABLE):
        return SharedState.OVER
    if row.state not in PAYABLE or owed_fen == 0:
        return SharedState.PAID
    is_late = row.deadline_at is not None and ctx.clock.now() >= row.deadline_at
    return SharedState.OVER if is_late else SharedState.OPEN


async def pay(
    ctx: Context, resident: Resident, text: str, wanted: tuple[str, str, str | None]
) -> SettlementView | None:
    """Place an order of the link's holder for all that is owed: ``wanted`` is provider, way and the
    provider's id of the payer. None where it stands for somebody else, or is not needed any more.

    Raises as ``read`` and ``paying.pay``.
    """
    key, _ = read(ctx, text)
    provider, way, payer = wanted
    async with transaction(ctx.pool) as conn:
        row = await door.read(conn, ctx, key)
        await _note(conn, ctx, row, "settlement.pay-link-used", resident)
    await paying.pay(
        ctx,
        StartPayment(
            record_id=key[0],
            settlement_id=key[1],
            provider=provider,
            way=way,
            payer=payer,
            place=PHONES,
        ),
    )
    view = await actions.get(ctx, *key)
    attempt = view.attempt
    return view if attempt is not None and await _is_his(ctx, attempt, wanted) else None


async def _is_his(
    ctx: Context, attempt: PaymentAttempt, wanted: tuple[str, str, str | None]
) -> bool:
    provider, way, payer = wanted
    return (attempt.provider, attempt.way) == (provider, way) and await payment.is_for(
        ctx, attempt, payer
    )


def _signed(ctx: Context, key: door.Key, ends: int) -> PayLink:
    mac = ctx.sealer.row_mac(_DOMAIN, [*key, ends])
    parts = (ctx.public_ids.text(*key), str(ends), base64.urlsafe_b64encode(mac).decode())
    return PayLink(text=".".join(parts), expires_at=datetime.fromtimestamp(ends, UTC))


async def _note(
    conn: Connection, ctx: Context, row: Settlement, action: str, resident: Resident
) -> None:
    await audit.append(
        conn,
        ctx,
        AuditEntry(
            record_id=row.record_id,
            action=action,
            actor_kind="resident",
            actor_id=resident.account_id,
            institution_id=row.institution_id,
            facts={"settlement_id": row.settlement_id},
        ),
    )
