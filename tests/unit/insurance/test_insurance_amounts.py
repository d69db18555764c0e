"""Amounts are read exactly, and an answer that contradicts itself is never believed."""

import msgspec
import pytest

from integrations.insurance_nhsa.amounts import (
    AmountUnreadable,
    amounts_of,
    detail_faults,
    identity_faults,
    line_faults,
    read_fen,
)
from integrations.insurance_nhsa.envelope import AnswerUnreadable
from integrations.insurance_nhsa.reading import (
    insured_person,
    live_settlement,
    setlinfo_in,
    settled_of,
    split_of,
    visit_ref_of,
)
from integrations.insurance_nhsa.wire import (
    BaseInfo,
    FeeResult,
    InsuInfo,
    PersonOutput,
    VisitNumber,
    VisitOutput,
)
from integrations.insurance_nhsa.wire_settlement import (
    FindSettlementOutput,
    SetlDetail,
    SetlInfo,
    SettleOutput,
)
from integrations.ports.outcomes import Accepted, Unknown

GOOD = {
    "mdtrt_id": "V1",
    "setl_id": "S1",
    "setl_time": "2026-01-05 09:31:00",
    "insutype": "310",
    "psn_name": "测试甲",
    "certno": "990001198001010019",
    "medfee_sumamt": "308.00",
    "fulamt_ownpay_amt": "35.00",
    "overlmt_selfpay": "13.00",
    "preselfpay_amt": "12.00",
    "inscp_scp_amt": "248.00",
    "hifp_pay": "198.40",
    "hifdm_pay": "0.00",
    "fund_pay_sumamt": "198.40",
    "psn_part_amt": "109.60",
    "acct_pay": "30.00",
    "psn_cash_pay": "79.60",
    "hosp_part_amt": "0.00",
    "balc": "0.00",
    "clr_type": "11",
    "clr_optins": "990001",
}
DETAILS = [
    SetlDetail(fund_pay_type="310100", fund_payamt="198.40"),
    SetlDetail(fund_pay_type="310200", fund_payamt="30.00"),
]


def info(**changes: object) -> SetlInfo:
    return msgspec.convert(GOOD | changes, SetlInfo)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("308.00", 30800),
        ("308", 30800),
        (308, 30800),
        ("0.1", 10),
        ("78.5600", 7856),
        ("-12.30", -1230),
        (" 1.00 ", 100),
    ],
)
def test_amount_is_read_exactly(value: str | int, expected: int) -> None:
    assert read_fen(value) == expected


@pytest.mark.parametrize("value", ["", "1.005", "1e2", "１２", "1,000.00", "NaN", "1.", ".5", None])
def test_amount_that_is_none_is_refused(value: str | None) -> None:
    with pytest.raises(AmountUnreadable):
        read_fen(value)


def test_good_answer_becomes_a_split() -> None:
    got = split_of(info(), DETAILS, 30800)
    assert isinstance(got, Accepted)
    split = got.value
    assert (split.fund_fen, split.account_fen, split.cash_fen) == (19840, 3000, 7960)
    assert split.funds == {"310100": 19840}


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"preselfpay_amt": "12.01"}, "scope-parts"),
        ({"hifp_pay": "198.41"}, "fund-parts"),
        ({"hosp_part_amt": "0.01"}, "total-parts"),
        ({"psn_cash_pay": "79.61"}, "person-parts"),
        ({"acct_mulaid_pay": "30.01"}, "mutual-aid"),
        ({"psn_cash_pay": "-79.60"}, "range:psn_cash_pay"),
        ({"acct_pay": "thirty"}, "unreadable:acct_pay"),
        ({"psn_cash_pay": None}, "absent:psn_cash_pay"),
        ({"medfee_sumamt": ""}, "absent:medfee_sumamt"),
        ({"balc": "-1.00"}, "range:balc"),
        ({"balc": "x"}, "unreadable:balc"),
    ],
)
def test_contradiction_is_unknown_with_raw_amounts(changes: dict[str, object], fault: str) -> None:
    got = split_of(info(**changes), DETAILS, None)
    assert isinstance(got, Unknown)
    assert got.why == "answer-contradicts"
    assert fault in got.evidence["faults"].split(",")
    assert got.evidence["hifp_pay"] == changes.get("hifp_pay", "198.40")
    assert got.evidence["setl_id"] == "S1"


def test_evidence_holds_nothing_personal() -> None:
    got = split_of(info(psn_cash_pay="0"), DETAILS, None)
    assert isinstance(got, Unknown)
    assert "测试甲" not in str(got.evidence)
    assert "990001198001010019" not in str(got.evidence)


