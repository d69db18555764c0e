"""Stories in which a host dies at every crash point: others take over, and all books agree.

A story is one settlement in fair weather with scripted faults. Told without a crash it shows which
points it passes; then it is told again with a crash at each place in the code.
"""

from enum import StrEnum

import msgspec

from integrations.sandbox.alipay.faults import Fault as AlipayFault
from integrations.sandbox.cover.faults import Fault as CoverFault
from integrations.sandbox.fiscal.faults import Fault as FiscalFault
from integrations.sandbox.hospital.insurance_machine import MachineFault
from integrations.sandbox.insurance.faults import Fault as BureauFault
from integrations.sandbox.wechatpay.faults import Fault as WechatFault
from service.bill.states import BillKind
from service.institution import actions as institution
from service.institution.model import MovedAmounts
from service.simulate.counter import Cashier
from service.simulate.operator import Operator
from service.simulate.plans import CENTRE, MIXED, Plan
from service.simulate.points import CrashPoints
from service.simulate.reading import look
from service.simulate.run import live, payer_of
from service.simulate.weather import HOSPITAL, Weather, WireFault
from service.simulate.world import Grounds, a_world

STORY_SEED = 7
FAIR = Weather(name="fair")
SPENT_FEN = 500_00
"""The patient's deductible is spent, so the fund pays a part."""
When = tuple[str, str, StrEnum]
"""Partner, operation, and what goes wrong with its next call."""


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """How one settlement goes, and how it ends when nobody dies."""

    name: str
    ends: str
    plan: Plan
    moved: MovedAmounts = MovedAmounts.ADJUST
    faults: tuple[When, ...] = ()
    approval_above_fen: int | None = None
    own_machine: bool = False
    """The hospital's own machine performs the insurance calls."""
    has_operator: bool = False
    """Somebody looks at the work items."""


def _plan(**wishes: object) -> Plan:
    fixed = {"name": "payer", "patient": 0, "amounts_fen": (60_03, 40_01)}
    return Plan(**{**fixed, **wishes})  # type: ignore[arg-type]


def _stay(*deposits_fen: int, **wishes: object) -> Plan:
    stay = {"kind": BillKind.DISCHARGE, "stay_no": "ZY-1", "deposits_fen": deposits_fen}
    return _plan(**{**stay, **wishes})


