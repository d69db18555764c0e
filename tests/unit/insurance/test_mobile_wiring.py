"""The mobile payment centre's line: from the partners' file to a gateway, and in the sandbox."""

import json
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from integrations.ports.insurance_mobile import MobileOrder
from integrations.ports.outcomes import Rejected
from integrations.ports.partners import PartnerUnknown, PerformedByHospital
from integrations.registry import OwnInsurance, PartnersFault, open_partners, read_partners
from service.kernel.clock import SystemClock
from service.sandbox.hospital import HOSPITAL_CODE
from service.sandbox.keys import make_secrets, prepare_secrets, twins_file
from service.sandbox.twins import make_street
from service.settings import read_settings

STREET = "http://street.test"


async def test_adapter_and_twin_meet_behind_the_streets_address() -> None:
    ours, theirs = make_secrets(STREET)
    street = make_street(theirs, client=httpx.AsyncClient(), books=None)
    client = httpx.AsyncClient(transport=httpx.ASGITransport(street), base_url=STREET)
    partners = open_partners(ours, client, 5.0, SystemClock().now)
    order = MobileOrder(
        order_ref="O1",
        order_token="T1",
        order_no="MO1",
        visit_ref=None,
        batch_no="B1",
        total_fen=1,
        name="测试甲",
        id_no="990001198001010019",
    )
    asked = await partners.mobile_insurance(HOSPITAL_CODE).query(order, SystemClock().now())
    # Opened, understood and refused, under a signature that holds: there is no such order.
    assert isinstance(asked, Rejected)
    assert asked.reason == "partner-refused"
    assert partners.inpatient(HOSPITAL_CODE).code == partners.insurance(HOSPITAL_CODE).code
    for find in (partners.mobile_insurance, partners.inpatient):
        with pytest.raises(PartnerUnknown):
            find("H99000100009")


async def test_a_hospital_with_a_machine_of_its_own_has_no_gateway_and_never_two_lines() -> None:
    ours, _ = make_secrets(STREET)
    own = msgspec.convert([{"institution_code": HOSPITAL_CODE}], list[OwnInsurance])
    both = msgspec.structs.replace(ours, own_insurance=own)
    async with httpx.AsyncClient() as client:
        with pytest.raises(PartnersFault, match=r"own_insurance\[0\]"):
            open_partners(both, client, 5.0, SystemClock().now)
        alone = msgspec.structs.replace(both, insurance=[])
        partners = open_partners(alone, client, 5.0, SystemClock().now)
        for find in (partners.insurance, partners.inpatient):
            with pytest.raises(PerformedByHospital):
                find(HOSPITAL_CODE)


def test_a_sandbox_of_before_learns_of_the_centre_and_keeps_its_keys(tmp_path: Path) -> None:
    ours = read_settings({"YIMATONG_MODE": "sandbox", "YIMATONG_STATE_DIR": str(tmp_path)})
    prepare_secrets(ours)
    held: dict[str, Any] = json.loads(twins_file(ours).read_bytes())
    before = read_partners(ours.partners_file)
    del held["mobile"]
    twins_file(ours).write_text(json.dumps(held))
    older = msgspec.structs.replace(before, mobile_insurance=[])
    ours.partners_file.write_bytes(msgspec.json.encode(older))
    prepare_secrets(ours)
    after = read_partners(ours.partners_file)
    theirs = json.loads(twins_file(ours).read_bytes())
    assert after.mobile_insurance[0].app_secret == theirs["mobile"]["apps"][0]["app_secret"]
    assert (after.wechatpay, after.alipay) == (before.wechatpay, before.alipay)


def test_a_wrong_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "partners.json"
    line = msgspec.to_builtins(make_secrets(STREET)[0].mobile_insurance[0])
    path.write_text(json.dumps({"mobile_insurance": [{**line, "colour": "red"}]}))
    with pytest.raises(PartnersFault, match="colour"):
        read_partners(path)
