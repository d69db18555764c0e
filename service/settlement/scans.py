"""What a scan opens to the terminal that scanned: settlements of its person, for a while."""

from datetime import timedelta

from crypto.healthcode.layout import Purpose
from crypto.sm3 import sm3
from service.bill.problems import BillsNotVisible
from service.healthcode import actions as healthcode
from service.healthcode.model import Scan
from service.kernel.context import Context
from service.kernel.principals import Terminal
from service.kernel.problems import NotFound
from service.person import actions as person
from service.settlement import actions
from service.settlement.model import Channel, Place, SettlementView
from service.settlement.problems import (
    ScanBoundToAnotherBill,
    ScanNotForPayment,
    ScanTooOldToPay,
)

START_WITHIN = timedelta(minutes=30)
"""From the scan to the start of a settlement; watching and finishing one may take longer."""


def place_of(terminal: Terminal) -> Place:
    """Where a terminal deals with settlements."""
    channel = Channel.KIOSK if terminal.public_place else Channel.COUNTER
    return Place(channel=channel, terminal_id=terminal.terminal_id)


async def paying_scan(ctx: Context, terminal: Terminal, scan_id: str) -> Scan:
    """The terminal's own scan, if it lets bills be seen.

    Raises ``BillsNotVisible``, ``NotFound`` (also for another terminal's scan), ``ScanExpired``.
    """
    scan = await healthcode.get_scan(ctx, terminal.institution_id, scan_id)
    if scan.terminal_id != terminal.terminal_id:
        raise NotFound
    if not healthcode.bills_visible(scan, terminal):
        raise BillsNotVisible
    return scan


async def starting_scan(ctx: Context, terminal: Terminal, scan_id: str, bill_id: str) -> Scan:
    """As ``paying_scan``, recent, and shown for paying this bill.

    At a desk, staff see who pays: there a code shown to identify will do, as paper has no other.
    Raises ``ScanTooOldToPay``, ``ScanNotForPayment`` and ``ScanBoundToAnotherBill`` too.
    """
    scan = await paying_scan(ctx, terminal, scan_id)
    if ctx.clock.now() - scan.scanned_at >= START_WITHIN:
        raise ScanTooOldToPay
    if terminal.public_place and scan.purpose != Purpose.PAY:
        raise ScanNotForPayment
    if scan.bound_bill_id not in (None, offered_bill_id(bill_id)):
        raise ScanBoundToAnotherBill
    return scan


def offered_bill_id(bill_id: str) -> bytes:
    """The 16 bytes by which an offer names the bill of this public id."""
    return sm3(bill_id.encode())[:16]


async def check_scanned(ctx: Context, scan: Scan, record_id: int) -> None:
    """Raises ``NotFound`` for a record of another person than the one scanned."""
    if record_id != scan.record_id and record_id not in await person.list_records(
        ctx, scan.record_id
    ):
        raise NotFound


async def settlement_of_scan(
    ctx: Context, terminal: Terminal, scan_id: str, settlement_id: str
) -> SettlementView:
    """A settlement of the scanned person at the terminal's institution. Raises ``NotFound``."""
    scan = await paying_scan(ctx, terminal, scan_id)
    record_id, local_id = ctx.public_ids.parse(settlement_id)
    await check_scanned(ctx, scan, record_id)
    view = await actions.get(ctx, record_id, local_id)
    if view.settlement.institution_id != terminal.institution_id:
        raise NotFound
    return view
