"""What goes wrong in a seed: how often calls fail, hosts die and the clock leaps.

The kinds are the twins' own faults and those of the way between; which of them fits a call is
decided here, which one happens is drawn.
"""

import random
from collections import Counter
from datetime import timedelta
from enum import StrEnum

import msgspec

from integrations.sandbox.alipay.faults import Fault as AlipayFault
from integrations.sandbox.cover.faults import Fault as CoverFault
from integrations.sandbox.fiscal.faults import Fault as FiscalFault
from integrations.sandbox.hospital.insurance_machine import MachineFault
from integrations.sandbox.insurance.faults import Fault as BureauFault
from integrations.sandbox.wechatpay.faults import Fault as WechatFault


class WireFault(StrEnum):
    """What may go wrong on the way."""

    NOT_REACHED = "not-reached"
    """No connection: certainly not sent."""
    LOST_REQUEST = "lost-request"
    """Sent, and it never arrives."""
    LOST_ANSWER = "lost-answer"
    """Done, and the answer never arrives."""
    LATE_REQUEST = "late-request"
    """The caller gave up; then it arrives after all."""
    DOUBLED_REQUEST = "doubled-request"
    """Arrives a second time, after the answer."""
    SLOW = "slow"
    """The answer takes seconds, within the caller's patience."""


class Weather(msgspec.Struct, frozen=True, kw_only=True):
    """Chances in thousandths."""

    name: str
    calls: int = 0
    """That a call, or a notice, goes wrong."""
    crashes: int = 0
    """That a step ends with the death of a host."""
    leaps: int = 0
    """That the clock leaps by minutes while actors are busy."""
    outage: int = 0
    """That a partner goes away for minutes."""


WEATHERS = (
    Weather(name="calm"),
    Weather(name="breeze", calls=60, crashes=1),
    Weather(name="crashes", calls=20, crashes=8),
    Weather(name="storm", calls=250, crashes=3, leaps=1, outage=1),
    Weather(name="leaps", calls=30, crashes=1, leaps=2),
)

HOSPITAL = "hospital"
"""Its own insurance machine, which asks us: its requests are ``take`` and ``answer``, and what it
does wrong with a call goes by the kind of the call."""
_W, _A, _B, _F, _C = WechatFault, AlipayFault, BureauFault, FiscalFault, CoverFault
_M = MachineFault
_WIRE = tuple(WireFault)

WECHAT_ANSWERS = (
    _W.DROP_BEFORE,
    _W.DROP_AFTER,
    _W.ERROR_BEFORE,
    _W.ERROR_AFTER,
    _W.TOO_OFTEN,
    _W.ANSWER_UNSIGNED,
    _W.ANSWER_FORGED,
    _W.ANSWER_STALE,
    _W.ANSWER_GARBLED,
)
ALIPAY_ANSWERS = (
    _A.DROP_BEFORE,
    _A.DROP_AFTER,
    _A.ERROR_BEFORE,
    _A.ERROR_AFTER,
    _A.SYSTEM_ERROR_AFTER,
    _A.BROKEN_GATEWAY,
    _A.TOO_OFTEN,
    _A.ANSWER_UNSIGNED,
    _A.ANSWER_FORGED,
    _A.ANSWER_GARBLED,
    _A.ANSWER_SWAPPED,
    _A.ANSWER_DOUBLED,
    _A.ANSWER_GBK,
)
BUREAU_ANSWERS = (
    _B.DROP_BEFORE,
    _B.DROP_AFTER,
    _B.ERROR_BEFORE,
    _B.ERROR_AFTER,
    _B.GARBLE,
    _B.REJECT,
    _B.SIGNED_OUT,
)
FISCAL_ANSWERS = (
    _F.DROP_BEFORE,
    _F.DROP_AFTER,
    _F.ERROR_BEFORE,
    _F.ERROR_AFTER,
    _F.TOO_OFTEN,
    _F.FORGED,
    _F.GARBLED,
    _F.REFUSE,
)
COVER_ANSWERS = (
    _C.DROP_BEFORE,
    _C.DROP_AFTER,
    _C.ERROR_BEFORE,
    _C.ERROR_AFTER,
    _C.TOO_OFTEN,
    _C.FORGED,
    _C.UNSIGNED,
    _C.GARBLED,
    _C.SWAPPED,
    _C.REFUSE,
)
MACHINE_ACTS = (_M.SILENT, _M.CRASH, _M.TWICE, _M.CONTRADICT, _M.REFUSE, _M.UNKNOWN)
NOTICES: dict[str, tuple[StrEnum, ...]] = {
    "wechatpay": (
        _W.NOTICE_LOST,
        _W.NOTICE_DOUBLED,
        _W.NOTICE_LATE,
        _W.NOTICE_REORDERED,
        _W.NOTICE_STALE,
        _W.NOTICE_FORGED,
        _W.NOTICE_WRONG_AMOUNT,
    ),
    "alipay": (
        _A.NOTICE_LOST,
        _A.NOTICE_DOUBLED,
        _A.NOTICE_LATE,
        _A.NOTICE_REORDERED,
        _A.NOTICE_FORGED,
        _A.NOTICE_WRONG_AMOUNT,
        _A.NOTICE_WRONG_SELLER,
    ),
}
OF_OPERATION: dict[tuple[str, str], tuple[StrEnum, ...]] = {
    ("wechatpay", "place"): (_W.PAID_AT_ONCE,),
    ("wechatpay", "place-mixed"): (_W.MIXED_INSURANCE_FAILS, _W.MIXED_CASH_FAILS),
    ("wechatpay", "close"): (_W.PAID_BEFORE_CLOSE, _W.PAID_DURING_CLOSE),
    ("wechatpay", "refund"): (_W.BALANCE_SHORT, _W.REFUND_ABNORMAL, _W.REFUND_CLOSED),
    ("alipay", "place"): (_A.PAID_AT_ONCE,),
    ("alipay", "close"): (_A.PAID_BEFORE_CLOSE,),
    ("alipay", "refund"): (_A.BALANCE_SHORT, _A.REFUND_PENDING),
    ("insurance", "2206"): (_B.BREAK_IDENTITY,),
    ("insurance", "2207"): (_B.BREAK_IDENTITY, _B.MOVE_COUNTERS),
    ("insurance", "pay_order"): (_B.BREAK_IDENTITY,),
    ("insurance", "query_order_info"): (_B.UNKNOWN_STATE, _B.OTHER_ORDER, _B.BREAK_IDENTITY),
    ("insurance", "refund_Order"): (_B.UNEVEN_REFUND,),
    ("cover", "adjudicate"): (_C.MORE,),
    ("cover", "confirm"): (_C.MORE, _C.CAP_USED, _C.LATE),
    (HOSPITAL, "presettle"): (*MACHINE_ACTS, _M.UNEVEN),
    (HOSPITAL, "settle"): (*MACHINE_ACTS, _M.UNEVEN, _M.MOVED),
    (HOSPITAL, "withdraw"): MACHINE_ACTS,
    (HOSPITAL, "reverse"): MACHINE_ACTS,
    (HOSPITAL, "undo"): MACHINE_ACTS,
    (HOSPITAL, "find"): MACHINE_ACTS,
}
RARE_CALLS = {"close": 3, "refund": 3, "adjudicate": 6, "confirm": 8, "withdraw": 8}
"""What is seldom called goes wrong so many times as often."""
ASKS = ("presettle", "settle", "withdraw", "reverse", "undo", "find")
SPECIAL_OF_3 = {"close": 3, "refund": 2, **dict.fromkeys(ASKS, 3)}
"""How often such a fault is one of its operation's own; of other operations, one in three."""
ANSWERS: dict[str, tuple[StrEnum, ...]] = {
    "wechatpay": WECHAT_ANSWERS,
    "alipay": ALIPAY_ANSWERS,
    "insurance": BUREAU_ANSWERS,
    "fiscal": FISCAL_ANSWERS,
    "cover": COVER_ANSWERS,
    HOSPITAL: (),
}


