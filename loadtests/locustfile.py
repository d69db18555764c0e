"""Locust users: ``ShowUser`` (a code is issued), ``ScanUser`` (issued and scanned), ``SettleUser``.

Needs YIMATONG_LOAD_PEOPLE (file of ``people.prepare``), YIMATONG_LOAD_DEMO (``demo.json``) and, to
settle, YIMATONG_LOAD_TWINS (the twins' address). Each user is one person; a settling user goes
through bill, split, payment and the hospital's acknowledgement, whatever the twins do to him.
YIMATONG_LOAD_SETTLEMENTS ends the run after so many; with YIMATONG_LOAD_WHIMS=1 one person in five
gives up, walks away, or has the insurance's counters moved while he pays.
YIMATONG_LOAD_EVERY_S begins a user's settlements so far apart; YIMATONG_LOAD_STEPS names a file for
the times of each step.
"""

import itertools
import os
import random
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import gevent
import msgspec
from locust import FastHttpUser, constant, constant_pacing, events, task
from locust.exception import StopUser

from loadtests import people
from loadtests.actors import Refused, Signer, ask
from service.sandbox.hospital import DemoHospital

DEMO = msgspec.json.decode(Path(os.environ["YIMATONG_LOAD_DEMO"]).read_bytes(), type=DemoHospital)
PEOPLE = people.read(Path(os.environ["YIMATONG_LOAD_PEOPLE"]))
TWINS = os.environ.get("YIMATONG_LOAD_TWINS", "")
WANTED = int(os.environ.get("YIMATONG_LOAD_SETTLEMENTS", "0"))
WHIMS = os.environ.get("YIMATONG_LOAD_WHIMS", "0") == "1"
EVERY_S = float(os.environ.get("YIMATONG_LOAD_EVERY_S", "0"))
STEPS = os.environ.get("YIMATONG_LOAD_STEPS")
WAIT_S = 60.0
SETTLEMENTS_EACH = 5
ENDED = {"POSTED", "REVERSED", "NEEDS_REVIEW"}
PAYABLE = {"PRESETTLED", "AWAITING_PAYER", "COLLECTING"}
WITHOUT_ORDER = {
    "PRESETTLED": {"NONE", "CLOSED", "FAILED"},
    "AWAITING_PAYER": {"CLOSED", "FAILED"},
    # The newest order may still be the first one, which is paid.
    "COLLECTING": {"NONE", "PAID", "CLOSED", "FAILED"},
}
ABANDON, ABANDON_PAYING, WALK_AWAY, COUNTERS_MOVE = range(4)

_next_person = itertools.cycle(PEOPLE)
_begun = itertools.count(1)


@events.test_start.add_listener
def _end_with_the_last_user(environment: Any, **_: object) -> None:
    def watch() -> None:
        while environment.runner.user_count == 0:
            gevent.sleep(0.2)
        while environment.runner.user_count > 0:
            gevent.sleep(0.2)
        environment.runner.quit()

    gevent.spawn(watch)


@events.test_stop.add_listener
def _keep_times(environment: Any, **_: object) -> None:
    if STEPS is not None:
        times = {
            one.name: {
                "count": one.num_requests,
                "p50_ms": one.get_response_time_percentile(0.5),
                "p99_ms": one.get_response_time_percentile(0.99),
            }
            for one in environment.stats.entries.values()
        }
        Path(STEPS).write_bytes(msgspec.json.encode(times))


class Resident(FastHttpUser):
    """A person with a token."""

    abstract = True
    wait_time = constant(0)
    network_timeout = 30.0
    connection_timeout = 30.0

    def on_start(self) -> None:
        self.person = next(_next_person)
        self.kiosk = Signer(
            str(self.host), caller_id=DEMO.kiosk.terminal_id, key=DEMO.kiosk.key, application=False
        )
        self.hospital = Signer(
            str(self.host), caller_id=DEMO.application_id, key=DEMO.private_key, application=True
        )

    def show(self) -> str:
        """A one-time code."""
        issued = ask(
            self.client,
            "POST",
            "/v1/me/codes",
            {"purpose": "pay", "symbol": False},
            name="show",
            token=self.person.token,
        )
        return str(issued["text"])

    def scan(self, text: str) -> Any:
        """The kiosk's scan."""
        body = {"text": text, "purpose": "pay"}
        return ask(
            self.client,
            "POST",
            "/v1/terminal/scans",
            body,
            name="scan",
            signer=self.kiosk,
            key=secrets.token_hex(8),
        )


class ShowUser(Resident):
    """Shows a code."""

    @task
    def show_one(self) -> None:
        try:
            self.show()
        except Refused:
            gevent.sleep(0.2)


class ScanUser(Resident):
    """Shows a code and has it scanned."""

    @task
    def scan_one(self) -> None:
        try:
            self.scan(self.show())
        except Refused:
            gevent.sleep(0.2)


