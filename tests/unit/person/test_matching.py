"""Which registrations are one person's: the rules one by one, and what holds of every partition."""

import random
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtests.populations import MIXES, Population
from service.person.matching.batch import match
from service.person.matching.comparing import address_level, compare, date_level, is_one_off
from service.person.matching.deciding import Outcome, judge
from service.person.matching.keys import keys_of
from service.person.matching.learning import learn
from service.person.matching.traits import Line, Traits, traits_of
from service.person.matching.weighing import Rarity, Scale, shipped
from tests.support.fakes_identity import citizen_number

TODAY = date(2026, 3, 1)
BORN = date(2020, 5, 6)
MOTHER_NO = citizen_number(date(1993, 2, 3), 102)
FATHER_NO = citizen_number(date(1986, 3, 9), 103)
OWN_NO = citizen_number(BORN, 101)
PHONE, ADDRESS = "13900010002", "测试市甲区春华路12号3栋401室"
CROWD = 100_000
"""As many registrations as the prior counts on here."""


def a_line(key: str = "R1", **said: Any) -> Line:
    return Line(id=key, **said)


def traits(key: str = "R1", **said: Any) -> Traits:
    return traits_of(a_line(key, **said), TODAY)


class Crowd(Rarity):
    """Names as rare as one in four thousand."""

    def __init__(self) -> None:
        super().__init__([])
        self.count = CROWD

    def name_bits(self, name: str) -> float:
        return 12.0

    def sound_bits(self, sound: str) -> float:
        return 11.0


SCALE = Scale(shipped(), Crowd())


def outcome(one: dict[str, Any], other: dict[str, Any]) -> tuple[Outcome, str]:
    """Of two registrations; the same whichever comes first."""
    a, b = traits("R1", **one), traits("R2", **other)
    found, mirrored = judge(a, b, SCALE), judge(b, a, SCALE)
    assert found == mirrored
    return found.outcome, found.reason


WANG = {"name": "王小明", "birth_date": "2020-05-06", "sex": "M"}
TWIN = {**WANG, "name": "王小亮", "phone": PHONE, "address": ADDRESS}
NEWBORN = {
    "name": "李梅之子",
    "birth_date": "2020-05-06",
    "sex": "M",
    "guardian_id": MOTHER_NO,
    "phone": PHONE,
}