_MOVED: When = ("insurance", "2207", BureauFault.MOVE_COUNTERS)
STORIES = (
    Story(name="own-money", ends="POSTED", plan=_plan(insured=False)),
    Story(name="insured", ends="POSTED", plan=_plan(provider="alipay", way="jsapi")),
    Story(name="account", ends="POSTED", plan=_plan(use_account=True)),
    Story(name="abandoned", ends="REVERSED (abandoned)", plan=_plan(pays="abandons")),
    Story(name="not-paid", ends="REVERSED (deadline-passed)", plan=_plan(pays="never")),
    Story(name="left", ends="REVERSED (deadline-passed)", plan=_plan(pays="leaves")),
    Story(name="changed-way", ends="POSTED", plan=_plan(other_way=("alipay", "native"))),
    Story(name="taken-over", ends="POSTED", plan=_plan(takes_over=True)),
    Story(
        name="taken-over-while-paid",
        ends="POSTED",
        plan=_plan(insured=False, takes_over=True),
        faults=(("wechatpay", "close", WechatFault.PAID_DURING_CLOSE),),
    ),
    Story(
        name="late-payment",
        ends="REVERSED (deadline-passed)",
        plan=_plan(insured=False, pays="never", provider="wechatpay"),
        faults=(("wechatpay", "close", WechatFault.PAID_DURING_CLOSE),),
    ),
    Story(
        name="settlement-refused",
        ends="REVERSED (insurance-refused)",
        plan=_plan(),
        faults=(("insurance", "2207", BureauFault.REJECT),),
    ),
    Story(
        name="settlement-lost",
        ends="POSTED",
        plan=_plan(),
        faults=(("insurance", "2207", BureauFault.DROP_AFTER),),
    ),
    Story(
        name="charges-lost",
        ends="POSTED",
        plan=_plan(),
        faults=(("insurance", "2204", BureauFault.ERROR_AFTER),),
    ),
    Story(
        name="order-lost",
        ends="POSTED",
        plan=_plan(provider="alipay"),
        faults=(("alipay", "place", AlipayFault.DROP_AFTER),),
    ),
    Story(
        name="amounts-undone",
        ends="REVERSED (amounts-moved)",
        plan=_plan(),
        moved=MovedAmounts.UNDO,
        faults=(_MOVED,),
    ),
    Story(
        name="reversal-lost",
        ends="REVERSED (amounts-moved)",
        plan=_plan(provider="alipay"),
        moved=MovedAmounts.UNDO,
        faults=(_MOVED, ("insurance", "2208", BureauFault.DROP_AFTER)),
    ),
    Story(name="cash-rose", ends="POSTED", plan=_plan(), faults=(_MOVED,)),
    Story(
        name="difference-not-paid",
        ends="REVERSED (difference-not-paid)",
        plan=_plan(pays_difference=False),
        faults=(_MOVED,),
    ),
    Story(
        name="refund-late",
        ends="REVERSED (insurance-refused)",
        plan=_plan(provider="alipay"),
        faults=(
            ("insurance", "2207", BureauFault.REJECT),
            ("alipay", "refund", AlipayFault.REFUND_PENDING),
        ),
    ),
    Story(name="centre", ends="POSTED", plan=_plan(provider=CENTRE[0], way=CENTRE[1])),
    Story(
        name="centre-not-paid",
        ends="REVERSED (deadline-passed)",
        plan=_plan(provider=CENTRE[0], way=CENTRE[1], pays="never"),
    ),
    Story(
        name="centre-and-return",
        ends="REVERSED (returned)",
        plan=_plan(provider=CENTRE[0], way=CENTRE[1], gives_back=("all",)),
    ),
    Story(
        name="centre-refused",
        ends="REVERSED (centre-refused)",
        plan=_plan(provider=CENTRE[0], way=CENTRE[1]),
        faults=(("insurance", "pay_order", BureauFault.REJECT),),
    ),
    Story(
        name="centre-lost",
        ends="REVERSED (returned)",
        plan=_plan(provider=CENTRE[0], way=CENTRE[1], gives_back=("all",)),
        faults=(
            ("insurance", "uldFeeInfo", BureauFault.DROP_AFTER),
            ("insurance", "pay_order", BureauFault.DROP_AFTER),
            ("insurance", "refund_Order", BureauFault.DROP_AFTER),
        ),
    ),
    Story(name="mixed", ends="POSTED", plan=_plan(provider=MIXED[0], way=MIXED[1])),
    Story(
        name="mixed-not-paid",
        ends="REVERSED (deadline-passed)",
        plan=_plan(provider=MIXED[0], way=MIXED[1], pays="never"),
    ),
    Story(
        name="mixed-insurance-fails",
        ends="REVERSED (payment-refused)",
        plan=_plan(provider=MIXED[0], way=MIXED[1]),
        faults=(("wechatpay", "place-mixed", WechatFault.MIXED_INSURANCE_FAILS),),
    ),
    Story(
        name="mixed-cash-fails",
        ends="REVERSED (payment-refused)",
        plan=_plan(provider=MIXED[0], way=MIXED[1]),
        faults=(("wechatpay", "place-mixed", WechatFault.MIXED_CASH_FAILS),),
    ),
    Story(
        name="mixed-lost",
        ends="REVERSED (returned)",
        plan=_plan(provider=MIXED[0], way=MIXED[1], gives_back=("all",)),
        faults=(
            ("wechatpay", "place-mixed", WechatFault.DROP_AFTER),
            ("wechatpay", "tell-refund", WechatFault.DROP_BEFORE),
            ("insurance", "refund_Order", BureauFault.DROP_AFTER),
        ),
    ),
    Story(
        name="relief-and-line-given-back",
        ends="POSTED",
        plan=_plan(relief_fen=30_00, gives_back=("line",)),
    ),
    Story(
        name="relief-returned",
        ends="REVERSED (returned)",
        plan=_plan(relief_fen=90_00, insured=False, gives_back=("all",)),
    ),
    Story(name="cover", ends="POSTED", plan=_plan(cover="CV90")),
    Story(
        name="cover-lost",
        ends="POSTED",
        plan=_plan(cover="CV90", gives_back=("line",)),
        faults=(
            ("cover", "adjudicate", CoverFault.DROP_AFTER),
            ("cover", "confirm", CoverFault.DROP_AFTER),
            ("cover", "withdraw", CoverFault.DROP_AFTER),
        ),
    ),
    Story(
        name="cover-returned",
        ends="REVERSED (returned)",
        plan=_plan(cover="CV70", amounts_fen=(400_00,), gives_back=("all",)),
    ),
    Story(
        name="cover-granted-less",
        ends="POSTED",
        plan=_plan(cover="CV90"),
        faults=(("cover", "confirm", CoverFault.CAP_USED),),
    ),
    Story(
        name="cover-refused-and-undone",
        ends="REVERSED (amounts-moved)",
        plan=_plan(cover="CV90"),
        moved=MovedAmounts.UNDO,
        faults=(("cover", "confirm", CoverFault.REFUSE),),
    ),
    Story(name="own-machine", ends="POSTED", plan=_plan(use_account=True), own_machine=True),
    Story(
        name="own-machine-silent",
        ends="POSTED",
        plan=_plan(gives_back=("line",)),
        own_machine=True,
        faults=(
            (HOSPITAL, "presettle", MachineFault.CRASH),
            (HOSPITAL, "settle", MachineFault.SILENT),
            (HOSPITAL, "reverse", MachineFault.SILENT),
        ),
    ),
    Story(
        name="own-machine-in-doubt",
        ends="REVERSED (amounts-moved)",
        plan=_plan(provider="alipay"),
        moved=MovedAmounts.UNDO,
        own_machine=True,
        faults=(
            (HOSPITAL, "settle", MachineFault.MOVED),
            (HOSPITAL, "reverse", MachineFault.UNKNOWN),
            (HOSPITAL, "find", MachineFault.UNKNOWN),
        ),
    ),
    Story(
        name="own-machine-abandoned",
        ends="REVERSED (abandoned)",
        plan=_plan(pays="abandons"),
        own_machine=True,
        faults=((HOSPITAL, "withdraw", MachineFault.SILENT),),
    ),
    Story(name="relative", ends="POSTED", plan=_plan(relative=True, way="jsapi")),
    Story(
        name="registration",
        ends="POSTED",
        plan=_plan(kind=BillKind.REGISTRATION, amounts_fen=(12_00,)),
    ),
    Story(name="stay-and-supplement", ends="POSTED", plan=_stay(30_00, 20_00)),
    Story(name="stay-and-rest-back", ends="POSTED", plan=_stay(90_00, 80_00, provider="alipay")),
    Story(
        name="stay-returned",
        ends="REVERSED (returned)",
        plan=_stay(90_00, gives_back=("line", "all")),
        faults=(("wechatpay", "refund", WechatFault.DROP_AFTER),),
    ),
    Story(name="code", ends="POSTED", plan=_plan(insured=False, way="code")),
    Story(
        name="code-not-confirmed",
        ends="REVERSED (deadline-passed)",
        plan=_plan(insured=False, way="code", code_end="11"),
    ),
    Story(
        name="code-refused",
        ends="REVERSED (deadline-passed)",
        plan=_plan(insured=False, way="code", code_end="22", pays="never"),
    ),
    Story(
        name="refund-stuck",
        ends="REVERSED (returned)",
        plan=_plan(insured=False, gives_back=("all",)),
        faults=(("wechatpay", "refund", WechatFault.REFUND_ABNORMAL),),
        has_operator=True,
    ),
    Story(
        name="refund-failed-then-more-back",
        ends="POSTED",
        plan=_plan(insured=False, amounts_fen=(20_02, 40_01, 60_03), gives_back=("line", "line")),
        faults=(("wechatpay", "refund", WechatFault.REFUND_CLOSED),),
        has_operator=True,
    ),
    Story(
        name="invoice-refused",
        ends="POSTED",
        plan=_plan(),
        faults=(("fiscal", "invoiceEBillOutpatient", FiscalFault.REFUSE),),
        has_operator=True,
    ),
    Story(
        name="line-given-back",
        ends="POSTED",
        plan=_plan(gives_back=("line",)),
        approval_above_fen=0,
    ),
    Story(
        name="counter-and-return",
        ends="REVERSED (returned)",
        plan=_plan(tender="cash", part_at_counter=True, gives_back=("all",)),
    ),
    Story(
        name="late-request",
        ends="POSTED",
        plan=_plan(insured=True),
        faults=(("insurance", "2207", WireFault.LATE_REQUEST),),
    ),
)


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """One telling."""

    story: str
    at: tuple[int, ...]
    crashed_at: list[str]
    passed: list[str]
    """Every point in order."""
    states: dict[str, int]
    violations: list[str]
    trace: list[str]


