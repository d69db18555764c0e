"""Asking for corrections in tests of the settlement, and what must hold after every step of one."""

from typing import Any

from service.ledger import actions as ledger
from service.ledger.model import PATIENT
from service.settlement.corrections import correcting
from service.settlement.corrections.model import (
    AskCorrection,
    BillAfter,
    Correction,
    CorrectionView,
    GivenLine,
    Person,
)
from service.settlement.model import Settlement
from service.settlement.states import SettlementState
from tests.support.settlement_checks import assert_posted
from tests.support.settlement_rig import Rig

UNIT = 10_000
"""One piece, as quantities are written."""


def a_person(rig: Rig, staff_no: str = "A1") -> Person:
    """Somebody of the rig's hospital."""
    return Person(
        institution_id=rig.place.institution_id,
        staff_no=staff_no,
        caller_kind="application",
        caller_id=rig.application.application_id,
    )


async def ask(rig: Rig, row: Settlement, *line_nos: str, **changes: Any) -> Correction:
    """Give whole lines back, or with none named all of the bill; one keyword a deviation."""
    row = await rig.read(row)
    wishes: dict[str, Any] = {
        "record_id": row.record_id,
        "settlement_id": row.settlement_id,
        "bill_version": row.bill_version,
        "lines": [GivenLine(line_no=one, quantity_e4=UNIT) for one in line_nos],
        "bill_after": BillAfter.WITHDRAWN,
        "reason": "未做检查",
        "person": a_person(rig),
    }
    return await correcting.ask(rig.ctx, AskCorrection(**{**wishes, **changes}))


async def read(rig: Rig, one: Correction) -> CorrectionView:
    """As it stands."""
    return await correcting.get(rig.ctx, rig.place.institution_id, one.record_id, one.correction_id)


async def posted(rig: Rig, *amounts_fen: int, **wishes: Any) -> Settlement:
    """A settlement that the hospital has in its books."""
    return await assert_posted(rig, await rig.settled(await rig.to_paid(*amounts_fen, **wishes)))


async def assert_tied(rig: Rig, row: Settlement) -> None:
    """The ledger holds of the payer's money what the till holds; all accounts cancel out."""
    sums = await ledger.balances(rig.ctx, row.record_id, row.settlement_id)
    till = sum(fen for name, fen in sums.items() if name.startswith("provider:"))
    assert till == rig.till.kept_fen
    assert sum(sums.values()) == 0
    fresh = await rig.read(row)
    if fresh.state is SettlementState.POSTED and not fresh.paid_fen - fresh.refunded_fen:
        assert sums.get(PATIENT, 0) == 0
