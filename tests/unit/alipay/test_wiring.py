"""Alipay in the partners' file, in the sandbox's secrets, and behind the street's address."""

import json
import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from integrations.alipay.statements import TradeBill
from integrations.ports.outcomes import Accepted
from integrations.ports.partners import PartnerUnknown
from integrations.ports.payments import PaymentStatus
from integrations.registry import PartnerSettings, PartnersFault, open_partners, read_partners
from integrations.sandbox.street import Street
from service.kernel.clock import SystemClock
from service.sandbox.hospital import ALIPAY_SELLER
from service.sandbox.keys import TwinSecrets, make_secrets, prepare_secrets, twins_file
from service.sandbox.twins import make_street
from service.settings import Settings, read_settings
from tests.contract.alipay_rig import PAYER, an_order, settings

TWINS = "http://street.test"


def sandbox(folder: Path) -> Settings:
    made = read_settings({"YIMATONG_MODE": "sandbox", "YIMATONG_STATE_DIR": str(folder)})
    assert made.twin_url is not None
    return made


def test_a_line_of_settings_is_a_merchant_account(tmp_path: Path) -> None:
    path = tmp_path / "partners.json"
    line = msgspec.to_builtins(settings(protocol="v3"))
    path.write_text(json.dumps({"alipay": [line]}))
    partners = open_partners(read_partners(path), httpx.AsyncClient(), 1.0, SystemClock().now)
    assert partners.payment("alipay", line["seller_id"]).code == "alipay"
    with pytest.raises(PartnerUnknown):
        partners.payment("alipay", "2088990000000009")
    path.write_text(json.dumps({"alipay": [{**line, "protocol": "soap"}]}))
    with pytest.raises(PartnersFault, match="protocol"):
        read_partners(path)


def test_settings_show_no_secret() -> None:
    assert "KEY" not in repr(settings())


def test_a_sandbox_of_before_learns_of_alipay_and_keeps_its_keys(tmp_path: Path) -> None:
    ours = sandbox(tmp_path)
    prepare_secrets(ours)
    held: dict[str, Any] = json.loads(twins_file(ours).read_bytes())
    before = read_partners(ours.partners_file)
    del held["alipay"]
    twins_file(ours).write_text(json.dumps(held))
    ours.partners_file.write_bytes(msgspec.json.encode(msgspec.structs.replace(before, alipay=[])))

    prepare_secrets(ours)
    after = msgspec.json.decode(twins_file(ours).read_bytes(), type=TwinSecrets)
    (line,) = read_partners(ours.partners_file).alipay
    assert line.seller_id == ALIPAY_SELLER == after.alipay.apps[0].seller_id
    assert read_partners(ours.partners_file).wechatpay == before.wechatpay
    assert json.loads(msgspec.json.encode(after.wechatpay)) == held["wechatpay"]
    kept = twins_file(ours).read_bytes()
    prepare_secrets(ours)
    assert twins_file(ours).read_bytes() == kept


async def opened_street() -> tuple[PartnerSettings, Street, httpx.AsyncClient]:
    ours, theirs = make_secrets(TWINS)
    client = httpx.AsyncClient()
    street = make_street(theirs, client=client, books=None)
    return ours, street, httpx.AsyncClient(transport=httpx.ASGITransport(street))


@pytest.mark.parametrize("protocol", ["gateway", "v3"])
async def test_adapter_and_twin_meet_behind_the_streets_address(protocol: str) -> None:
    ours, _street, client = await opened_street()
    changed = [msgspec.structs.replace(line, protocol=protocol) for line in ours.alipay]
    now = SystemClock().now
    only = PartnerSettings(alipay=changed)
    gateway: Any = open_partners(only, client, 5.0, now).payment("alipay", ALIPAY_SELLER)
    placed = await gateway.place(an_order("TRADE0001", now()))
    assert isinstance(placed, Accepted), placed
    paid = await client.post(
        f"{TWINS}/alipay/sandbox/pay",
        json={"trade_no": placed.value.prepay_ref, "buyer": PAYER},
    )
    assert paid.status_code == 200
    found = await gateway.query("TRADE0001")
    assert found.value.status is PaymentStatus.PAID

    await client.post(f"{TWINS}/alipay/sandbox/clock", json={"forward_s": 2 * 86_400})
    bill = await gateway.fetch_bill(_beijing_day(now()))
    assert isinstance(bill, Accepted), bill
    (row,) = TradeBill(bill.value, account=ALIPAY_SELLER).rows()
    assert (row.trade_no, row.amount_fen) == ("TRADE0001", 12_345)


async def test_the_streets_first_page_leads_to_the_book() -> None:
    _ours, _street, client = await opened_street()
    text = (await client.get(f"{TWINS}/")).text
    books = re.findall('href="(.*?)"', text)
    assert "/alipay/sandbox/" in books
    assert "支付宝沙箱账本" in (await client.get(f"{TWINS}/alipay/sandbox/")).text
    assert "/realname/sandbox/" not in books, "it keeps none"


def _beijing_day(at: Any) -> date:
    day: date = (at + timedelta(hours=8)).date()
    return day
