"""The two ways to ask Alipay the same things: form gateway and v3 REST (payments.md 5.1, 5.2).

A line signs, sends once, verifies, and gives a ``Said``. It does not retry and reads no business
field; an answer that is not provably Alipay's is Unknown, whatever it says.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol
from urllib.parse import urlencode, urlsplit

import msgspec

from integrations.alipay import signing, wire
from integrations.alipay.mapping import ANSWER_INVALID, DONE, STATUS_UNLISTED, Said
from integrations.alipay.settings import AlipayKeys, AlipaySettings
from integrations.alipay.verifier import SignatureRefused
from integrations.kit.clocktext import spaced_text
from integrations.kit.transport import Answer, ProviderFault, Transport, outcome_of
from integrations.ports.outcomes import NotSent, Unknown

USER_AGENT = "yimatong"
ASKED_BY_ADDRESS = frozenset({"alipay.data.dataservice.bill.downloadurl.query"})
"""Calls that v3 puts into the address of a GET."""
BUSINESS_FAILURE = "40004"

Heard = Said | NotSent | Unknown


class Line(Protocol):
    """One way to ask."""

    async def ask(self, method: str, body: msgspec.Struct, notice_url: str | None) -> Heard:
        """Call ``method`` (``alipay.trade.query``) with these business fields, once."""


class Speaker(msgspec.Struct, frozen=True, kw_only=True):
    """What a line speaks with. ``nonce`` gives at most 32 random characters."""

    settings: AlipaySettings
    keys: AlipayKeys
    transport: Transport
    clock: Callable[[], datetime]
    nonce: Callable[[], str]


class GatewayLine:
    """``POST /gateway.do`` with a signed form."""

    def __init__(self, speaker: Speaker) -> None:
        self._speaker = speaker

    async def ask(self, method: str, body: msgspec.Struct, notice_url: str | None) -> Heard:
        """One signed form, one verified answer."""
        speaker = self._speaker
        try:
            answer = await speaker.transport.send(
                method="POST",
                url=_gateway(speaker.settings),
                headers={
                    "Content-Type": "application/x-www-form-urlencoded;charset=utf-8",
                    "User-Agent": USER_AGENT,
                    "alipay-request-id": speaker.nonce(),
                },
                content=urlencode(_parameters(speaker, method, body, notice_url)).encode(),
            )
        except ProviderFault as fault:
            return outcome_of(fault)
        troubled = _trouble(answer)
        if troubled is not None:
            return troubled
        if answer.status != 200:
            return ANSWER_INVALID
        return self._read(answer, method)

    def _read(self, answer: Answer, method: str) -> Said | Unknown:
        try:
            content = self._speaker.keys.verifier.open_answer(answer.body, method)
            found = wire.decode(content, wire.CodeAnswer)
        except (SignatureRefused, wire.WireInvalid):
            return ANSWER_INVALID
        return Said(
            code=found.code,
            sub_code=found.sub_code,
            text=found.sub_msg or found.msg,
            body=content,
        )


class RestLine:
    """``/v3/alipay/…`` with a signed Authorization line and a signed answer."""

    def __init__(self, speaker: Speaker) -> None:
        self._speaker = speaker
        parts = urlsplit(speaker.settings.base_url)
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._prefix = parts.path.rstrip("/")

    async def ask(self, method: str, body: msgspec.Struct, notice_url: str | None) -> Heard:
        """One signed request, one verified answer."""
        path = f"{self._prefix}/v3/{method.replace('.', '/')}"
        verb, content = "POST", b""
        if method in ASKED_BY_ADDRESS:
            verb, path = "GET", f"{path}?{urlencode(msgspec.structs.asdict(body))}"
        elif isinstance(body, wire.OrderBody):
            content = msgspec.json.encode(msgspec.structs.replace(body, notify_url=notice_url))
        else:
            content = msgspec.json.encode(body)
        speaker = self._speaker
        try:
            answer = await speaker.transport.send(
                method=verb,
                url=self._origin + path,
                headers=self._headers(verb, path, content),
                content=content,
            )
        except ProviderFault as fault:
            return outcome_of(fault)
        return _trouble(answer) or self._read(answer)

    def _read(self, answer: Answer) -> Said | Unknown:
        try:
            self._speaker.keys.verifier.check_v3(answer.headers, answer.body)
            if answer.status == 200:
                return Said(code=DONE, sub_code="", text="", body=answer.body)
            if answer.status < 400:
                return STATUS_UNLISTED
            found = wire.decode(answer.body, wire.V3Error)
        except (SignatureRefused, wire.WireInvalid):
            return ANSWER_INVALID
        return Said(
            code=BUSINESS_FAILURE, sub_code=found.code, text=found.message, body=answer.body
        )

    def _headers(self, verb: str, path: str, content: bytes) -> dict[str, str]:
        speaker = self._speaker
        token = speaker.settings.app_auth_token
        auth = signing.auth_text(
            app_id=speaker.settings.app_id,
            app_cert_sn=speaker.keys.app_cert_sn,
            nonce=speaker.nonce(),
            timestamp_ms=_milliseconds(speaker.clock()),
        )
        message = signing.v3_message(
            auth=auth, method=verb, path_and_query=path, body=content, app_auth_token=token
        )
        headers = {
            "Authorization": f"{signing.SCHEME} {auth},sign={speaker.keys.signing.sign(message)}",
            "Accept": "application/json",
            "Content-Type": "application/json",
            "User-Agent": USER_AGENT,
            "alipay-request-id": speaker.nonce(),
        }
        if token:
            headers["alipay-app-auth-token"] = token
        if speaker.keys.root_cert_sn:
            headers["alipay-root-cert-sn"] = speaker.keys.root_cert_sn
        return headers


def page_link(
    speaker: Speaker, method: str, body: msgspec.Struct, notice_url: str, return_url: str | None
) -> str:
    """The signed address of one of Alipay's own pages, which the payer's browser opens.

    It is the form gateway's under either protocol; nothing is asked and nothing answered here.
    """
    signed = _parameters(speaker, method, body, notice_url, return_url)
    return f"{_gateway(speaker.settings)}?{urlencode(signed)}"


def open_line(speaker: Speaker) -> Line:
    """The line that the settings name."""
    return RestLine(speaker) if speaker.settings.protocol == "v3" else GatewayLine(speaker)


def _gateway(settings: AlipaySettings) -> str:
    return f"{settings.base_url.rstrip('/')}/gateway.do"


def _parameters(
    speaker: Speaker,
    method: str,
    body: msgspec.Struct,
    notice_url: str | None,
    return_url: str | None = None,
) -> dict[str, str]:
    parameters = {
        "app_id": speaker.settings.app_id,
        "method": method,
        "format": "JSON",
        "charset": "utf-8",
        "sign_type": "RSA2",
        "timestamp": spaced_text(speaker.clock()),
        "version": "1.0",
        "biz_content": msgspec.json.encode(body).decode(),
    }
    also = {
        "notify_url": notice_url,
        "return_url": return_url,
        "app_auth_token": speaker.settings.app_auth_token,
        "app_cert_sn": speaker.keys.app_cert_sn,
        "alipay_root_cert_sn": speaker.keys.root_cert_sn,
    }
    parameters |= {name: value for name, value in also.items() if value}
    return parameters | {"sign": speaker.keys.signing.sign(signing.gateway_message(parameters))}


def _trouble(answer: Answer) -> Unknown | None:
    """What the HTTP status alone says, signed or not: nothing certain."""
    if answer.status >= 500:
        return Unknown("provider-fault")
    return Unknown("too-often") if answer.status == 429 else None


def _milliseconds(at: datetime) -> int:
    """Unix milliseconds, exactly: v3 counts in them, the rest of the world of ours in seconds."""
    return int(at.timestamp()) * 1000 + at.microsecond // 1000
