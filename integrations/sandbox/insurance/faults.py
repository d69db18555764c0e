"""Faults on demand: scripted by message, person or transaction, or seeded at random.

A seeded fault depends on seed and message number only, so a run repeats in any interleaving.
"""

import hashlib
from enum import StrEnum

import msgspec


class Fault(StrEnum):
    """What may go wrong with one message."""

    DROP_BEFORE = "drop_before"
    """Nothing done, and the connection breaks."""
    DROP_AFTER = "drop_after"
    """Done, and the connection breaks in the answer."""
    ERROR_BEFORE = "error_before"
    """HTTP 500, nothing done."""
    ERROR_AFTER = "error_after"
    """HTTP 500, but done."""
    GARBLE = "garble"
    """Done, and the answer is no JSON."""
    DELAY = "delay"
    """Done, and answered ``delay_ms`` late."""
    REJECT = "reject"
    """Refused with ``text``, nothing done."""
    SIGNED_OUT = "signed_out"
    """Refused because the operator's sign-in of today has been dropped."""
    BREAK_IDENTITY = "break_identity"
    """Done, and the answer's cash is one fen more than it adds up to."""
    OTHER_CHARSET = "other_charset"
    """Done, and answered in another charset: GB18030, at the mobile centre UTF-16."""
    SPOIL_FILE = "spoil_file"
    """Done, and the file that is answered is damaged as ``text`` says (``clearing.spoilt``)."""
    UNSIGNED = "unsigned"
    """Mobile centre: done, and answered without a signature."""
    FORGE = "forge"
    """Mobile centre: done, and answered under a key that is not the centre's."""
    UNKNOWN_STATE = "unknown_state"
    """Mobile centre: done, and answered with a state that no table lists."""
    OTHER_ORDER = "other_order"
    """Mobile centre: done, and answered for an order that was not asked about."""
    UNEVEN_REFUND = "uneven_refund"
    """Mobile centre: insurance gives back and own money does not, so that the order is 14."""
    MOVE_COUNTERS = "move_counters"
    """``moves`` happen first, as if another institution had settled in between."""


class ScriptedFault(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Commit ``fault`` the next ``times`` times a message matches every field that is given."""

    fault: Fault
    infno: str = ""
    msgid: str = ""
    psn_no: str = ""
    times: int = 1
    delay_ms: int = 0
    text: str = "模拟拒绝"
    insutype: str = "310"
    moves: dict[str, int] = {}
    """Fen by counter name (``op.dedc``, ``op.pool``, ``balance``, …); see the folder's README."""

    def matches(self, infno: str, msgid: str, psn_no: str) -> bool:
        """Does this message meet the conditions?"""
        wanted = ((self.infno, infno), (self.msgid, msgid), (self.psn_no, psn_no))
        return self.times > 0 and all(want in ("", found) for want, found in wanted)


class RandomFaults(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Commit one of ``kinds`` on about ``rate_e4`` of ten thousand messages."""

    seed: str = "0"
    rate_e4: int = 0
    kinds: list[Fault] = []
    delay_ms: int = 100


class FaultPlan:
    """Scripted faults in order of arrival, then the seeded ones."""

    def __init__(self) -> None:
        self.scripted: list[ScriptedFault] = []
        self.random = RandomFaults()

    def clear(self) -> None:
        """No faults any more."""
        self.scripted = []
        self.random = RandomFaults()

    def take(self, infno: str, msgid: str, psn_no: str) -> ScriptedFault | None:
        """The fault to commit on this message, used up by one."""
        for planned in self.scripted:
            if planned.matches(infno, msgid, psn_no):
                planned.times -= 1
                self.scripted = [one for one in self.scripted if one.times > 0]
                return planned
        return self._seeded(msgid)

    def _seeded(self, msgid: str) -> ScriptedFault | None:
        plan = self.random
        if plan.rate_e4 <= 0 or not plan.kinds:
            return None
        drawn = hashlib.sha256(f"{plan.seed}|{msgid}".encode()).digest()
        if int.from_bytes(drawn[:4], "big") % 10_000 >= plan.rate_e4:
            return None
        kind = plan.kinds[int.from_bytes(drawn[4:8], "big") % len(plan.kinds)]
        return ScriptedFault(fault=kind, delay_ms=plan.delay_ms)
