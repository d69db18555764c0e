"""The mobile payment centre: envelopes in, envelopes out, and faults on demand (dossier 5).

A message that cannot be opened is answered with HTTP 401 and no signature; every other answer is
signed. The window of 300 seconds and the memory for envelopes are our own.
"""

import asyncio
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from litestar import Response

from crypto.sm2 import PrivateKey
from integrations.sandbox.insurance import mobile_mixed, mobile_orders, mobile_refunds
from integrations.sandbox.insurance.book import Book, Row
from integrations.sandbox.insurance.exact import fen, yuan
from integrations.sandbox.insurance.faults import Fault, FaultPlan, ScriptedFault
from integrations.sandbox.insurance.gate import WINDOW_S, read_body
from integrations.sandbox.insurance.mobile_seal import (
    MobileApp,
    MobileKeys,
    NotOpened,
    open_message,
    seal,
)
from integrations.sandbox.insurance.model import BEIJING, Refused, clock_text, local
from integrations.sandbox.insurance.policy import Policy
from integrations.sandbox.insurance.twin import BrokenAnswer, Reply, said
from integrations.sandbox.insured_orders import InsuredOrder

MOBILE_PREFIX = "/org/local/api/hos"
NUMBERS = {
    "uldFeeInfo": "6201",
    "pay_order": "6202",
    "refund_Order": "6203",
    "query_order_info": "6301",
    "revoke_order": "6401",
}


