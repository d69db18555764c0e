"""Which values survive in the golden view, and which records go with one that leaves."""

from datetime import date, timedelta

import pytest

from service.person.model import Facts, Golden, Known, Source
from service.person.parting import going_with
from service.person.survivorship import FORMER_MAX, golden_view
from tests.support.fakes_identity import NOON, citizen_number

BORN = date(1980, 1, 1)


def known(
    record_id: int,
    name: str = "测试甲",
    source: Source = Source.WINDOW,
    *,
    serial: int | None = None,
    phone: str | None = None,
    days: int = 0,
    id_no: str | None = None,
) -> Known:
    number = citizen_number(BORN, serial) if serial is not None else id_no
    return Known(
        record_id=record_id,
        person_id=1,
        source=source,
        received_at=NOON + timedelta(days=days),
        facts=Facts(
            name=name,
            id_type="01",
            id_no=number,
            sex="M" if number else "U",
            birth_date=BORN if number else None,
            phone=phone,
        ),
    )


def view(*records: Known) -> Golden:
    return golden_view(records)


def test_a_person_has_records() -> None:
    with pytest.raises(ValueError, match="at least one"):
        golden_view([])


def test_a_verified_source_outweighs_many_and_newer_ones() -> None:
    said = view(
        known(1, "测试乙", Source.READER), known(2, days=1), known(3, days=2), known(4, days=3)
    )
    assert said.facts.name == "测试乙"
    assert [(one.text, one.record_id) for one in said.former_names] == [("测试甲", 4)]


def test_among_equal_sources_most_say_it_and_then_the_newest() -> None:
    assert view(known(1), known(2), known(3, "测试乙", days=9)).facts.name == "测试甲"
    assert view(known(1), known(2, "测试乙", days=9)).facts.name == "测试乙"
    assert view(known(1), known(2, "测试乙")).provenance["name"] == 2


@pytest.mark.parametrize("placeholder", ["无名氏", "测试丙之女", "测试丙之子"])
def test_a_placeholder_never_survives_a_name(placeholder: str) -> None:
    said = view(known(1, placeholder, Source.READER, days=5), known(2, source=Source.EMERGENCY))
    assert (said.facts.name, said.former_names) == ("测试甲", ())
    assert view(known(1, placeholder)).facts.name == placeholder


def test_the_newest_phone_that_is_one_survives() -> None:
    said = view(
        known(1, source=Source.READER, phone="13912345678"),
        known(2, source=Source.LEGACY, phone="13787654321", days=1),
        known(3, phone="13800000000", days=2),
    )
    assert (said.facts.phone, said.provenance["phone"]) == ("13787654321", 2)
    assert [one.text for one in said.former_phones] == ["13912345678"]
    assert view(known(1, phone="11111111111")).facts.phone is None


def test_a_dummy_number_never_survives_and_sex_comes_with_the_number() -> None:
    said = view(known(1, source=Source.READER, id_no="111111111111111111"), known(2, serial=2))
    assert (said.facts.id_no, said.facts.sex) == (citizen_number(BORN, 2), "M")
    assert said.provenance["sex"] == said.provenance["id_no"] == 2
    assert "id_no" not in view(known(1)).provenance


def test_former_values_are_bounded_and_hidden_in_logs() -> None:
    said = view(*(known(n, phone=f"13912345{n:03d}", days=n) for n in range(100, 140)))
    assert len(said.former_phones) == FORMER_MAX
    assert "139" not in repr(said.former_phones[0])


def test_what_says_the_number_or_the_name_of_who_leaves_goes_along() -> None:
    stays, goes = known(1, serial=1), known(2, "测试乙", serial=2)
    others = [
        known(3, serial=2),
        known(4, "测试乙"),
        known(5, "测试乙", serial=1),
        known(6, "测试丙"),
        known(7),
    ]
    assert going_with(goes, stays, [stays, goes, *others], []) == [2, 3, 4]


def test_what_is_ruled_the_same_goes_together_or_not_at_all() -> None:
    stays, goes, third, fourth = (
        known(1),
        known(2, "测试乙"),
        known(3, "测试丙"),
        known(4, "测试乙"),
    )
    everyone = [stays, goes, third, fourth]
    assert going_with(goes, stays, everyone, [(2, 3)]) == [2, 3, 4]
    assert going_with(goes, stays, everyone, [(1, 4)]) == [2]
    assert going_with(goes, stays, everyone, [(1, 3), (3, 2), (8, 9)]) is None
