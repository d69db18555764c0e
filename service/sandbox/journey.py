"""``yimatong demo``: the main journey against a running sandbox, over HTTP, a line a step."""

import secrets
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx
import msgspec

from service.commands.console import complain, say
from service.kernel.clock import SystemClock
from service.sandbox.hospital import DemoHospital, read_demo
from service.sandbox.own_phone import OwnPhone
from service.sandbox.speaker import Speaker, StepWrong, as_hospital, as_terminal, until
from service.settings import Settings

_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
ENDED = frozenset({"REVERSED", "NEEDS_REVIEW"})
LINES = (
    ("1", "TESTMED000007", "普通门诊诊察费", 10_000, 25_000_000, 2_500),
    ("2", "TESTMED000001", "测试片（甲类）", 30_000, 12_500_000, 3_750),
    ("3", "TESTMED000002", "测试胶囊（乙类）", 20_000, 36_800_000, 7_360),
)
TOTAL_FEN = 13_610
_FAULTS = (OSError, ValueError, msgspec.DecodeError)
"""An answer, a list or a code that is not one."""


def invented_number() -> str:
    """An ID number with a right check digit in region 990001, which no province has."""
    body = f"990001{1950 + secrets.randbelow(50)}{secrets.randbelow(12) + 1:02d}"
    body += f"{secrets.randbelow(28) + 1:02d}{secrets.randbelow(1000):03d}"
    total = sum(int(digit) * weight for digit, weight in zip(body, _WEIGHTS, strict=True))
    return body + "10X98765432"[total % 11]


