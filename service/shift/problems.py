"""Problems of the counter."""

from service.kernel.problems import Problem


class NotACounter(Problem):
    """The terminal stands in the open: nobody takes money there by hand."""

    code = "not-a-counter"
    status = 403
    title = "This terminal is not a counter"


class StaffSignInRefused(Problem):
    """Never says whether the number, the PIN or the state of the cashier is why."""

    code = "staff-sign-in-refused"
    status = 403
    title = "The staff number or the PIN is wrong"


class StaffLocked(Problem):
    """Too many wrong PINs in a row; for a while not even the right one is looked at."""

    code = "staff-locked"
    status = 403
    title = "Too many wrong PINs; try again later"
    retryable = True


class StaffNotSignedIn(Problem):
    """No session, one that ended, or one of another terminal."""

    code = "staff-not-signed-in"
    status = 401
    title = "No cashier is signed in at this terminal"


class StaffNumberTaken(Problem):
    """The institution has a cashier with this number."""

    code = "staff-number-taken"
    status = 409
    title = "This staff number is taken"


class ShiftAlreadyOpen(Problem):
    """A drawer has one open shift, and a cashier too."""

    code = "shift-already-open"
    status = 409
    title = "A shift is open at this terminal, or of this cashier at another one"


class NoOpenShift(Problem):
    """The cashier has no open shift at this terminal."""

    code = "no-open-shift"
    status = 409
    title = "This cashier has no open shift at this terminal"


class ShiftDifferenceUnexplained(Problem):
    """What was counted is not what the books expect."""

    code = "shift-difference-unexplained"
    status = 409
    title = "The count differs from the books; say why"


class ShiftInDoubt(Problem):
    """A payment of the shift is not known to be written or given up yet."""

    code = "shift-in-doubt"
    status = 409
    title = "A payment of this shift is still being written; try again shortly"
    retryable = True


class TenderNotTaken(Problem):
    """The institution's counters do not take this."""

    code = "tender-not-taken"
    status = 422
    title = "This institution's counters do not take this"


class SlipUsed(Problem):
    """The slip was typed today already."""

    code = "slip-used"
    status = 409
    title = "This slip was entered today already"


class SlipMissing(Problem):
    """A card payment has a slip, cash has none."""

    code = "slip-missing"
    status = 422
    title = "A card payment needs its slip, and cash has none"


class CashNotEnough(Problem):
    """What was handed over is less than the amount."""

    code = "cash-not-enough"
    status = 422
    title = "The cash handed over is less than the amount"


class DrawerTooSmall(Problem):
    """By the books the drawer does not hold that much."""

    code = "drawer-too-small"
    status = 409
    title = "There is not that much cash in the drawer"


class RefundNotWaiting(Problem):
    """It was given, is being given by another cashier, or is not for a counter."""

    code = "refund-not-waiting"
    status = 409
    title = "This refund does not wait at the counter"


class EntryGivenUp(Problem):
    """The payment was given up before it was written: the money goes back to whom it came from."""

    code = "entry-given-up"
    status = 409
    title = "This payment was not recorded; hand the money back"
