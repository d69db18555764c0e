"""What travels: cashiers' sign-in, shifts and their reports. Amounts are integer fen."""

from datetime import datetime
from typing import Annotated

import msgspec

from integrations.ports.money import FEN_MAX, FenField
from service.kernel.context import Context
from service.shift import rules
from service.shift.model import Counted, Entry, Report, Shift, SignedIn, Sums, Tender

StaffNumber = Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z]{1,20}$(?!\n)")]
Pin = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{6,12}$(?!\n)")]
Words = Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
SignedFenField = Annotated[int, msgspec.Meta(ge=-FEN_MAX, le=FEN_MAX)]


class SignInRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A cashier's number and PIN."""

    staff_no: StaffNumber
    pin: Pin


class OpeningRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The cash that lies in the drawer at the opening."""

    float_fen: FenField


class ClosingRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What the cashier counted. ``explanation`` is needed where that differs from the books."""

    counted_cash_fen: FenField
    counted_pos_fen: SignedFenField
    """The card slips: taken less given back."""
    explanation: Words | None = None

    def counted(self) -> Counted:
        """For the books."""
        return Counted(
            cash_fen=self.counted_cash_fen,
            pos_fen=self.counted_pos_fen,
            explanation=self.explanation,
        )


class HandoverRequest(ClosingRequest, forbid_unknown_fields=True, kw_only=True):
    """The same, and who goes on at the drawer with how much of the cash."""

    next_staff_no: StaffNumber
    next_pin: Pin
    float_fen: FenField


class TenderSums(msgspec.Struct, kw_only=True):
    """What one tender moved in a shift."""

    taken_fen: FenField
    given_fen: FenField
    count: int

    @classmethod
    def of(cls, sums: Sums) -> "TenderSums":
        """As they stand."""
        return cls(taken_fen=sums.taken_fen, given_fen=sums.given_fen, count=sums.count)


class EntryAnswer(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Money taken or given. INTENDED: a request is being worked on."""

    entry_id: str
    direction: str
    tender: str
    amount_fen: FenField
    settlement_id: str
    state: str
    made_at: datetime
    slip_no: str | None = None

    @classmethod
    def of(cls, ctx: Context, entry: Entry) -> "EntryAnswer":
        """As it stands."""
        return cls(
            entry_id=ctx.public_ids.text(entry.institution_id, entry.entry_id),
            direction=entry.direction.value,
            tender=entry.tender.value,
            amount_fen=entry.amount_fen,
            settlement_id=ctx.public_ids.text(entry.record_id, entry.settlement_id),
            state=entry.state.value,
            made_at=entry.made_at,
            slip_no=entry.slip_no,
        )


class ShiftAnswer(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A shift. What was counted and how it differs stands there once it is closed."""

    shift_id: str
    state: str
    float_fen: FenField
    opened_at: datetime
    here: bool
    """Whether it is at this terminal's drawer."""
    closed_at: datetime | None = None
    explanation: str | None = None

    @classmethod
    def of(cls, ctx: Context, shift: Shift, terminal_id: int) -> "ShiftAnswer":
        """As it stands."""
        return cls(
            shift_id=ctx.public_ids.text(shift.institution_id, shift.shift_id),
            state=shift.state.value,
            float_fen=shift.float_fen,
            opened_at=shift.opened_at,
            here=shift.terminal_id == terminal_id,
            closed_at=shift.closed_at,
            explanation=shift.explanation,
        )


class SignInAnswer(msgspec.Struct, kw_only=True, omit_defaults=True):
    """``session`` goes into the header ``Yimatong-Staff`` of what the cashier does."""

    session: str
    staff_no: str
    tenders: list[str]
    """What the institution's counters take: ``cash``, ``pos``."""
    shift: ShiftAnswer | None = None
    """His open shift."""

    @classmethod
    def of(
        cls, ctx: Context, signed: SignedIn, tenders: list[Tender], terminal_id: int
    ) -> "SignInAnswer":
        """Told once."""
        shift = signed.shift
        return cls(
            session=signed.token,
            staff_no=signed.staff.staff_no,
            tenders=[one.value for one in tenders],
            shift=ShiftAnswer.of(ctx, shift, terminal_id) if shift is not None else None,
        )


class ReportAnswer(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A shift's books: the entries, and what should be there."""

    staff_no: str
    shift: ShiftAnswer
    cash: TenderSums
    pos: TenderSums
    expected_cash_fen: SignedFenField
    """In the drawer: the float, what was taken, less what was given."""
    expected_pos_fen: SignedFenField
    entries: list[EntryAnswer]
    counted_cash_fen: FenField | None = None
    counted_pos_fen: SignedFenField | None = None

    @classmethod
    def of(cls, ctx: Context, report: Report, terminal_id: int) -> "ReportAnswer":
        """An open shift's as it stands, a closed one's as it was."""
        shift, entries = report.shift, report.entries
        cash, pos = rules.sums_of(entries, Tender.CASH), rules.sums_of(entries, Tender.POS)
        return cls(
            staff_no=report.staff.staff_no,
            shift=ShiftAnswer.of(ctx, shift, terminal_id),
            cash=TenderSums.of(cash),
            pos=TenderSums.of(pos),
            expected_cash_fen=shift.float_fen + cash.net_fen,
            expected_pos_fen=pos.net_fen,
            entries=[EntryAnswer.of(ctx, one) for one in entries],
            counted_cash_fen=shift.counted_cash_fen,
            counted_pos_fen=shift.counted_pos_fen,
        )


class HandoverAnswer(msgspec.Struct, kw_only=True):
    """The closed shift's books, and the next cashier's sign-in with his open shift."""

    report: ReportAnswer
    next: SignInAnswer