def test_answer_about_another_total_contradicts() -> None:
    got = split_of(info(), DETAILS, 30801)
    assert isinstance(got, Unknown)
    assert got.evidence["faults"] == "other-total"


def test_disability_fund_counts_where_it_is_told() -> None:
    got = split_of(info(hifp_pay="190.00", hifdm_pay="8.40"), [], 30800)
    assert isinstance(got, Accepted)
    assert got.value.funds == {"310100": 19000, "350100": 840}


def test_detail_rows_that_do_not_add_up_give_way_to_named_amounts() -> None:
    rows = [SetlDetail(fund_pay_type="310100", fund_payamt="1.00")]
    got = split_of(info(), rows, 30800)
    assert isinstance(got, Accepted)
    assert got.value.funds == {"310100": 19840}
    amounts, _ = amounts_of(info())
    assert detail_faults(amounts, rows) == ["fund-details"]
    account = [SetlDetail(fund_pay_type="310200", fund_payamt="1.00")]
    assert detail_faults(amounts, account) == ["account-detail"]


def test_pharmacy_spelling_is_read() -> None:
    other = {"psn_part_amt": "", "psn_cash_pay": "", "psn_pay": "109.60", "cash_payamt": "79.60"}
    amounts, faults = amounts_of(info(**other))
    assert faults == []
    assert identity_faults(amounts) == []


def test_line_identity_warns_only_where_all_parts_are_told() -> None:
    line = FeeResult(
        det_item_fee_sumamt="78.56",
        fulamt_ownpay_amt="0.15",
        overlmt_amt="0.00",
        preselfpay_amt="78.41",
        inscp_scp_amt="0.00",
    )
    assert line_faults(line) == []
    assert line_faults(msgspec.structs.replace(line, preselfpay_amt="78.40")) == ["line-parts"]
    assert line_faults(msgspec.structs.replace(line, overlmt_amt="")) == []


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"setl_id": ""}, "absent:setl_id"),
        ({"setl_time": "yesterday"}, "unreadable:setl_time"),
        ({"mdtrt_id": "V2"}, "other-visit"),
    ],
)
def test_settlement_that_cannot_be_ours_contradicts(changes: dict[str, object], fault: str) -> None:
    got = settled_of(info(**changes), DETAILS, total_fen=30800, visit_ref="V1")
    assert isinstance(got, Unknown)
    assert got.evidence["faults"] == fault


def test_reversed_settlements_are_not_live() -> None:
    negative = info(setl_id="S2", medfee_sumamt="-308.00")
    flagged = info(refd_setl_flag="1")
    found = FindSettlementOutput(setlinfo=[flagged, negative])
    assert live_settlement(found, "V1") == Accepted(None)


def test_two_live_settlements_of_a_visit_contradict() -> None:
    got = live_settlement(FindSettlementOutput(setlinfo=[info(), info(setl_id="S2")]), "V1")
    assert isinstance(got, Unknown)
    assert got.evidence["faults"] == "several-settlements"


def test_a_settlement_of_another_visit_is_not_this_ones() -> None:
    found = FindSettlementOutput(setlinfo=[info(mdtrt_id="V9")])
    assert live_settlement(found, "V1") == Accepted(None)


@pytest.mark.parametrize(
    "output",
    [
        PersonOutput(),
        PersonOutput(baseinfo=BaseInfo(psn_no="")),
        PersonOutput(baseinfo=BaseInfo(psn_no="P1"), insuinfo=[InsuInfo(balc="much")]),
    ],
)
def test_person_that_cannot_be_read_is_none(output: PersonOutput) -> None:
    with pytest.raises(AnswerUnreadable):
        insured_person(output)


def test_answers_without_their_node_are_unreadable() -> None:
    with pytest.raises(AnswerUnreadable):
        visit_ref_of(VisitOutput(data=VisitNumber(mdtrt_id="")))
    with pytest.raises(AnswerUnreadable):
        setlinfo_in(SettleOutput())


def test_negative_detail_rows_give_way_to_named_amounts() -> None:
    rows = [
        SetlDetail(fund_pay_type="310100", fund_payamt="200.00"),
        SetlDetail(fund_pay_type="320100", fund_payamt="-1.60"),
    ]
    got = split_of(info(), rows, 30800)
    assert isinstance(got, Accepted)
    assert got.value.funds == {"310100": 19840}


def test_settlement_whose_amount_cannot_be_read_counts_as_live_and_contradicts() -> None:
    got = live_settlement(FindSettlementOutput(setlinfo=info(medfee_sumamt="?")), "V1")
    assert isinstance(got, Unknown)
    assert "unreadable:medfee_sumamt" in got.evidence["faults"]