CASES: dict[str, tuple[dict[str, Any], dict[str, Any], Outcome, str]] = {
    "the same number and name": (
        {**WANG, "id_no": OWN_NO},
        {**WANG, "id_no": OWN_NO, "birth_date": None},
        Outcome.MATCH,
        "own-number",
    ),
    "name, birth date and phone": (
        {**WANG, "phone": PHONE},
        {**WANG, "phone": PHONE},
        Outcome.MATCH,
        "bits",
    ),
    "a homophone": (
        {**WANG, "phone": PHONE},
        {**WANG, "name": "王晓明", "phone": PHONE},
        Outcome.MATCH,
        "bits",
    ),
    "a lost character": (
        {**WANG, "phone": PHONE},
        {**WANG, "name": "王?明", "phone": PHONE},
        Outcome.MATCH,
        "bits",
    ),
    "day and month changed over": (
        {**WANG, "phone": PHONE},
        {**WANG, "birth_date": "2020-06-05", "phone": PHONE},
        Outcome.MATCH,
        "bits",
    ),
    "numbers differ": (
        {**WANG, "id_no": OWN_NO},
        {**WANG, "id_no": citizen_number(BORN, 303)},
        Outcome.APART,
        "numbers-differ",
    ),
    "a name and a birth year are nobody": (
        WANG,
        {**WANG, "birth_date": "2020-09-09"},
        Outcome.APART,
        "bits",
    ),
    "father and son of one name, the son under the father's number": (
        {**WANG, "birth_date": "1986-03-09", "id_no": FATHER_NO, "phone": PHONE},
        {**WANG, "id_no": FATHER_NO, "phone": PHONE},
        Outcome.REVIEW,
        "nearly",
    ),
    "one's own number, with slips in date and name": (
        {**WANG, "id_no": OWN_NO},
        {**WANG, "name": "王小刚", "birth_date": "2020-05-08", "id_no": OWN_NO},
        Outcome.REVIEW,
        "nearly",
    ),
    "twins": ({**WANG, "phone": PHONE, "address": ADDRESS}, TWIN, Outcome.DOUBT, "twins"),
    "mother and child by the mother's number": (
        {**WANG, "id_no": MOTHER_NO},
        {"name": "李梅", "birth_date": "1993-02-03", "sex": "F", "id_no": MOTHER_NO},
        Outcome.APART,
        "names-differ",
    ),
    "brothers under one parent's number": (
        {**WANG, "id_no": MOTHER_NO, "phone": PHONE},
        {**WANG, "name": "王小刚", "birth_date": "2018-01-02", "id_no": MOTHER_NO, "phone": PHONE},
        Outcome.APART,
        "relatives",
    ),
    "a newborn that has got its name": (
        NEWBORN,
        {**WANG, "guardian_id": MOTHER_NO, "phone": PHONE},
        Outcome.MATCH,
        "bits",
    ),
    "a newborn of another mother": (
        NEWBORN,
        {**WANG, "guardian_id": citizen_number(date(1990, 1, 1), 104)},
        Outcome.APART,
        "newborn-of-others",
    ),
    "the elder and the younger twin": (
        {**NEWBORN, "name": "李梅之大双"},
        {**NEWBORN, "name": "李梅之小双"},
        Outcome.APART,
        "birth-order",
    ),
    "one of twins, and a child with a name": (
        {**NEWBORN, "name": "李梅之大双"},
        {**WANG, "guardian_id": MOTHER_NO, "phone": PHONE},
        Outcome.DOUBT,
        "several-births",
    ),
    "nobody knows who": (
        {"name": "无名氏", "sex": "M", "birth_date": "2020-05-06", "phone": PHONE},
        {**WANG, "phone": PHONE},
        Outcome.APART,
        "no-name",
    ),
    "a number that says another name": (
        {**WANG, "id_no": OWN_NO},
        {"name": "赵铁柱", "birth_date": "2020-05-06", "id_no": OWN_NO},
        Outcome.REVIEW,
        "number-equal-name-different",
    ),
    "a former name": (
        {**WANG, "former_name": "王大牛", "phone": PHONE},
        {**WANG, "name": "王大牛", "phone": PHONE},
        Outcome.MATCH,
        "bits",
    ),
    "words of a foreign name in another order": (
        {"name": "MARIA GARCIA LOPEZ", "birth_date": "1985-03-04", "sex": "F", "phone": PHONE},
        {"name": "Lopez, Maria Garcia", "birth_date": "1985-03-04", "sex": "F", "phone": PHONE},
        Outcome.MATCH,
        "bits",
    ),
    "a renewed passport says nothing": (
        {**WANG, "id_type": "03", "id_no": "E00000001", "phone": PHONE},
        {**WANG, "id_type": "03", "id_no": "E99990000", "phone": PHONE},
        Outcome.MATCH,
        "bits",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_two_registrations(case: str) -> None:
    one, other, wanted, reason = CASES[case]
    assert outcome(one, other) == (wanted, reason)


@pytest.mark.parametrize(
    ("one", "other", "kind"),
    [
        ({"guardian_id": MOTHER_NO}, {"guardian_id": MOTHER_NO}, 21),
        ({"address": ADDRESS}, {"name": "王晓明", "address": ADDRESS.removeprefix("测试市")}, 20),
        ({"birth_date": "1971-05-04"}, {"birth_date": "1971-03-24"}, 22),
    ],
)
def test_they_meet_by_one_kind_of_key_alone(
    one: dict[str, Any], other: dict[str, Any], kind: int
) -> None:
    keys = [set(keys_of(traits(**{"name": "王小明"} | said))) for said in (one, other)]
    assert [found for found, _ in set.intersection(*keys)] == [kind]


def test_what_stands_in_front_of_an_address_does_not_part_it() -> None:
    assert address_level(ADDRESS, ADDRESS.removeprefix("测试市")) == 2
    assert address_level(ADDRESS, ADDRESS.replace("甲区", "乙区")) == 1
    assert address_level(ADDRESS, ADDRESS[-7:]) == 1, "a room alone is no home"


def test_a_dummy_number_and_a_recycled_phone_join_nobody() -> None:
    strangers = [
        traits(
            f"R{n}", name=name, birth_date=f"19{n}0-01-0{n % 9 + 1}", phone=PHONE, id_no="1" * 18
        )
        for n, name in enumerate(("赵一鸣", "钱二立", "孙三石", "李四方"), start=5)
    ]
    assert len(set(match(strangers).cluster_of)) == len(strangers)


def test_a_bridge_does_not_join_two_numbers() -> None:
    """Someone without a number fits both; they are not made one by him."""
    ones = [traits(f"A{n}", **WANG, phone=PHONE, id_no=OWN_NO) for n in range(3)]
    others = [
        traits(f"B{n}", **WANG, phone=PHONE, id_no=citizen_number(BORN, 303)) for n in range(3)
    ]
    bridge = traits("C", **WANG, phone=PHONE)
    found = match([*ones, bridge, *others])
    assert len({*found.cluster_of[:3]}) == len({*found.cluster_of[4:]}) == 1
    assert found.cluster_of[0] != found.cluster_of[-1]
    assert found.questions, "the other one is asked about"


@given(st.text(max_size=12), st.text(max_size=12))
def test_one_slip_is_seen_from_both_sides(one: str, other: str) -> None:
    assert is_one_off(one, other) == is_one_off(other, one)


@given(st.dates(), st.dates())
def test_dates_are_compared_alike_from_both_sides(one: date, other: date) -> None:
    a, b = f"{one:%Y%m%d}".zfill(8), f"{other:%Y%m%d}".zfill(8)
    assert date_level(a, b) == date_level(b, a)


TEXTS = st.one_of(st.none(), st.text(max_size=40), st.sampled_from([OWN_NO, PHONE, "王小明", "X"]))


@given(st.builds(Line, id=st.just("A"), **dict.fromkeys(Line.__struct_fields__[1:], TEXTS)))
@settings(max_examples=300)
def test_whatever_is_sent_is_typed_and_like_itself(line: Line) -> None:
    one = traits_of(line, TODAY)
    found = compare(one, one)
    assert min(found.number, found.name, found.born, found.sex, found.phone, found.address) >= 0


def test_the_order_of_the_file_changes_nothing() -> None:
    lines = [line for line, _, _ in Population(5, 300, MIXES["shared"]).lines()]
    everybody = [traits_of(Line(**line), TODAY) for line in lines]
    first = match(everybody)
    for seed in range(3):
        shuffled = list(everybody)
        random.Random(seed).shuffle(shuffled)  # noqa: S311 - a seed repeats it
        again = match(shuffled)
        assert dict(zip((one.key for one in shuffled), again.cluster_of, strict=True)) == dict(
            zip((one.key for one in everybody), first.cluster_of, strict=True)
        )
        asked = {frozenset((one.one, one.other)) for one in again.questions}
        assert asked == {frozenset((one.one, one.other)) for one in first.questions}


def test_no_cluster_holds_two_people_by_their_numbers() -> None:
    lines = [line for line, _, _ in Population(6, 1500, MIXES["sloppy"]).lines()]
    everybody = [traits_of(Line(**line), TODAY) for line in lines]
    found = match(everybody)
    numbers: dict[str, set[str]] = {}
    for one, cluster in zip(everybody, found.cluster_of, strict=True):
        if one.own.startswith("01:"):
            numbers.setdefault(cluster, set()).add(one.own)
    assert max(map(len, numbers.values())) == 1


def test_weights_are_learnt_without_the_truth() -> None:
    """From a start that knows only the signs, dates and phones come to be worth what they are."""
    lines = [line for line, _, _ in Population(3, 3000, MIXES["sloppy"]).lines()]
    everybody = [traits_of(Line(**line), TODAY) for line in lines]
    model = learn(everybody, version="test", told="a test")
    assert learn(everybody, version="test", told="a test") == model
    for sources, bits in model.bits.items():
        assert 11 < bits["born"]["3"] < 16, sources
        assert bits["born"]["-1"] < -6, sources
        assert 0.8 < bits["sex"]["1"] < 1.1, sources
        assert bits["phone"]["1"] > 10, sources
        assert bits["phone"]["-1"] < 0, sources
    slip = {sources: bits["born"]["1"] for sources, bits in model.bits.items()}
    assert slip["strong"] < slip["mixed"] < slip["weak"], "where slips are rare, they say more"
