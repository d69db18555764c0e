"""Pay-by-code and its reverse, over v3 and over V2: the documents disagree which (payments.md 2.5).

One attempt, one call; how long to ask and when to reverse is the core's. A trade of either API is
asked for and refunded over v3.
"""

from collections.abc import Mapping
from urllib.parse import quote

import msgspec

from integrations.kit.clocktext import ClockTextError, parse_compact
from integrations.kit.transport import Answer, ProviderFault, outcome_of
from integrations.ports.outcomes import Accepted, NotSent, Outcome, Rejected, Unknown
from integrations.ports.payments import CodeOrder, Payment, PaymentStatus
from integrations.wechatpay import apiv2, mapping, wire
from integrations.wechatpay.line import WechatPayLine, read, refusal
from integrations.wechatpay.party import Party

REVERSE_AGAIN = Unknown("reverse-again")
XML_TYPE = "text/xml;charset=UTF-8"


class CodePay:
    """Over v3."""

    def __init__(self, line: WechatPayLine, party: Party) -> None:
        self._line = line
        self._party = party

    async def pay(self, order: CodeOrder) -> Outcome[Payment]:
        """``codepay``: 200 is the transaction, 202 means that the payer is being asked."""
        settings = self._line.settings
        account = msgspec.structs.asdict(self._party.account())
        body = wire.OrderBody(
            **account,
            description=order.description,
            out_trade_no=order.trade_no,
            amount=wire.OrderAmount(order.amount_fen, "CNY"),
            payer=wire.Payer(auth_code=order.code),
            scene_info=wire.Scene(
                device_id=settings.device_id,
                device_ip=settings.device_ip,
                store_info=wire.Store(settings.store_id),
            ),
        )
        answer = await self._line.call("POST", f"{self._party.trades}/codepay", body)
        if not isinstance(answer, Answer):
            return answer
        if answer.status == 202 or _code(answer) in mapping.PAYER_BUSY:
            return _waiting(order.trade_no)
        if answer.status != 200:
            return refusal(
                answer, unsettled=mapping.PLACE_UNSETTLED, refusals=mapping.CODE_REFUSALS
            )
        found = read(answer, wire.Transaction)
        if (
            found is None
            or not self._party.owns(found)
            or found.out_trade_no != order.trade_no
            or (found.amount is not None and found.amount.total not in {None, order.amount_fen})
        ):
            return mapping.ANSWER_INVALID
        return mapping.payment_of(found)

    async def reverse(self, trade_no: str) -> Outcome[None]:
        """``reverse``; while the payer is paying nothing was reversed: Unknown, so repeat."""
        path = f"{self._party.trades}/out-trade-no/{quote(trade_no, safe='')}/reverse"
        answer = await self._line.call("POST", path, self._party.account())
        if not isinstance(answer, Answer):
            return answer
        if answer.status != 200:
            return refusal(answer)
        found = read(answer, wire.ReversedAnswer)
        if found is None or found.out_trade_no != trade_no:
            return mapping.ANSWER_INVALID
        return Accepted(None)