async def tell(grounds: Grounds, story: Story, at: tuple[int, ...] = ()) -> Told:
    """The story with a crash at each of these points, looked at in the end."""
    points = CrashPoints(at)
    made = a_world(grounds, STORY_SEED, FAIR, points, own_machine=story.own_machine)
    async with made as world:
        await world.set_up(story.moved)
        insured = world.persons()[0]
        record_id = await world.admit(insured)
        book = world.twins.insurance.book
        for enrolled in insured.enrolments:
            book.move(insured.psn_no, enrolled.insutype, world.began.year, {"op.dedc": SPENT_FEN})
        for partner, operation, fault in story.faults:
            world.sky.scripted.setdefault((partner, operation), []).append(fault)
        if story.plan.tender is not None:
            await world.hire(Cashier(world, 1))
        above_fen = story.approval_above_fen
        await institution.set_approval_limit(world.ctx, world.place.institution_id, above_fen)
        payer = payer_of(world, msgspec.structs.replace(story.plan, patient=record_id))
        await live(world, [payer], Operator(world, diligent=True) if story.has_operator else None)
        outcome = await look(world)
        violations = list(outcome.violations)
        if not at and list(outcome.states) != [story.ends]:
            violations.append(f"ends as {outcome.states}, not as {story.ends}")
        return Told(
            story=story.name,
            at=at,
            crashed_at=points.crashed_at,
            passed=points.passed,
            states=outcome.states,
            violations=violations,
            trace=world.stage.trace(),
        )


def first_passes(passed: list[str], after: int = 0) -> dict[str, int]:
    """The number of the first pass of each point after one."""
    found: dict[str, int] = {}
    for number, name in enumerate(passed, start=1):
        if number > after:
            found.setdefault(name, number)
    return found