class Journey:
    """The journey's people and what they have learnt so far."""

    def __init__(self, client: httpx.AsyncClient, twins: httpx.AsyncClient, him: DemoHospital):
        self.client = client
        self.twins = twins
        self.hospital = as_hospital(client, him)
        self.kiosk = as_terminal(client, him.kiosk)
        self.resident = Speaker(client)
        self.subject = f"demo-{secrets.token_hex(8)}"
        self.name = "演示居民"
        self.number = invented_number()
        self.code = ""
        self.scan: dict[str, Any] = {}
        self.bill_no = f"DEMO{secrets.token_hex(6).upper()}"
        self.bill_id = ""
        self.settlement: dict[str, Any] = {}

    async def _twin(self, path: str, body: Any) -> Any:
        answer = await self.twins.post(path, content=msgspec.json.encode(body))
        if answer.status_code >= 300:
            raise StepWrong(f"twin {path}: {answer.status_code} {answer.text[:200]}")
        return msgspec.json.decode(answer.content)

    async def ready(self) -> str:
        """The system is up and says what it runs on."""
        try:
            answer = await self.client.get("/readyz")
        except httpx.ConnectError:
            raise StepWrong(
                f"nobody answers at {self.client.base_url}: is `make run` up?"
            ) from None
        state = answer.json()
        if answer.status_code != 200:
            raise StepWrong(f"not ready: {state}")
        return f"{state['database']['server']}, SM2 by {state['cipher']['sm2']}"

    async def born(self) -> str:
        """An invented person becomes known to the bureau's and the real-name source's twins."""
        birth = f"{self.number[6:10]}-{self.number[10:12]}-{self.number[12:14]}"
        person = {
            "psn_no": f"9900{secrets.randbelow(10**20):020d}",
            "psn_name": self.name,
            "certno": self.number,
            "gend": "1" if int(self.number[16]) % 2 else "2",
            "brdy": birth,
            "balance_fen": 5_000,
            "enrolments": [{"insutype": "310", "psn_type": "11", "insuplc_admdvs": "990001"}],
        }
        await self._twin("/insurance/sandbox/persons", [person])
        # The year's deductible is spent, so that the fund pays its share.
        spent = {"psn_no": person["psn_no"], "moves": {"op.dedc": 50_000}}
        await self._twin("/insurance/sandbox/counters", spent)
        names = [{"name": self.name, "id_no": self.number}]
        await self._twin("/realname/sandbox/persons", names)
        return "invented person, region 990001"

    async def logged_in(self) -> str:
        """The resident logs in through the WeChat twin."""
        minted = await self._twin("/wechat-login/sandbox/codes", {"subject": self.subject})
        token = await self.resident.ask("POST", "/v1/login/wechat", {"code": minted["code"]})
        self.resident = Speaker(self.client, token=token["access_token"])
        return f"token for {token['expires_in']} s"

    async def registered(self) -> str:
        """The resident registers with real name."""
        body = {"name": self.name, "id_type": "01", "id_no": self.number}
        me = await self.resident.ask("PUT", "/v1/me/registration", body)
        if not me["registered"]:
            raise StepWrong("still not registered")
        return f"{me['masked_name']} {me['level']}"

    async def code_shown(self) -> str:
        """A one-time health code is issued."""
        issued = await self.resident.ask("POST", "/v1/me/codes", {"purpose": "pay", "symbol": True})
        self.code = issued["text"]
        if not issued["svg"].lstrip().startswith("<"):
            raise StepWrong("no symbol")
        return f"{len(self.code)} characters, {issued['life_s']} s"

    async def scanned(self) -> str:
        """The kiosk scans it; the same request is answered alike, another one is refused."""
        body = {"text": self.code, "purpose": "pay"}
        key = secrets.token_hex(8)
        self.scan = await self.kiosk.ask("POST", "/v1/terminal/scans", body, key=key)
        again = await self.kiosk.ask("POST", "/v1/terminal/scans", body, key=key)
        if again != self.scan:
            raise StepWrong("the repeated request was answered differently")
        await self.kiosk.refused(
            "POST",
            "/v1/terminal/scans",
            body,
            key=secrets.token_hex(8),
            code="code-already-used",
        )
        insurance = self.scan["insurance"]
        if insurance["status"] == "BY_HOSPITAL":
            return f"{self.scan['masked_name']}, insurance asked by the hospital itself"
        if insurance["status"] != "LINKED":
            raise StepWrong(f"insurance is {insurance['status']}")
        return f"{self.scan['masked_name']}, insurance {insurance['insurance_type']} linked"

    async def billed(self) -> str:
        """The hospital pushes a bill by signed request."""
        now = SystemClock().now()
        at = now.isoformat().replace("+00:00", "Z")
        lines = [
            {
                "line_no": line_no,
                "catalogue_code": item,
                "local_code": f"L{line_no}",
                "name": name,
                "quantity_e4": quantity,
                "unit_price_e6": price,
                "amount_fen": amount,
                "charged_at": at,
            }
            for line_no, item, name, quantity, price, amount in LINES
        ]
        body = {
            "bill_no": self.bill_no,
            "patient_id": self.scan["patient_id"],
            "visit": {
                "visit_no": f"V{self.bill_no}",
                "began_at": at,
                "visit_type": "11",
                "department_no": "A03",
                "department_name": "内科",
                "speciality": "A03",
                "doctor_no": "D00000000001",
                "doctor_name": "测试医师",
                "diagnoses": [{"code": "J06.900", "name": "急性上呼吸道感染", "main": True}],
            },
            "lines": lines,
            "total_fen": TOTAL_FEN,
            "pay_until": (now + timedelta(hours=2)).isoformat().replace("+00:00", "Z"),
        }
        bill = await self.hospital.ask("POST", "/v1/institution/bills", body, key=self.bill_no)
        self.bill_id = bill["bill_id"]
        return f"{self.bill_no}, {yuan(TOTAL_FEN)}"

    async def split(self) -> str:
        """The bureau splits the bill."""
        path = f"/v1/terminal/scans/{self.scan['scan_id']}"
        bills = await self.kiosk.ask("GET", f"{path}/bills")
        if self.bill_id not in [bill["bill_id"] for bill in bills["bills"]]:
            raise StepWrong("the kiosk does not see the bill")
        body = {"bill_id": self.bill_id, "use_account": True, "insured": True}
        started = await self.kiosk.ask(
            "POST", f"{path}/settlements", body, key=secrets.token_hex(8)
        )
        target = f"{path}/settlements/{started['settlement_id']}"
        self.settlement = await until(
            lambda: self.kiosk.ask("GET", target), frozenset({"PRESETTLED"}), stuck=ENDED
        )
        parts = ("fund_fen", "account_fen", "cash_fen", "hospital_fen")
        if sum(self.settlement[part] for part in parts) != TOTAL_FEN:
            raise StepWrong(f"the parts do not sum: {self.settlement}")
        return (
            f"fund {yuan(self.settlement['fund_fen'])}, "
            f"account {yuan(self.settlement['account_fen'])}, "
            f"own {yuan(self.settlement['cash_fen'])}"
        )

    async def paid(self) -> str:
        """The resident pays the rest by WeChat Pay on the phone."""
        target = f"/v1/me/settlements/{self.settlement['settlement_id']}"
        body = {"provider": "wechatpay", "way": "jsapi"}
        seen = await self.resident.ask("POST", f"{target}/payment", body, key=secrets.token_hex(8))
        parameters = seen["payment"]["client_parameters"]
        prepay = parameters["package"].removeprefix("prepay_id=")
        await self._twin("/wechatpay/sandbox/pay", {"prepay_id": prepay, "openid": self.subject})
        return f"{yuan(seen['payment']['amount_fen'])} by JSAPI order"

    async def settled(self) -> str:
        """The notice arrives and the bureau settles."""
        target = f"/v1/me/settlements/{self.settlement['settlement_id']}"
        self.settlement = await until(
            lambda: self.resident.ask("GET", target),
            frozenset({"POSTING", "POSTED"}),
            stuck=ENDED,
        )
        return f"paid {yuan(self.settlement['paid_fen'])}"

    async def posted(self) -> str:
        """The hospital's system acknowledges."""
        settlement_id = self.settlement["settlement_id"]
        waiting = await self.hospital.ask(
            "GET", "/v1/institution/settlements?to_post=true&limit=50"
        )
        if settlement_id not in [row["settlement_id"] for row in waiting["settlements"]]:
            raise StepWrong("the hospital does not see the settlement")
        reference = f"HIS{self.bill_no}"
        seen = await self.hospital.ask(
            "POST",
            f"/v1/institution/settlements/{settlement_id}/posting",
            {"hospital_ref": reference},
            key=reference,
        )
        if seen["state"] != "POSTED":
            raise StepWrong(f"saw {seen['state']}")
        return reference

    async def receipt(self) -> str:
        """The receipt is there and its parts sum."""
        target = f"/v1/me/settlements/{self.settlement['settlement_id']}"

        async def with_receipt() -> dict[str, Any]:
            seen = await self.resident.ask("GET", target)
            return {"state": "THERE" if seen["receipt"] else "MISSING"}

        await until(with_receipt, frozenset({"THERE"}), stuck=frozenset())
        receipt = await self.resident.ask("GET", f"{target}/receipt")
        if sum(line["amount_fen"] for line in receipt["lines"]) != TOTAL_FEN:
            raise StepWrong("the receipt's lines do not sum")
        return str(receipt["receipt_no"])


