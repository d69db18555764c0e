"""The statement by lines (9101, 3202, 9102) through the gateway, against the bureau's twin."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from integrations.insurance_nhsa.clearing import read_differences
from integrations.insurance_nhsa.settings import NhsaSettings
from integrations.insurance_nhsa.statement import pack
from integrations.insurance_nhsa.wire_clearing import DownloadInput
from integrations.kit.clocktext import beijing_day
from integrations.ports.insurance import (
    ClearingCalls,
    ClearingLine,
    ClearingLines,
    Finding,
    LineDifference,
    Settled,
)
from integrations.ports.outcomes import NotSent, Outcome, Rejected, Unknown
from integrations.ports.statements import StatementUnusable
from tests.contract.insurance_rig import COMMUNITY, Case, Rig, ready, value_of


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    made = Rig()
    yield made
    await made.client.aclose()
    made.twin.book.close()


def line_of(case: Case, settled: Settled, *, back: bool = False, **changes: int) -> ClearingLine:
    sign, split = -1 if back else 1, settled.split
    return ClearingLine(
        settlement_ref=settled.settlement_ref,
        visit_ref=case.visit_ref,
        person_no=case.who.person_no,
        reversed=back,
        total_fen=sign * split.total_fen,
        fund_fen=sign * split.fund_fen + changes.get("fund", 0),
        account_fen=sign * split.account_fen,
        cash_fen=sign * split.cash_fen,
    )


async def compared(rig: Rig, lines: list[ClearingLine], clearing_type: str = "") -> Outcome[bytes]:
    day = beijing_day(rig.at)
    asked = ClearingLines(
        clearing_type=clearing_type, region="", first_day=day, last_day=day, lines=lines
    )
    calls = ClearingCalls(upload=rig.call(), compare=rig.call(), download=rig.call())
    return await rig.gateway.compare_lines(asked, calls)


async def differences(rig: Rig, lines: list[ClearingLine], **more: str) -> list[LineDifference]:
    return rig.gateway.read_differences(value_of(await compared(rig, lines, **more)))


async def test_every_kind_of_difference_names_its_line(rig: Rig) -> None:
    first, second = await ready(rig, visit_no="OP1"), await ready(rig, visit_no="OP2")
    one, two = await first.settled(), await second.settled()
    lines = [line_of(first, one), line_of(second, two)]
    assert await differences(rig, lines) == []

    ghost = msgspec.structs.replace(lines[0], settlement_ref="S-GHOST", visit_ref=None)
    found = await differences(rig, [line_of(first, one, fund=1), ghost])
    assert {each.settlement_ref: each.finding for each in found} == {
        one.settlement_ref: Finding.AMOUNTS_DIFFER,
        two.settlement_ref: Finding.ONLY_THERE,
        "S-GHOST": Finding.ONLY_HERE,
    }
    there = next(each for each in found if each.finding is Finding.ONLY_THERE)
    assert (there.total_fen, there.visit_ref) == (30_800, second.visit_ref)
    assert (there.message_no or "").startswith(rig.institution)


async def test_a_reversal_is_a_line_of_its_own(rig: Rig) -> None:
    case = await ready(rig)
    settled = await case.settled()
    value_of(
        await rig.gateway.reverse(case.who, case.visit_ref, settled.settlement_ref, rig.call())
    )
    both = [line_of(case, settled), line_of(case, settled, back=True)]
    assert await differences(rig, both) == []
    (only,) = await differences(rig, both[:1])
    assert (only.finding, only.reversed, only.total_fen) == (Finding.ONLY_THERE, True, -30_800)


async def test_what_agrees_may_be_listed_too(rig: Rig) -> None:
    await rig.control("style", {"statement_lists_all": True})
    case = await ready(rig)
    assert await differences(rig, [line_of(case, await case.settled())]) == []


async def test_another_clearing_type_is_another_statement(rig: Rig) -> None:
    case = await ready(rig)
    settled = await case.settled()
    (found,) = await differences(rig, [line_of(case, settled)], clearing_type="21")
    assert found.finding is Finding.ONLY_HERE


async def test_the_file_may_travel_as_base64(rig: Rig) -> None:
    settings = msgspec.structs.replace(rig.gateway._settings, upload_as_numbers=False)
    rig.gateway._settings = settings
    case = await ready(rig)
    assert await differences(rig, [line_of(case, await case.settled())]) == []


@pytest.mark.parametrize("infno", ["9101", "3202", "9102"])
async def test_each_message_may_be_lost_and_nothing_changes(rig: Rig, infno: str) -> None:
    case = await ready(rig)
    lines = [line_of(case, await case.settled())]
    before = await rig.control("book")
    await rig.plan("drop_after", infno=infno)
    assert await compared(rig, lines) == Unknown("answer-lost")
    await rig.plan("reject", infno=infno)
    assert isinstance(await compared(rig, lines), Rejected)
    await rig.plan("garble", infno=infno)
    assert await compared(rig, lines) == Unknown("answer-invalid")
    await rig.plan("signed_out", infno=infno)
    assert await differences(rig, lines) == []
    await rig.plan("drop_before", infno="9001")
    rig.advance(days=1)
    assert await compared(rig, lines) == NotSent("sign-in-failed")
    assert await rig.control("book") == before


async def test_a_line_that_cannot_be_written_is_not_sent(rig: Rig) -> None:
    case = await ready(rig)
    line = msgspec.structs.replace(line_of(case, await case.settled()), person_no="a\tb")
    assert isinstance(await compared(rig, [line]), Rejected)
    assert rig.sent("9101") == []


async def test_files_are_their_institutions_and_end(rig: Rig) -> None:
    case = await ready(rig)
    value_of(await compared(rig, [line_of(case, await case.settled())]))
    download = msgspec.json.decode(rig.sent("9102")[0])["input"]
    other = Rig(institution="H99000100001")
    other.twin.book.close()
    other.twin.book, other._nonce = rig.twin.book, 1000
    answer = await other.gateway._messenger.fetch("9102", _node(download), other.call())
    assert isinstance(answer, Rejected)
    rig.at += timedelta(days=8)
    late = await rig.gateway._messenger.fetch("9102", _node(download), rig.call())
    assert isinstance(late, Rejected)
    await other.client.aclose()


def _node(asked: dict[str, Any]) -> Any:
    return msgspec.convert(asked, DownloadInput)


SETTINGS = NhsaSettings(
    code="nhsa-test",
    address="",
    credential_url="",
    institution_code=COMMUNITY,
    institution_name="",
    area="990001",
    operator_no="",
    operator_name="",
    operator_mac="",
    operator_ip="",
)
GOOD = "P1\tV1\tS1\tH99000100003202601050900000001\t101\t0\t中心多\t308.00\t198.40\t30.00\tnull"


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ([GOOD, GOOD], "line-doubled"),
        ([GOOD.replace("308.00", "1,308.00")], "amount-unreadable"),
        ([GOOD.replace("308.00", "308.001")], "amount-unreadable"),
        ([GOOD.replace("308.00", "9999999999999.00")], "amount-unreadable"),
        ([GOOD.replace("H99000100003", "H99000100001")], "other-institution"),
        ([GOOD.replace("\t0\t", "\t2\t")], "flag-unlisted"),
        ([GOOD.replace("S1", "null")], "value-unreadable"),
        ([GOOD.replace("S1", "S" * 65)], "number-unreadable"),
        ([GOOD.replace("中心多", "多" * 4001)], "value-unreadable"),
        ([GOOD + "\tx"], "other-columns"),
        (["a"], "other-columns"),
    ],
)
def test_nothing_of_a_wrong_file_is_used(lines: list[str], why: str) -> None:
    with pytest.raises(StatementUnusable) as caught:
        read_differences(pack(lines, "x.txt"), SETTINGS)
    assert caught.value.reason == why


def test_the_published_result_file_reads_as_only_there() -> None:
    vectors = Path(__file__).parents[1] / "vectors" / "medical-insurance.json"
    cases = json.loads(vectors.read_text(encoding="utf-8"))["reconciliation_files"]
    lines = next(case["lines"] for case in cases if case["id"] == "RECON-3202-RESULT")
    settings = msgspec.structs.replace(SETTINGS, institution_code="H99000100001")
    (found,) = read_differences(pack(lines, "x.txt"), settings)
    assert (found.finding, found.total_fen, found.fund_fen, found.account_fen) == (
        Finding.ONLY_THERE,
        30_800,
        19_840,
        3_000,
    )


def test_a_code_outside_the_table_is_a_difference() -> None:
    content = pack([GOOD.replace("\t101\t", "\t777\t")], "x.txt")
    (found,) = read_differences(content, SETTINGS)
    assert (found.finding, found.code) == (Finding.UNLISTED, "777")