class Sky:
    """The weather as drawn, until somebody clears it."""

    def __init__(self, draw: random.Random, weather: Weather) -> None:
        self._draw = draw
        self.weather = weather
        self.scripted: dict[tuple[str, str], list[StrEnum]] = {}
        """By partner and operation: what goes wrong with its next calls, whatever the weather."""
        self._turns: dict[tuple[str, str], int] = {}
        self.met: Counter[str] = Counter()
        """How often each kind happened."""

    def clear(self) -> None:
        """Nothing goes wrong from now on."""
        self.weather = Weather(name="cleared")

    def happens(self, permille: int) -> bool:
        """Whether something of this chance happens now."""
        return permille > 0 and self._draw.randrange(1000) < permille

    def fault_of_call(self, partner: str, operation: str) -> StrEnum | None:
        """What goes wrong with this call."""
        if waiting := self.scripted.get((partner, operation)):
            return self._met(partner, waiting.pop(0))
        often = RARE_CALLS.get(operation, 1)
        if not self.happens(self.weather.calls * often):
            return None
        special = OF_OPERATION.get((partner, operation), ())
        if special and self._draw.randrange(3) < SPECIAL_OF_3.get(operation, 1):
            return self._met(partner, self._next(partner, operation, special))
        return self._met(partner, self._next(partner, "any", (*_WIRE, *ANSWERS[partner])))

    def _next(self, partner: str, group: str, kinds: tuple[StrEnum, ...]) -> StrEnum:
        """The kinds take turns from a drawn one on, so that none is left out for long."""
        turn = self._turns.setdefault((partner, group), self._draw.randrange(len(kinds)))
        self._turns[partner, group] = turn + 1
        return kinds[turn % len(kinds)]

    def fault_of_notice(self, provider: str) -> StrEnum | None:
        """What goes wrong with the next notice."""
        if not self.happens(self.weather.calls * 2):
            return None
        return self._met(provider, self._next(provider, "notice", NOTICES[provider]))

    def _met(self, partner: str, fault: StrEnum) -> StrEnum:
        self.met[f"{partner}:{fault.value}"] += 1
        return fault

    def seconds(self, least: int, most: int) -> timedelta:
        """A span."""
        return timedelta(seconds=self._draw.randint(least, most))


def kinds() -> set[str]:
    """Every fault that weather may bring, as ``Sky.met`` names them."""
    found = {
        f"{partner}:{fault.value}"
        for table in (ANSWERS, NOTICES)
        for partner, faults in table.items()
        for fault in (*faults, *_WIRE)
    }
    found |= {
        f"{where[0]}:{fault.value}" for where, faults in OF_OPERATION.items() for fault in faults
    }
    return found
