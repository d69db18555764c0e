"""What one payer and his hospital want, as drawn before anything happens."""

import random
from collections.abc import Sequence
from datetime import timedelta

import msgspec


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What one payer and his hospital want."""

    name: str
    patient: int
    amounts_fen: tuple[int, ...]
    starts_after: timedelta = timedelta(0)
    insured: bool = True
    use_account: bool = False
    provider: str = "wechatpay"
    way: str = "native"
    other_way: tuple[str, str] | None = None
    """Provider and way that he changes to before he pays."""
    pays: str = "soon"
    """``soon``, ``late`` (after the deadline), ``never``; ``leaves`` before there is an order;
    ``abandons``: gives up instead."""
    pays_difference: bool = True
    pays_again: bool = False
    """Afterwards he pays a code that still stands on a screen, if the provider lets him."""
    second_device: bool = False
    hospital: str = "posts"
    """``posts``, ``late`` (after its time), ``never``."""
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


GIVEN_BACK = ((), ("line",), ("half",), ("all",), ("line", "all"), ("half", "line"))


def draw_plan(draw: random.Random, number: int, patients: Sequence[int]) -> Plan:
    """A plan of every kind, the ordinary ones more often."""
    providers = ("wechatpay", "alipay")
    ways = ("native", "jsapi", "code")
    other = (draw.choice(providers), draw.choice(ways)) if draw.random() < 0.12 else None
    return Plan(
        name=f"payer-{number}",
        patient=draw.choice(patients),
        amounts_fen=tuple(draw.randrange(1, 300_00) for _ in range(draw.choice((1, 1, 2, 3)))),
        starts_after=timedelta(seconds=draw.randrange(600)),
        insured=draw.random() < 0.85,
        use_account=draw.random() < 0.4,
        provider=draw.choice(providers),
        way=draw.choice(ways),
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
    )
