"""Deposits for stays in hospital. Amounts are integer fen."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from crypto.canonical import Value


class Deposit(msgspec.Struct, frozen=True, kw_only=True):
    """A row: what the settlement of a deposit's bill took, and what is left of it."""

    record_id: int
    settlement_id: int
    """The settlement by which the deposit was paid."""
    institution_id: int
    stay_no: str
    held_fen: int
    """Owed to the patient, or counted by a discharge; neither given back nor promised back."""
    taken_by: int | None
    """The settlement of the discharge that counts it."""
    settled_at: datetime
    version: int
    row_mac: bytes

    def mac_parts(self) -> Sequence[Value]:
        """Every column that the row's MAC covers."""
        return [value for name, value in msgspec.structs.asdict(self).items() if name != "row_mac"]


class StayView(msgspec.Struct, frozen=True, kw_only=True):
    """The deposits of a stay, oldest first."""

    stay_no: str
    deposits: Sequence[Deposit]

    @property
    def held_fen(self) -> int:
        """What a discharge would count now."""
        return sum(one.held_fen for one in self.deposits if one.taken_by is None)
