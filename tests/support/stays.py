"""Deposits, discharges and registrations before the settlement's rig."""

from collections import Counter
from datetime import date
from typing import Any

from msgspec.structs import replace

from service.bill.model import Bill, Stay
from service.bill.states import OF_STAY, BillKind
from service.institution import actions as institution
from service.ledger.model import DEPOSIT
from service.person import actions as person
from service.person.model import Registration, Source
from service.settlement.model import Settlement
from service.settlement.states import SettlementState
from service.settlement.stays import deposits
from tests.support.fakes_identity import citizen_number
from tests.support.settlement_rig import ACCOUNT, PROVIDER, SECOND, Rig, a_visit

STAY = "ZY-1"


async def push(
    rig: Rig, kind: BillKind, *amounts_fen: int, stay_no: str | None = STAY, **changes: Any
) -> Bill:
    """A bill of a kind; deposits and discharges are of one stay."""
    visit = a_visit(rig.clock, f"{kind.value}-{rig.bills}")
    if kind in OF_STAY:
        visit = replace(visit, visit_type="21")
    if kind in (BillKind.REGISTRATION, BillKind.DEPOSIT):
        visit = replace(visit, diagnoses=[])
    stay = Stay(stay_no=stay_no, bed="12") if stay_no is not None else None
    wishes: dict[str, Any] = {"kind": kind, "stay": stay, "visit": visit}
    return await rig.push_bill(*amounts_fen, **{**wishes, **changes})


async def another_patient(rig: Rig) -> int:
    """Another person's record."""
    registered = await person.register(
        rig.ctx,
        Registration(
            source=Source.READER,
            institution_id=rig.place.institution_id,
            name="测试乙",
            id_type="01",
            id_no=citizen_number(date(1991, 2, 3), 102),
            phone=None,
        ),
    )
    return registered.record_id


async def pay(rig: Rig, row: Settlement, provider: str = PROVIDER) -> Settlement:
    """All that is owed, at one provider; then the worker's time."""
    await rig.pay(row, provider=provider)
    till = rig.till if provider == PROVIDER else rig.second
    till.pay(till.unpaid()[0])
    return await rig.settled(row)


async def deposit(rig: Rig, fen: int, provider: str = PROVIDER) -> Settlement:
    """A deposit, paid and posted."""
    if provider == SECOND:
        await institution.set_merchant_account(
            rig.ctx, rig.place.institution_id, provider=SECOND, account_name=ACCOUNT
        )
    row = await rig.start(await push(rig, BillKind.DEPOSIT, fen))
    row = await rig.post(await pay(rig, row, provider))
    await rig.work()
    assert row.state is SettlementState.POSTED
    return row


async def discharge(rig: Rig, *amounts_fen: int, insured: bool = False) -> Settlement:
    """The stay's bill, its division known and the deposits counted."""
    row = await rig.start(await push(rig, BillKind.DISCHARGE, *amounts_fen), insured=insured)
    await rig.work()
    return await rig.read(row)


async def held_fen(rig: Rig) -> int:
    """What the next discharge of the stay would count."""
    return (await deposits.read_stay(rig.ctx, rig.place.institution_id, STAY)).held_fen


async def sums(rig: Rig, *rows: Settlement) -> dict[str, int]:
    """The ledger's accounts over several settlements that are not zero."""
    total: Counter[str] = Counter()
    for row in rows:
        total.update(await rig.balances(row))
    return {account: fen for account, fen in total.items() if fen}


async def assert_books(rig: Rig, own_fen: int, *rows: Settlement, owed_fen: int = 0) -> None:
    """The tills hold what the hospital earned of own money and what it owes of deposits."""
    found = await sums(rig, *rows)
    assert found.get(DEPOSIT, 0) == -owed_fen
    tills = {f"provider:{PROVIDER}": rig.till, f"provider:{SECOND}": rig.second}
    for account, till in tills.items():
        assert found.get(account, 0) == till.kept_fen
    assert rig.till.kept_fen + rig.second.kept_fen == own_fen + owed_fen
    assert found.get("patient", 0) == 0
    assert sum(found.values()) == 0