class CodePayV2:
    """Over V2: XML, signed by HMAC-SHA256 under the V2 key.

    ``/secapi`` wants the merchant's client certificate on its connection; what stands at
    ``v2_base_url`` holds it.
    """

    def __init__(self, line: WechatPayLine) -> None:
        self._line = line
        self._key = line.settings.api_v2_key or ""

    async def pay(self, order: CodeOrder) -> Outcome[Payment]:
        """``micropay``."""
        settings = self._line.settings
        told = await self._ask(
            "/pay/micropay",
            {
                "body": order.description,
                "out_trade_no": order.trade_no,
                "total_fee": str(order.amount_fen),
                "fee_type": "CNY",
                "spbill_create_ip": settings.device_ip,
                "device_info": settings.device_id,
                "auth_code": order.code,
            },
        )
        if not isinstance(told, dict):
            return told
        if told.get("result_code") != "SUCCESS":
            if told.get("err_code") in mapping.PAYER_BUSY:
                return _waiting(order.trade_no)
            return _refused(told)
        return _paid(told, order)

    async def reverse(self, trade_no: str) -> Outcome[None]:
        """``reverse``; ``recall`` Y means that nothing was reversed yet."""
        told = await self._ask("/secapi/pay/reverse", {"out_trade_no": trade_no})
        if not isinstance(told, dict):
            return told
        if told.get("recall") == "Y":
            return REVERSE_AGAIN
        if told.get("result_code") != "SUCCESS":
            return _refused(told)
        return Accepted(None) if told.get("recall") == "N" else mapping.STATUS_UNLISTED

    async def _ask(
        self, path: str, fields: Mapping[str, str]
    ) -> dict[str, str] | NotSent | Unknown | Rejected:
        """One exchange; fields that come back from here are signed and ours."""
        body = self._body(fields)
        base = self._line.settings.v2_base_url or self._line.settings.base_url
        try:
            answer = await self._line.transport.send(
                method="POST",
                url=base.rstrip("/") + path,
                headers={"Content-Type": XML_TYPE},
                content=apiv2.write_xml(body),
            )
        except ProviderFault as fault:
            return outcome_of(fault)
        if answer.status != 200:
            return Unknown("provider-fault")
        try:
            told = apiv2.read_xml(answer.body)
        except apiv2.V2Refused:
            return mapping.ANSWER_INVALID
        if told.get("return_code") != "SUCCESS":
            # The transport half: no key has signed it, so it settles nothing.
            return Unknown("answer-unsigned")
        theirs = {name: body[name] for name in body.keys() & {"appid", "mch_id", "sub_mch_id"}}
        if not apiv2.verify_v2(told, self._key, apiv2.HMAC) or any(
            told.get(name) != value for name, value in theirs.items()
        ):
            return mapping.ANSWER_INVALID
        return told

    def _body(self, fields: Mapping[str, str]) -> dict[str, str]:
        settings = self._line.settings
        account = {"appid": settings.appid, "mch_id": settings.mchid}
        if settings.sp_mchid is not None and settings.sp_appid is not None:
            account = {
                "appid": settings.sp_appid,
                "mch_id": settings.sp_mchid,
                "sub_appid": settings.appid,
                "sub_mch_id": settings.mchid,
            }
        body = {**account, **fields, "nonce_str": self._line.nonce(), "sign_type": apiv2.HMAC}
        return {**body, "sign": apiv2.sign_v2(body, self._key, apiv2.HMAC)}


def _waiting(trade_no: str) -> Accepted[Payment]:
    return Accepted(
        Payment(
            trade_no=trade_no,
            status=PaymentStatus.UNPAID,
            provider_ref=None,
            amount_fen=None,
            paid_at=None,
            payer=None,
        )
    )


def _code(answer: Answer) -> str:
    error = None if answer.status < 400 else read(answer, wire.ErrorAnswer)
    return error.code if error is not None else ""


def _refused(told: Mapping[str, str]) -> Rejected | Unknown:
    return mapping.refusal(
        status=400,
        code=told.get("err_code", ""),
        text=told.get("err_code_des", ""),
        unsettled=mapping.V2_UNSETTLED,
        refusals=mapping.V2_REFUSALS,
    )


def _paid(told: Mapping[str, str], order: CodeOrder) -> Accepted[Payment] | Unknown:
    """A paid trade; without its proof it is not believed."""
    amount, number = told.get("total_fee", ""), told.get("transaction_id", "")
    if told.get("out_trade_no") != order.trade_no or not number:
        return mapping.ANSWER_INVALID
    if amount != str(order.amount_fen) or told.get("fee_type", "CNY") != "CNY":
        return mapping.ANSWER_INVALID
    try:
        paid_at = parse_compact(told.get("time_end", ""))
    except ClockTextError:
        return mapping.ANSWER_INVALID
    return Accepted(
        Payment(
            trade_no=order.trade_no,
            status=PaymentStatus.PAID,
            provider_ref=number,
            amount_fen=order.amount_fen,
            paid_at=paid_at,
            payer=told.get("sub_openid") or told.get("openid"),
        )
    )
