"""Whether people live together is seen in their registrations, and decides what an address says."""

import random
from datetime import date, timedelta

import pytest

from loadtests.populations import MIXES, Population
from service.person.matching.batch import match
from service.person.matching.households import FEWEST_PAIRS, live_together
from service.person.matching.traits import Line, Traits, traits_of
from tests.support.fakes_identity import citizen_number

TODAY = date(2026, 3, 1)
GIVEN = ("ADA", "BORIS", "CLARA", "DORA", "EMIL", "FRITZ", "GRETA", "HUGO", "KAROL", "JONAS")
FAMILY = ("ACKER", "BRANDT", "CONRAD", "DIETZ", "EBERT", "FALK", "GERBER", "HAHN", "IHLE", "JUNG")
PLACES = ("LINDENWEG", "MARKTGASSE", "NORDRING", "OBERTOR", "PARKALLEE", "QUELLENHOF")


def alone(count: int) -> list[Line]:
    """People who live alone; each is registered twice, the second time under another given name."""
    draw = random.Random(7)  # noqa: S311 - no secret
    lines = []
    for number in range(count):
        born = date(1950, 1, 1) + timedelta(days=397 * number % 20_000)
        home = f"{number + 10} {draw.choice(PLACES)} STADT{number % 40} {10_000 + 7 * number}"
        given, family = draw.sample(GIVEN, 2), draw.choice(FAMILY)
        lines += [
            Line(
                id=f"p{number}-{nth}",
                name=f"{name} {family}",
                birth_date=born.isoformat(),
                address=home,
            )
            for nth, name in enumerate(given)
        ]
    return lines


def families(count: int) -> list[Line]:
    """As many, of whom two live at each address: another name, another day of birth."""
    return [
        Line(id=line.id, name=line.name, birth_date=line.birth_date, address=address)
        for line, address in zip(
            alone(count), [one.address for one in alone(count)[::4] for _ in range(4)], strict=True
        )
    ]


def typed(lines: list[Line]) -> list[Traits]:
    return [traits_of(line, TODAY) for line in lines]


@pytest.mark.parametrize("mix", MIXES)
def test_invented_populations_have_households(mix: str) -> None:
    lines = [Line(**line) for line, _, _ in Population(77, 700, MIXES[mix]).lines()]
    assert live_together(typed(lines))


def test_people_alone_have_none_in_any_order() -> None:
    everybody = typed(alone(FEWEST_PAIRS))
    for seed in range(3):
        random.Random(seed).shuffle(everybody)  # noqa: S311 - no secret
        assert not live_together(everybody)
    assert live_together(typed(families(FEWEST_PAIRS)))


def test_where_too_few_share_an_address_people_live_together() -> None:
    assert live_together(typed(alone(FEWEST_PAIRS - 1)))


def test_where_nobody_lives_together_an_address_is_a_persons_own() -> None:
    """Another given name at the same place and birth date is a slip there, and a twin elsewhere."""
    lines = alone(FEWEST_PAIRS)
    home = match(typed(lines)).cluster_of
    assert [home[at] == home[at + 1] for at in range(0, len(home), 2)] == [True] * FEWEST_PAIRS
    assert len(set(home)) == FEWEST_PAIRS
    lines = families(FEWEST_PAIRS)
    shared = match(typed(lines)).cluster_of
    assert not any(shared[at] == shared[at + 1] for at in range(0, len(shared), 2))


def test_two_own_numbers_at_one_address_are_a_household_among_any_number_who_live_alone() -> None:
    """Few share an address with anybody else in a file of men, say; their twins are twins there."""
    lines, place = alone(FEWEST_PAIRS), "测试市甲区春华路12号3栋401室"
    twins = [
        Line(
            id=f"twin{serial}",
            name=name,
            birth_date="1990-02-03",
            id_no=citizen_number(date(1990, 2, 3), serial),
            address=place,
        )
        for serial, name in ((11, "王小明"), (33, "王小亮"))
    ]
    assert not live_together(typed(lines + twins[:1]))
    assert live_together(typed(lines + twins))
