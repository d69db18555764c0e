"""Linking, match keys, the golden view and the chain of decisions."""

from datetime import date, timedelta
from itertools import permutations

import msgspec
import pytest

from service.person import rules
from service.person.model import (
    Decision,
    DecisionKind,
    Facts,
    Known,
    Registration,
    Source,
)
from service.person.problems import IdNumberInvalid, IdTypeUnsupported, NameInvalid, PhoneInvalid
from service.person.survivorship import golden_view
from tests.support.fakes_identity import NOON, citizen_number

TODAY = date(2026, 6, 30)
BORN = date(1980, 1, 1)
NUMBER = citizen_number(BORN, 1)
TEST = frozenset({"99"})


def facts(name: str = "测试甲", id_no: str | None = NUMBER, phone: str | None = None) -> Facts:
    return Facts(
        name=name,
        id_type="01",
        id_no=id_no,
        sex="M" if id_no else "U",
        birth_date=BORN if id_no else None,
        phone=phone,
    )


def known(
    record_id: int,
    person_id: int,
    name: str = "测试甲",
    source: Source = Source.READER,
    days: int = 0,
    phone: str | None = None,
) -> Known:
    return Known(
        record_id=record_id,
        person_id=person_id,
        source=source,
        received_at=NOON + timedelta(days=days),
        facts=facts(name, phone=phone),
    )


def registration(**changes: str | None) -> Registration:
    given: dict[str, str | None] = {
        "name": "测试甲",
        "id_type": "01",
        "id_no": NUMBER,
        "phone": None,
    } | changes
    return msgspec.convert({"source": "resident", "institution_id": None, **given}, Registration)


def test_full_width_digits_and_blanks_become_the_same_facts() -> None:
    wide = NUMBER.translate({ord(str(d)): chr(ord("０") + d) for d in range(10)})
    typed = rules.type_registration(
        registration(id_no=f" {wide}\u200b", name="测 试 甲", phone="+86 138-0000-0000"),
        TODAY,
        TEST,
    )
    assert typed == facts(phone="13800000000")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"name": "<b>甲"}, NameInvalid),
        ({"id_no": NUMBER[:-1] + ("1" if NUMBER[-1] != "1" else "2")}, IdNumberInvalid),
        ({"id_type": "03"}, IdTypeUnsupported),
        ({"phone": "无"}, PhoneInvalid),
    ],
)
def test_an_invalid_part_is_named(changes: dict[str, str], problem: type[Exception]) -> None:
    with pytest.raises(problem):
        rules.type_registration(registration(**changes), TODAY, TEST)


def test_whom_a_number_finds_has_the_name() -> None:
    found = rules.found_by_number(facts(), [known(1, 10), known(2, 10, "测·试甲")])
    assert found is not None
    assert found.record_id == 1
    assert rules.found_by_number(facts("测试乙"), [known(1, 10)]) is None
    assert rules.found_by_number(facts(), []) is None


def test_a_number_of_two_persons_with_this_name_finds_neither() -> None:
    assert rules.found_by_number(facts(), [known(1, 10), known(2, 20)]) is None


def test_a_resident_s_own_record_is_found_first() -> None:
    records = [known(1, 10), known(2, 10, source=Source.RESIDENT, days=9)]
    found = rules.found_by_number(facts(), records)
    assert found is not None
    assert found.record_id == 2


def test_the_golden_view_does_not_depend_on_order() -> None:
    records = [
        known(1, 10, "测试甲", Source.LEGACY, 3, "13912340001"),
        known(2, 10, "测·试甲", Source.READER, 0, None),
        known(3, 10, "测试甲", Source.RESIDENT, 1, "13912340003"),
    ]
    views = {
        msgspec.json.encode(golden_view(order), order="sorted") for order in permutations(records)
    }
    assert len(views) == 1
    view = golden_view(records)
    assert view.facts.name == "测·试甲"
    assert view.facts.phone == "13912340001"
    assert view.provenance == {"name": 2, "id_no": 2, "sex": 2, "birth_date": 2, "phone": 1}
    assert [(one.text, one.record_id) for one in view.former_phones] == [("13912340003", 3)]


def chain(length: int) -> list[Decision]:
    made: list[Decision] = []
    for number in range(length):
        row = Decision(
            record_id=1,
            decision_id=number + 1,
            kind=DecisionKind.NEW,
            model="a-model",
            bits={"number": 1},
            actor="system",
            reason="x",
            previous_hash=made[-1].hash if made else rules.NO_HASH,
            hash=b"",
            decided_at=NOON,
        )
        made.append(msgspec.structs.replace(row, hash=rules.decision_hash(row)))
    return made


def test_a_chain_holds_until_any_part_is_changed_or_cut_out() -> None:
    good = chain(3)
    assert rules.chain_holds(good)
    assert rules.chain_holds([])
    for place in range(3):
        changed = list(good)
        changed[place] = msgspec.structs.replace(good[place], reason="y")
        assert not rules.chain_holds(changed)
    assert not rules.chain_holds([good[0], good[2]])
