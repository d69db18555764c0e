"""What must hold when a settlement is over: book, rows and ledger say the same."""

from service.bill import actions as bill
from service.bill.states import BillState
from service.settlement.model import Settlement
from service.settlement.states import SettlementState
from tests.support.settlement_rig import PROVIDER, Rig


async def assert_undone(rig: Rig, row: Settlement, reason: str) -> None:
    """Nobody has anything of anybody, and the bill may be settled anew."""
    row = await rig.read(row)
    assert (row.state, row.reason) == (SettlementState.REVERSED, reason)
    assert await rig.balances(row) == {}
    assert rig.bureau.live == []
    assert rig.till.kept_fen == 0
    assert row.paid_fen == row.refunded_fen
    assert not any(visit.lines for visit in rig.bureau.visits.values())
    charged = await bill.read(rig.ctx, row.record_id, row.bill_id)
    assert charged.state is BillState.OPEN


def assert_no_visit_stands(rig: Rig) -> None:
    """Every visit at the bureau is cancelled."""
    assert not any(visit.live for visit in rig.bureau.visits.values())


async def assert_posted(rig: Rig, row: Settlement) -> Settlement:
    """Let the hospital acknowledge; then everybody's books agree to the fen."""
    row = await rig.post(await rig.read(row))
    await rig.work()
    row = await rig.read(row)
    assert row.state is SettlementState.POSTED
    assert row.cash_fen is not None
    expected = {
        f"provider:{PROVIDER}": row.cash_fen,
        "insurer": (row.fund_fen or 0) + (row.account_fen or 0),
        "hospital": -row.total_fen,
        "hospital-burden": row.hospital_fen or 0,
    }
    assert await rig.balances(row) == {name: fen for name, fen in expected.items() if fen}
    assert row.paid_fen - row.refunded_fen == row.cash_fen == rig.till.kept_fen
    assert [one.ref for one in rig.bureau.live] == ([row.settlement_ref] if row.insured else [])
    charged = await bill.read(rig.ctx, row.record_id, row.bill_id)
    assert charged.state is BillState.PAID
    return row
