"""What one payer and his hospital want, as drawn before anything happens."""

import random
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from integrations.ports.insurance import ChargeLine, Diagnosis, Visit
from service.bill.model import BillContent, BillCover, Relief, Stay
from service.bill.rules import BEFORE_DIAGNOSIS
from service.bill.states import OF_STAY, BillKind
from service.sandbox.keys import INSURER

CATALOGUE = ("TESTMED000001", "TESTMED000002", "TESTMED000003", "TESTMED000005")


PROVIDERS = ("wechatpay", "alipay")
WAYS = tuple((provider, way) for provider in PROVIDERS for way in ("native", "jsapi", "code"))
"""Of own money."""
CENTRE = ("mobile_centre", "authorised")
"""The insurance's payment centre, and the way there. Without insurance it takes nobody: such a
payer is refused, and his time runs out."""
MIXED = ("wechatpay", "mixed")
"""Insurance and own part in one act inside the mini-program."""
ALLOWED = frozenset({CENTRE[1], MIXED[1]})
"""Ways for which the payer first says yes in the national insurance app."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What one payer and his hospital want."""

    name: str
    patient: int
    amounts_fen: tuple[int, ...]
    starts_after: timedelta = timedelta(0)
    kind: BillKind = BillKind.OUTPATIENT
    stay_no: str = ""
    """Of a deposit and of a discharge."""
    deposits_fen: tuple[int, ...] = ()
    """What a discharge's patient pays before it, one after another."""
    late_deposit: bool = False
    """The last of them while the discharge goes on."""
    relief_fen: int = 0
    """What a programme takes over of his part, at most."""
    cover: str = ""
    """What he gave the hospital for his commercial insurer; its beginning says which policy."""
    insured: bool = True
    use_account: bool = False
    provider: str = "wechatpay"
    way: str = "native"
    other_way: tuple[str, str] | None = None
    """Provider and way that he changes to before he pays."""
    code_end: str | None = None
    """The last digits of the code that his phone shows, by which the twins tell what it does."""
    pays: str = "soon"
    """``soon``, ``late`` (after the deadline), ``never``; ``leaves`` before there is an order;
    ``abandons``: gives up instead."""
    pays_difference: bool = True
    pays_again: bool = False
    """Afterwards he pays a code that still stands on a screen, if the provider lets him."""
    second_device: bool = False
    hospital: str = "posts"
    """``posts``, ``late`` (after its time), ``never``."""
    takes_over: bool = False
    """He orders on his phone, then goes on at a kiosk."""
    relative: bool = False
    """He sends a link, and somebody else pays what it shows."""
    tender: str | None = None
    """``cash`` or ``pos``: he goes to a counter instead."""
    part_at_counter: bool = False
    """Only a part of it; the rest by his provider."""
    gives_back: tuple[str, ...] = ()
    """Once posted: ``line``, ``half`` (of a line's quantity), ``all``; one after another."""
    approval: str = "approves"
    """Of a second person, where one is needed: ``approves``, ``refuses``."""
    second_window: bool = False
    """Another clerk gives all of it back at the same time."""


_DIAGNOSES = [Diagnosis(code="J06.900", name="急性上呼吸道感染", main=True)]
GIVEN_BACK = ((), ("line",), ("half",), ("all",), ("line", "all"), ("half", "line"))


def draw_plan(
    draw: random.Random, number: int, patients: Sequence[int], ways: Sequence[tuple[str, str]]
) -> Plan:
    """A plan of every kind, the ordinary ones more often; paid in one of ``ways``."""
    provider, way = draw.choice(ways)
    kind = draw.choices(
        (BillKind.OUTPATIENT, BillKind.REGISTRATION, BillKind.DISCHARGE), (80, 6, 14)
    )[0]
    if kind is not BillKind.OUTPATIENT and (provider, way) in (CENTRE, MIXED):
        provider, way = "alipay", "native"
    other = draw.choice(WAYS) if draw.random() < 0.12 else None
    return Plan(
        name=f"payer-{number}",
        patient=draw.choice(patients),
        amounts_fen=tuple(draw.randrange(1, 300_00) for _ in range(draw.choice((1, 1, 2, 3)))),
        starts_after=timedelta(seconds=draw.randrange(600)),
        kind=kind,
        stay_no=f"ZY-{number}" if kind is BillKind.DISCHARGE else "",
        deposits_fen=_deposits(draw) if kind is BillKind.DISCHARGE else (),
        late_deposit=draw.random() < 0.3,
        relief_fen=draw.randrange(1, 200_00) if draw.random() < 0.15 else 0,
        insured=draw.random() < 0.85,
        use_account=draw.random() < 0.4,
        provider=provider,
        way=way,
        other_way=other,
        pays=draw.choices(("soon", "late", "never", "leaves", "abandons"), (82, 4, 4, 3, 7))[0],
        pays_difference=draw.random() < 0.7,
        pays_again=draw.random() < 0.3,
        second_device=draw.random() < 0.25,
        hospital=draw.choices(("posts", "late", "never"), (92, 5, 3))[0],
        tender=draw.choices((None, "cash", "pos"), (78, 13, 9))[0],
        part_at_counter=draw.random() < 0.4,
        gives_back=draw.choices(GIVEN_BACK, (76, 9, 4, 5, 3, 3))[0],
        approval=draw.choices(("approves", "refuses"), (80, 20))[0],
        second_window=draw.random() < 0.3,
        takes_over=draw.random() < 0.15,
        relative=draw.random() < 0.12,
        cover=draw.choices(("", "CV70", "CV90", "CV00", "CVEX"), (66, 13, 17, 2, 2))[0],
    )


def _reliefs(plan: Plan) -> list[Relief]:
    whole = [Relief(programme="R-1", name="测试减免", amount_fen=plan.relief_fen)]
    return whole if 0 < plan.relief_fen <= sum(plan.amounts_fen) else []


def _cover(plan: Plan) -> BillCover | None:
    """Of a policy of his own."""
    if not plan.cover:
        return None
    return BillCover(insurer=INSURER, authorisation=f"{plan.cover}-{plan.patient}")


def _deposits(draw: random.Random) -> tuple[int, ...]:
    return tuple(draw.randrange(1, 400_00) for _ in range(draw.choice((0, 1, 1, 2, 3))))


def content_of(plan: Plan, began: datetime) -> BillContent:
    """The bill that the hospital pushes for him."""
    lines = [
        ChargeLine(
            line_no=str(place),
            catalogue_code=CATALOGUE[fen % len(CATALOGUE)],
            local_code=f"L{place}",
            name="测试项目",
            quantity_e4=10_000,
            unit_price_e6=fen * 10_000,
            amount_fen=fen,
            charged_at=began,
        )
        for place, fen in enumerate(plan.amounts_fen, start=1)
    ]
    return BillContent(
        visit=Visit(
            visit_no=plan.stay_no or f"V-{plan.name}",
            began_at=began,
            doctor_no="D990001000001",
            doctor_name="测试医师",
            department_no="A03",
            department_name="内科",
            speciality="A03",
            visit_type="21" if plan.kind in OF_STAY else "11",
            diagnoses=[] if plan.kind in BEFORE_DIAGNOSIS else _DIAGNOSES,
        ),
        lines=lines,
        total_fen=sum(plan.amounts_fen),
        pay_until=began + timedelta(days=7),
        kind=plan.kind,
        reliefs=_reliefs(plan),
        cover=_cover(plan),
        stay=Stay(stay_no=plan.stay_no, bed="12", ended_at=began) if plan.stay_no else None,
    )
