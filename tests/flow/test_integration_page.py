"""docs/integration.md comes true: its scans, their answers, and its table of refusals."""

import json
import re
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from crypto.healthcode.layout import Purpose
from service.credential import problems as credential_problems
from service.healthcode import offers, rules
from service.healthcode.model import ScanPurpose
from service.healthcode.problems import CodeIndexUnreadable, TillNotTrusted
from service.healthcode.schemas import ScanBody
from service.kernel.problems import Problem
from tests.support.bound_phone import BoundPhone
from tests.support.fakes_identity import citizen_number
from tests.support.identity_rig import BORN, IdentityRig, an_identity_rig
from tests.support.tills import ATill

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "integration.md").read_text("utf-8")


def blocks(name: str) -> list[dict[str, Any]]:
    """The page's JSON under a name, in order."""
    return [json.loads(text) for text in re.findall(rf"```json {name}\n(.*?)```", PAGE, re.DOTALL)]


def shape(value: Any) -> Any:
    """Members and kinds of values, not the values."""
    if isinstance(value, dict):
        return {name: shape(member) for name, member in value.items()}
    return type(value).__name__


@pytest.fixture
async def rig(fresh_database: str) -> AsyncIterator[IdentityRig]:
    async with an_identity_rig(fresh_database) as opened:
        yield opened


async def test_each_kind_is_answered_as_the_page_shows(rig: IdentityRig) -> None:
    owner = await rig.resident(1)
    id_no, credential = citizen_number(BORN, 502), "28" + f"{secrets.randbelow(10**26):026d}"
    rig.bureau.insure("测试乙", id_no, "P00502", "390")
    rig.bureau.give_credential(credential, "测试乙", id_no)
    phone, till = BoundPhone(owner, rig.clock), ATill(rig, rig.kiosk)
    await phone.enrol()
    printed = (await owner.ask("POST", "/v1/me/printed-codes", {})).json()
    once = (await owner.ask("POST", "/v1/me/codes", {"purpose": "pay"})).json()
    assert "svg" not in once | printed
    for_offer = phone.show(Purpose.PAY, seq=1, context=till.asked.context())
    scans = {
        "ONE_TIME": await rig.scan(once["text"], purpose="pay"),
        "BOUND": await rig.scan(phone.show(Purpose.PAY), purpose="pay"),
        "PRINTED": await rig.scan(printed["text"], purpose="identify"),
        "INSURANCE_CREDENTIAL": await rig.scan(credential, purpose="pay"),
        "BOUND offer": await rig.scan(for_offer, purpose="pay", offer=till.offer()),
    }
    for name, answer in scans.items():
        (told,) = blocks(name)
        said = answer.json()
        assert answer.status_code == 200, (name, said)
        assert shape(said) == shape(told), name
        for member in ("shown", "level", "bills_visible"):
            assert said[member] == told[member], (name, member)
    assert scans["BOUND offer"].json()["bound_to"] == blocks("BOUND offer")[0]["bound_to"]


def test_the_requests_are_requests_and_the_purposes_those_that_are_served() -> None:
    for body in blocks("request"):
        msgspec.convert(body, ScanBody)
    served = re.search(r"what the terminal wants: (.*?)\. These three", PAGE)
    assert served is not None
    assert set(re.findall(r"`(\w+)`", served[1])) == {str(one) for one in ScanPurpose}


def test_the_table_has_every_refusal_of_a_scan_with_its_status() -> None:
    table = PAGE.partition("### Refusals of a scan")[2].partition("\n\n|")[2].partition("\n\n")[0]
    told: dict[str, int] = {}
    for row in table.splitlines()[2:]:
        codes, status, _ = row.strip("| ").split(" | ")
        told |= dict.fromkeys(re.findall(r"`([a-z-]+)`", codes), int(status))
    insurance = [
        credential_problems.InsuranceCredentialRefused,
        credential_problems.InsuranceOwnerUnavailable,
    ]
    met: set[type[Problem]] = {
        *rules.REFUSALS.values(),
        *offers.REFUSALS.values(),
        TillNotTrusted,
        CodeIndexUnreadable,
        *insurance,
    }
    assert told == {problem.code: problem.status for problem in met}