class SettleUser(Resident):
    """Settles one bill after another until the wanted number was begun."""

    wait_time = constant_pacing(EVERY_S)

    def on_start(self) -> None:
        super().on_start()
        self.turn = 0
        self.come_in()
        # They come at any time: together, they would come together at every turn.
        gevent.sleep(random.random() * EVERY_S)

    def come_in(self) -> None:
        """The next person shows a code; one alone would soon have used up what the fund pays."""
        self.person = next(_next_person)
        self.seen: dict[str, object] = self.retry(lambda: self.scan(self.show()))

    def retry(self, action: Callable[[], Any]) -> Any:
        """Try until it succeeds, as a person at a counter would; gives up after a minute."""
        end = time.monotonic() + WAIT_S
        while True:
            try:
                return action()
            except Refused as refused:
                if time.monotonic() > end:
                    raise StopUser from refused
                gevent.sleep(0.3)

    @task
    def settle_one(self) -> None:
        if WANTED and next(_begun) > WANTED:
            raise StopUser
        self.turn += 1
        if self.turn % SETTLEMENTS_EACH == 0:
            self.come_in()
        self.whim = secrets.randbelow(20) if WHIMS else -1
        bill_no = f"LOAD{secrets.token_hex(8).upper()}"
        amount_fen = 1_000 + secrets.randbelow(60_000)
        body = a_bill(bill_no, str(self.seen["patient_id"]), amount_fen)
        bill = self.retry(
            lambda: ask(
                self.client,
                "POST",
                "/v1/institution/bills",
                body,
                name="bill",
                signer=self.hospital,
                key=bill_no,
            )
        )
        start = f"/v1/me/bills/{bill['bill_id']}/settlements"
        choice = {"use_account": secrets.randbelow(2) == 0, "insured": secrets.randbelow(10) > 0}
        begun = self.retry(
            lambda: ask(
                self.client,
                "POST",
                start,
                choice,
                name="settle",
                token=self.person.token,
                key=bill_no,
            )
        )
        self.go_on(f"/v1/me/settlements/{begun['settlement_id']}", bill_no)

    def go_on(self, target: str, bill_no: str) -> None:
        """Pay, confirm and post until the settlement has ended or a minute is over."""
        end = time.monotonic() + WAIT_S
        while time.monotonic() < end:
            try:
                seen = ask(self.client, "GET", target, name="look", token=self.person.token)
                if seen["state"] in ENDED or self.walks_away(target, seen):
                    return
                self.push(target, bill_no, seen)
            except Refused:
                pass
            gevent.sleep(0.15)

    def walks_away(self, target: str, seen: dict[str, Any]) -> bool:
        """Follow the whim of this settlement; True when the person does nothing more."""
        waiting = seen["state"] in ("PRESETTLED", "AWAITING_PAYER")
        if self.whim == WALK_AWAY:
            return waiting
        paying = seen["state"] == "AWAITING_PAYER" and bool(seen.get("payment"))
        if self.whim == ABANDON_PAYING and paying:
            self.whim = -1
            self.pay_at_twin(seen)
            self.abandon(target)
        elif self.whim == ABANDON and waiting:
            self.abandon(target)
        elif self.whim == COUNTERS_MOVE and paying:
            self.whim = -1
            moves = {"op.dedc": 3_000} if secrets.randbelow(2) else {"balance": -2_000}
            self.client.request(
                "POST",
                f"{TWINS}/insurance/sandbox/counters",
                json={"psn_no": self.person.person_no, "moves": moves},
                name="twin: counters move",
            )
        return False

    def abandon(self, target: str) -> None:
        """The person does not want it any more."""
        ask(
            self.client,
            "POST",
            f"{target}/abandonment",
            {},
            name="abandon",
            token=self.person.token,
        )

    def pay_at_twin(self, seen: dict[str, Any]) -> None:
        """The person types the password into the provider's own page."""
        parameters = seen["payment"].get("client_parameters")
        if parameters:
            prepay = parameters["package"].removeprefix("prepay_id=")
            self.client.request(
                "POST",
                f"{TWINS}/wechatpay/sandbox/pay",
                json={"prepay_id": prepay, "openid": self.person.subject},
                name="twin: payer pays",
            )

    def push(self, target: str, bill_no: str, seen: dict[str, Any]) -> None:
        """Do what the state waits for."""
        token = self.person.token
        payment = seen.get("payment") or {"state": "NONE"}
        if seen["state"] == "PRESETTLED" and seen["cash_fen"] == 0:
            ask(
                self.client,
                "POST",
                f"{target}/confirmation",
                {},
                name="confirm",
                token=token,
                key=f"OK{bill_no}",
            )
        elif seen["state"] in PAYABLE and payment["state"] == "AWAITING_PAYER":
            self.pay_at_twin(seen)
        elif seen["state"] in PAYABLE and payment["state"] in WITHOUT_ORDER[seen["state"]]:
            ask(
                self.client,
                "POST",
                f"{target}/payment",
                {"provider": "wechatpay", "way": "jsapi"},
                name="pay",
                token=token,
                key=secrets.token_hex(8),
            )
        elif seen["state"] == "POSTING":
            settlement_id = target.rsplit("/", 1)[-1]
            ask(
                self.client,
                "POST",
                f"/v1/institution/settlements/{settlement_id}/posting",
                {"hospital_ref": f"HIS{bill_no}"},
                name="post",
                signer=self.hospital,
                key=f"HIS{bill_no}",
            )


def a_bill(bill_no: str, patient_id: str, amount_fen: int) -> dict[str, object]:
    """A bill of two lines."""
    now = datetime.now(UTC)
    at = now.isoformat().replace("+00:00", "Z")
    first = amount_fen // 3
    lines = [
        {
            "line_no": str(number),
            "catalogue_code": code,
            "local_code": f"L{number}",
            "name": name,
            "quantity_e4": 10_000,
            "unit_price_e6": amount * 10_000,
            "amount_fen": amount,
            "charged_at": at,
        }
        for number, (code, name, amount) in enumerate(
            [
                ("TESTMED000001", "测试片（甲类）", first),
                ("TESTMED000002", "测试胶囊（乙类）", amount_fen - first),
            ],
            start=1,
        )
    ]
    return {
        "bill_no": bill_no,
        "patient_id": patient_id,
        "visit": {
            "visit_no": f"V{bill_no}",
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
        "total_fen": amount_fen,
        "pay_until": (now + timedelta(hours=2)).isoformat().replace("+00:00", "Z"),
    }
