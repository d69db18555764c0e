"""What a registration says: strict for a resident, as it stands for a hospital."""

from datetime import date

import msgspec
import pytest

from service.kernel.problems import MalformedRequest
from service.person.facts import facts_of, line_of, traits_in
from service.person.identity.registrations import Whose
from service.person.model import Facts, Registration, SealedRecord, Source
from service.person.problems import IdTypeUnsupported, NameInvalid
from tests.support.fakes_identity import citizen_number

TODAY = date(2026, 6, 30)
TEST = frozenset({"99"})
BORN = date(1990, 3, 4)
MOTHERS = citizen_number(BORN, 2)


def at_a_window(**said: object) -> Registration:
    given = {
        "source": "window",
        "institution_id": 7,
        "name": "测试甲",
        "id_type": "01",
        "id_no": None,
        "phone": None,
    }
    return msgspec.convert(given | said, Registration)


def facts(**said: object) -> Facts:
    return facts_of(at_a_window(**said), TODAY, TEST)


@pytest.mark.parametrize(
    ("said", "whose", "id_no"),
    [
        ({"id_no": MOTHERS, "birth_date": "1990-03-04"}, Whose.OWN, MOTHERS),
        ({"id_no": MOTHERS, "birth_date": "2020-05-01"}, Whose.GUARDIAN, None),
        ({"id_no": MOTHERS, "guardian_id": MOTHERS}, Whose.GUARDIAN, None),
        ({"id_no": MOTHERS, "birth_date": "1950-05-01"}, Whose.BORROWED, None),
        ({"id_no": MOTHERS, "sex": "M"}, Whose.BORROWED, None),
        ({"id_no": MOTHERS[:-1]}, Whose.MALFORMED, None),
        ({"id_no": "111111111111111111"}, Whose.DUMMY, None),
        ({"id_no": None}, Whose.ABSENT, None),
        ({"id_no": " e20267391 ", "id_type": "3"}, Whose.OWN, "E20267391"),
        ({"id_no": "无", "id_type": "77"}, Whose.MALFORMED, None),
    ],
)
def test_a_number_counts_only_as_the_persons_own(
    said: dict[str, object], whose: Whose, id_no: str | None
) -> None:
    found = facts(**said)
    assert (found.whose, found.id_no) == (whose, id_no)


def test_a_number_of_15_digits_counts_as_the_18_that_it_became() -> None:
    old = MOTHERS[:6] + MOTHERS[8:17]
    found = facts(id_no=old, birth_date="19900304")
    assert (found.whose, found.id_no) == (Whose.OLD, MOTHERS)


def test_a_newborn_is_a_parent_and_an_order_until_it_has_a_name() -> None:
    found = facts(name="测试乙之大女", birth_date="2026-06-01", guardian_id=MOTHERS)
    assert (found.parent_name, found.sex, found.birth_date) == ("测试乙", "F", date(2026, 6, 1))
    assert facts(name="测试乙小双").birth_order == "2"


def test_all_that_was_said_is_kept() -> None:
    said = {
        "address": "测试市一号",
        "local_id": "P 1",
        "nationality": "CHN",
        "ethnicity": "苗族",
        "former_name": "测试丙",
        "guardian_name": "测试乙",
        "guardian_id": MOTHERS,
        "contact_name": "测试丁",
    }
    kept = msgspec.structs.asdict(facts(**said))
    assert {field: kept[field] for field in said} == said | {"ethnicity": "06"}


@pytest.mark.parametrize("name", ["", "无名氏", "测？甲", "测*甲", "测\ue000甲", "甲", "测试7"])
def test_no_patient_is_turned_away_for_a_name_that_nobody_knows(name: str) -> None:
    assert facts(name=name).name == name


@pytest.mark.parametrize(
    "name",
    ["甲" * 100_000, "测\u0007甲", "测\u202e甲", "测\0甲", "<b>甲", "测\u2028甲", "测\ud800"],
)
def test_a_name_that_could_do_harm_is_refused(name: str) -> None:
    registration = msgspec.structs.replace(at_a_window(), name=name)
    with pytest.raises(NameInvalid):
        facts_of(registration, TODAY, TEST)


def test_other_texts_lose_what_could_do_harm() -> None:
    assert facts(address="测试市\u202e一\0号\t").address == "测试市一号"
    assert facts(phone="无").phone is None


@pytest.mark.parametrize("text", ["甲" * 100_000, "测\ud800"])
def test_texts_without_end_and_half_characters_are_refused(text: str) -> None:
    registration = msgspec.structs.replace(at_a_window(), address=text)
    with pytest.raises(MalformedRequest):
        facts_of(registration, TODAY, TEST)


def test_a_resident_is_typed_strictly() -> None:
    own = msgspec.structs.replace(
        at_a_window(id_type="03", id_no="E20267391"), source=Source.RESIDENT
    )
    with pytest.raises(IdTypeUnsupported):
        facts_of(own, TODAY, TEST)


def test_a_record_that_was_sealed_before_opens() -> None:
    received = {
        "source": "window",
        "institution_id": 7,
        "name": "测试甲",
        "id_type": "01",
        "id_no": MOTHERS,
        "phone": None,
    }
    typed = {
        "name": "测试甲",
        "id_type": "01",
        "id_no": MOTHERS,
        "sex": "F",
        "birth_date": "1990-03-04",
        "phone": None,
    }
    sealed = msgspec.json.encode({"received": received, "facts": typed})
    opened = msgspec.json.decode(sealed, type=SealedRecord)
    assert opened.facts.id_no == MOTHERS
    assert opened.received == at_a_window(id_no=MOTHERS)


def test_the_matching_sees_a_local_number_at_its_institution() -> None:
    assert traits_in(at_a_window(local_id="P1"), TODAY, key="1").local == "7:P1"
    assert traits_in(at_a_window(local_id="P1", facility="F"), TODAY, key="1").local == "F:P1"


def test_the_matching_believes_a_resident_as_it_believes_a_card() -> None:
    own = msgspec.structs.replace(at_a_window(), source=Source.RESIDENT)
    assert line_of(own, key="1").source == "reader"


def test_nothing_personal_is_in_a_representation() -> None:
    assert "测试" not in repr(at_a_window()) + repr(facts()) + repr(line_of(at_a_window(), key="1"))
