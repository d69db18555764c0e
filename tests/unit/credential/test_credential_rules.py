"""The recogniser and the pure decisions about insurance."""

from datetime import timedelta

import pytest

from integrations.ports.insurance import Enrolment, InsuredPerson
from service.credential import rules
from service.credential.model import CodeKind, Credential, CredentialState
from tests.support.fakes_identity import NOON


@pytest.mark.parametrize(
    ("text", "kind", "repaired"),
    [
        ("YM1:ABC", CodeKind.OURS, "YM1:ABC"),
        ("  ym1:abc$\r\n", CodeKind.OURS, "YM1:ABC$"),
        ("ＹＭ１：ＡＢ。￥", CodeKind.OURS, "YM1:AB.$"),
        ("YM1:测", CodeKind.OURS, "YM1:测"),
        ("28" + "0" * 26, CodeKind.INSURANCE_CREDENTIAL, "28" + "0" * 26),
        ("2８" + "0" * 26, CodeKind.INSURANCE_CREDENTIAL, "28" + "0" * 26),
        ("28" + "0" * 25, CodeKind.UNKNOWN, ""),
        ("٢8" + "0" * 26, CodeKind.UNKNOWN, ""),
        ("134567890123456789", CodeKind.UNKNOWN, ""),
        ("https://example.invalid/", CodeKind.UNKNOWN, ""),
        ("", CodeKind.UNKNOWN, ""),
        ("YM1:" + "A" * 1277, CodeKind.UNKNOWN, ""),
        ("9" * 100_000, CodeKind.UNKNOWN, ""),
    ],
)
def test_what_a_text_is(text: str, kind: CodeKind, repaired: str) -> None:
    recognised = rules.classify(text)
    assert (recognised.kind, recognised.text) == (kind, repaired)


def test_an_inner_blank_is_removed_from_our_codes_alone() -> None:
    assert rules.classify("YM1:AB CD").text == "YM1:ABCD"
    assert rules.classify("28" + "0" * 13 + " " + "0" * 13).kind is CodeKind.UNKNOWN


def person(name: str, id_no: str, *enrolments: Enrolment) -> InsuredPerson:
    return InsuredPerson(person_no="P1", name=name, id_no=id_no, enrolments=list(enrolments))


def enrolment(kind: str, *, active: bool = True, region: str = "990001") -> Enrolment:
    return Enrolment(
        insurance_type=kind, region=region, active=active, balance_fen=0, person_type="11"
    )


@pytest.mark.parametrize(
    ("name", "id_no", "same"),
    [
        ("测试甲", "99000119800101001X", True),
        ("测·试甲", "99000119800101001x ", True),
        ("测试乙", "99000119800101001X", False),
        ("测试甲", "990001198001010027", False),
        ("<b>", "99000119800101001X", False),
    ],
)
def test_whom_an_answer_names(name: str, id_no: str, same: bool) -> None:
    assert rules.names_the_same("测试甲", "99000119800101001X", person(name, id_no)) is same


def test_only_active_enrolments_count_once_a_type() -> None:
    answer = person(
        "测试甲",
        "1",
        enrolment("310", active=False),
        enrolment("390", region="990002"),
        enrolment("390", region="990003"),
    )
    assert [(e.insurance_type, e.region) for e in rules.active_enrolments(answer)] == [
        ("390", "990002")
    ]


def credential(kind: str, days: int = 0) -> Credential:
    at = NOON + timedelta(days=days)
    return Credential(
        record_id=1,
        credential_id=1,
        kind="INSURANCE",
        owner="x",
        number_hash=b"",
        sealed=b"",
        region="990001",
        insurance_type=kind,
        state=CredentialState.LINKED,
        linked_at=at,
        checked_at=at,
        ended_at=None,
        row_mac=b"",
    )


def test_employees_insurance_is_preferred() -> None:
    rows = [credential("510"), credential("390"), credential("310", 9)]
    assert rules.preferred(rows) == rows[2]
    assert rules.preferred([]) is None


def test_a_link_is_fresh_for_an_hour() -> None:
    row = credential("310")
    assert rules.is_fresh(row, NOON + timedelta(minutes=59))
    assert not rules.is_fresh(row, NOON + timedelta(hours=1))