def yuan(amount_fen: int) -> str:
    """For a person to read."""
    return f"{amount_fen // 100}.{amount_fen % 100:02d} yuan"


async def run_demo(settings: Settings, *, base_url: str | None, as_json: bool) -> int:
    """Exit status 0 only if every step is right."""
    try:
        hospital = read_demo(settings)
    except FileNotFoundError:
        complain("yimatong demo: nothing runs here yet; start `make run` first")
        return 2
    started = time.monotonic()
    async with (
        httpx.AsyncClient(
            base_url=base_url or settings.public_url, timeout=15.0, trust_env=False
        ) as client,
        httpx.AsyncClient(base_url=settings.twin_url or "", timeout=15.0, trust_env=False) as twins,
    ):
        journey = Journey(client, twins, hospital)
        phone = OwnPhone(client, settings.trust_roots)
        steps: list[tuple[str, Callable[[], Awaitable[str]]]] = [
            ("system ready", journey.ready),
            ("person invented", journey.born),
            ("resident logged in", journey.logged_in),
            ("registered with real name", journey.registered),
            ("health code shown", journey.code_shown),
            ("kiosk scanned it", journey.scanned),
            ("hospital pushed a bill", journey.billed),
            ("insurance split it", journey.split),
            ("rest paid by WeChat Pay", journey.paid),
            ("insurance settled", journey.settled),
            ("hospital posted", journey.posted),
            ("receipt is there", journey.receipt),
            ("phone enrolled a key of its own", lambda: phone.enrol(journey.resident)),
            ("kiosk resolved the phone's own code", lambda: phone.show(journey.kiosk)),
            ("the same code verified offline", phone.verify_offline),
        ]
        for name, step in steps:
            if not await _tell(name, step, as_json=as_json):
                return 1
    if not as_json:
        say(f"the whole journey in {time.monotonic() - started:.2f} s")
    return 0


async def _tell(name: str, step: Callable[[], Awaitable[str]], *, as_json: bool) -> bool:
    begun = time.monotonic()
    try:
        seen = await step()
        passed = True
    except (StepWrong, httpx.HTTPError, KeyError, *_FAULTS) as fault:
        seen, passed = f"{type(fault).__name__}: {fault}", False
    took_ms = round((time.monotonic() - begun) * 1000)
    if as_json:
        line = {"step": name, "pass": passed, "ms": took_ms, "seen": seen}
        say(msgspec.json.encode(line).decode())
    else:
        say(f"{'ok  ' if passed else 'WRONG'} {took_ms:6d} ms  {name}: {seen}")
    return passed