class MobileCentre:
    """One centre beside one bureau, over the same book."""

    def __init__(
        self,
        *,
        book: Book,
        policy: Policy,
        clock: Callable[[], datetime],
        wall: Callable[[], datetime],
        faults: FaultPlan,
        keys: MobileKeys,
    ) -> None:
        self._book = book
        self._policy = policy
        self._clock = clock
        self._wall = wall
        self._faults = faults
        self._apps = {app.app_id: app for app in keys.apps}
        self._key = PrivateKey.from_bytes(bytes.fromhex(keys.private_key_hex))

    async def answer(self, path: str, body: bytes) -> Reply:
        """One request to ``MOBILE_PREFIX/path``."""
        at, number = self._clock(), NUMBERS.get(path)
        try:
            app, asked = self._open(body, self._wall())
        except (NotOpened, Refused) as fault:
            return said({"code": 401, "success": False, "message": str(fault)}, 401)
        drawn = "|".join(
            str(asked.get(name, "")) for name in ("medOrgOrd", "payOrdId", "appRefdSn")
        )
        named = f"{number}|{drawn}|{local(at):%H%M%S}"
        planned = self._faults.take(number or "", named, str(asked.get("psnNo", "")))
        kind = None if planned is None else planned.fault
        if kind is Fault.DROP_BEFORE:
            return BrokenAnswer()
        if kind is Fault.ERROR_BEFORE:
            return said({"message": "internal error"}, 500)
        if planned is not None and kind is Fault.REJECT:
            return said(self._sealed(app, at, None, planned.text))
        try:
            with self._book.transaction():
                output, refusal = self._do(number, app, asked, at, kind), ""
        except Refused as refused:
            output, refusal = None, refused.text
        return await self._after(app, at, output, refusal, planned)

    def _open(self, body: bytes, at: datetime) -> tuple[MobileApp, dict[str, Any]]:
        message = read_body(body)
        app = self._apps.get(str(message.get("appId", "")))
        if app is None:
            raise NotOpened("application")
        asked = open_message(app, message)
        stamp = str(message.get("timestamp", ""))
        try:
            sent = datetime.strptime(stamp, "%Y%m%d%H%M%S").replace(tzinfo=BEIJING)
        except ValueError:
            raise NotOpened("timestamp") from None
        if abs((sent - at).total_seconds()) > WINDOW_S:
            raise NotOpened("timestamp")
        now = int(at.timestamp())
        nonce = f"mobile:{message['signData']}"
        if not self._book.run("insert or ignore into nonce values (?, ?)", nonce, now):
            raise NotOpened("replayed")
        return app, asked

    def _do(
        self,
        number: str | None,
        app: MobileApp,
        asked: dict[str, Any],
        at: datetime,
        kind: Fault | None,
    ) -> dict[str, Any]:
        book = self._book
        match number:
            case "6201":
                return mobile_orders.upload(book, app, asked, at)
            case "6202":
                return mobile_orders.pay(book, app, asked, at, self._policy)
            case "6203":
                uneven = kind is Fault.UNEVEN_REFUND
                return mobile_refunds.refund(book, app, asked, at, uneven=uneven)
            case "6301":
                return mobile_orders.query(book, app, asked, at)
            case "6401":
                return mobile_orders.revoke(book, app, asked, at)
            case _:
                raise Refused("交易不支持")

    async def _after(
        self,
        app: MobileApp,
        at: datetime,
        output: dict[str, Any] | None,
        refusal: str,
        planned: ScriptedFault | None,
    ) -> Reply:
        kind = None if planned is None else planned.fault
        if planned is not None and kind is Fault.DELAY:
            await asyncio.sleep(planned.delay_ms / 1000)
        if kind is Fault.DROP_AFTER:
            return BrokenAnswer()
        if kind is Fault.ERROR_AFTER:
            return said({"message": "internal error"}, 500)
        if kind is Fault.GARBLE:
            return Response(b"\xff<html>", status_code=200, media_type="application/json")
        if output is not None:
            output = _turned(output, kind)
        message = self._sealed(app, at, output, refusal)
        if kind is Fault.UNSIGNED:
            del message["signData"]
        if kind is Fault.FORGE:
            message = self._sealed(app, at, output, refusal, PrivateKey.generate())
        if kind is Fault.OTHER_CHARSET:
            body = json.dumps(message, ensure_ascii=False).encode("utf-16")
            return Response(body, status_code=200, media_type="application/json")
        return said(message)

    def _sealed(
        self,
        app: MobileApp,
        at: datetime,
        output: dict[str, Any] | None,
        refusal: str,
        key: PrivateKey | None = None,
    ) -> dict[str, Any]:
        outer = {
            "code": -1 if refusal else 0,
            "message": refusal or "成功",
            "success": not refusal,
            "encType": "SM4",
            "signType": "SM2",
            "version": "2.0.1",
            "timestamp": f"{local(at):%Y%m%d%H%M%S}",
        }
        return seal(app, key or self._key, outer, output)

    def own_money_came(self, order_ref: str) -> dict[str, Any]:
        """The payer paid his own part at the centre: the order goes on. Raises ``Refused``."""
        at = self._clock()
        with self._book.transaction():
            row = self._row(order_ref)
            app = self._apps[row["app_id"]]
            mobile_orders.complete(self._book, app, row, at, self._policy)
        return mobile_orders.shown(self._row(order_ref))

    def carry_out(self, told: InsuredOrder) -> str | None:
        """The payer confirmed a mixed order at a payment provider: why not, or None: settled."""
        at = self._clock()
        try:
            with self._book.transaction():
                row = self._row(told.order_ref)
                app = self._apps[row["app_id"]]
                mobile_mixed.carry_out(self._book, app, row, told, at, self._policy)
        except Refused as refused:
            return refused.text
        settled = self._row(told.order_ref)["state"] == mobile_mixed.SETTLED
        return None if settled else "医保结算失败"

    def authorise(self, psn_no: str) -> str:
        """A payer's authorisation. Raises ``Refused``."""
        with self._book.transaction():
            return mobile_orders.authorise(self._book, psn_no, self._clock())

    def notice(self, order_ref: str) -> dict[str, Any]:
        """6302: what the hospital's address is sent now. Raises ``Refused``."""
        row, at = self._row(order_ref), self._clock()
        data = mobile_orders.shown(row) | {"traceTime": clock_text(at)}
        outer = {
            "encType": "SM4",
            "signType": "SM2",
            "version": "2.0.1",
            "timestamp": f"{local(at):%Y%m%d%H%M%S}",
        }
        return seal(self._apps[row["app_id"]], self._key, outer, data)

    def orders(self) -> list[dict[str, Any]]:
        """Every order, oldest first."""
        rows = self._book.all("select * from mobile_order order by rowid limit 500")
        return [mobile_orders.shown(row) | {"setl_id": row["setl_id"]} for row in rows]

    def _row(self, order_ref: str) -> Row:
        row = self._book.one("select * from mobile_order where order_ref = ?", order_ref)
        if row is None:
            raise Refused("订单不存在")
        return row


def _turned(output: dict[str, Any], kind: Fault | None) -> dict[str, Any]:
    """The answer as a fault has it; signed all the same."""
    if kind is Fault.UNKNOWN_STATE:
        return output | {"ordStas": "99", "refStatus": "99"}
    if kind is Fault.OTHER_ORDER:
        return output | {"payOrdId": "ORD000000000000000000000000000000"}
    if kind is Fault.BREAK_IDENTITY and "ownPayAmt" in output:
        return output | {"ownPayAmt": yuan(fen(output["ownPayAmt"]) + 1)}
    return output
