"""From settings to a line for invoices, and the sandbox's line to its twin."""

import json
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from integrations.ports.outcomes import Accepted
from integrations.ports.partners import PartnerUnknown
from integrations.registry import PartnersFault, open_partners, read_partners
from service.kernel.clock import SystemClock
from service.sandbox.hospital import HOSPITAL_CODE
from service.sandbox.keys import TwinSecrets, make_secrets, prepare_secrets, twins_file
from service.sandbox.twins import make_street
from service.settings import read_settings
from tests.contract.fiscal_rig import an_order, settings

STREET = "http://street.test"


def test_a_line_of_settings_is_a_line_for_invoices(tmp_path: Path) -> None:
    path = tmp_path / "partners.json"
    line = msgspec.to_builtins(settings())
    path.write_text(json.dumps({"fiscal_invoice": [line]}))
    partners = open_partners(read_partners(path), httpx.AsyncClient(), 1.0, SystemClock().now)
    assert partners.invoice(line["institution_code"]).code == "fiscal-invoice"
    with pytest.raises(PartnerUnknown):
        partners.invoice("H99000100009")
    path.write_text(json.dumps({"fiscal_invoice": [{**line, "place_code": 1}]}))
    with pytest.raises(PartnersFault, match="place_code"):
        read_partners(path)
    assert settings().key not in repr(settings())


def test_a_sandbox_of_before_learns_of_invoices_and_keeps_its_keys(tmp_path: Path) -> None:
    ours = read_settings({"YIMATONG_MODE": "sandbox", "YIMATONG_STATE_DIR": str(tmp_path)})
    prepare_secrets(ours)
    held: dict[str, Any] = json.loads(twins_file(ours).read_bytes())
    before = read_partners(ours.partners_file)
    del held["fiscal"]
    twins_file(ours).write_text(json.dumps(held))
    older = msgspec.structs.replace(before, fiscal_invoice=[])
    ours.partners_file.write_bytes(msgspec.json.encode(older))
    prepare_secrets(ours)
    theirs = msgspec.json.decode(twins_file(ours).read_bytes(), type=TwinSecrets)
    after = read_partners(ours.partners_file)
    assert [line.key for line in after.fiscal_invoice] == [one.key for one in theirs.fiscal]
    assert (after.wechatpay, after.alipay) == (before.wechatpay, before.alipay)


async def test_adapter_and_twin_meet_behind_the_streets_address() -> None:
    ours, theirs = make_secrets(STREET)
    street = make_street(theirs, client=httpx.AsyncClient(), books=None)
    client = httpx.AsyncClient(transport=httpx.ASGITransport(street), base_url=STREET)
    partners = open_partners(ours, client, 5.0, SystemClock().now)
    issued = await partners.invoice(HOSPITAL_CODE).issue(an_order())
    assert isinstance(issued, Accepted)
    assert "/fiscal/sandbox/" in (await client.get("/")).text
    assert issued.value.number in (await client.get("/fiscal/sandbox/")).text
