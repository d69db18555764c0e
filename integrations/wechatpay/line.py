"""One merchant's line to WeChat Pay: signs, sends once, verifies; and the small helpers that every
operation needs. No retries. Keeps platform certificates fresh where the merchant has them (1.5).
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec

from integrations.kit.transport import (
    Answer,
    ProviderFault,
    ProviderNotReached,
    Transport,
    outcome_of,
)
from integrations.ports.outcomes import Accepted, NotSent, Outcome, Rejected, Unknown
from integrations.wechatpay import certificates, mapping, signing, wire
from integrations.wechatpay.settings import WechatPaySettings, load_keys
from integrations.wechatpay.verifier import SignatureRefused, is_signed

USER_AGENT = "yimatong"
NO_ROWS: dict[str, str] = {}
REFRESH_EVERY = timedelta(hours=11)
"""The document wants less than twelve hours."""
REFRESH_GAP = timedelta(minutes=1)

T = TypeVar("T")
Called = Answer | NotSent | Unknown | Rejected


class WechatPayLine:
    """Settings, keys and the way out. ``bills`` is a transport for answers as large as a bill."""

    def __init__(
        self,
        settings: WechatPaySettings,
        transport: Transport,
        bills: Transport,
        clock: Callable[[], datetime],
        nonce: Callable[[], str],
    ) -> None:
        self.settings = settings
        self.keys = load_keys(settings)
        self.clock = clock
        self.nonce = nonce
        self.transport = transport
        self._bills = bills
        self._refreshed_at: datetime | None = None
        parts = urlsplit(settings.base_url)
        self.origin = f"{parts.scheme}://{parts.netloc}"
        self.prefix = parts.path.rstrip("/")

    async def call(self, method: str, path: str, body: msgspec.Struct | None) -> Called:
        """Sign, send, verify. An answer that comes back from here is WeChat's."""
        await self._keep_certificates()
        content = b"" if body is None else msgspec.json.encode(body)
        try:
            answer = await self._send(self.transport, method, self.prefix + path, content)
        except ProviderFault as fault:
            return outcome_of(fault)
        if not (200 <= answer.status < 300 or is_signed(answer.headers)):
            return answer
        if await self._is_theirs(answer):
            return answer
        return mapping.ANSWER_INVALID

    async def download(self, url: str) -> Outcome[bytes]:
        """A file behind a link that WeChat gave: the request is signed, the answer is not (1.4)."""
        try:
            parts = urlsplit(url)
        except ValueError:
            return mapping.ANSWER_INVALID
        own = urlsplit(self.settings.base_url)
        if (parts.scheme, parts.netloc) != (own.scheme, own.netloc) or parts.fragment:
            return mapping.ANSWER_INVALID
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        try:
            answer = await self._send(self._bills, "GET", target, b"")
        except ProviderFault as fault:
            return outcome_of(fault)
        return Accepted(answer.body) if answer.status == 200 else refusal(answer)

    async def _is_theirs(self, answer: Answer) -> bool:
        try:
            self.keys.verifier.check(answer.headers, answer.body, self.clock())
        except SignatureRefused as refused:
            if refused.reason != "serial-unknown" or not await self._keep_certificates():
                return False
            return self._holds(answer)
        return True

    def _holds(self, answer: Answer) -> bool:
        try:
            self.keys.verifier.check(answer.headers, answer.body, self.clock())
        except SignatureRefused:
            return False
        return True

    async def _keep_certificates(self) -> bool:
        """Ask for platform certificates if it is time; whether anything was learnt."""
        now = self.clock()
        last = self._refreshed_at
        gap = REFRESH_GAP if self.keys.verifier.wants_more else REFRESH_EVERY
        if not self.settings.downloads_certificates or (last is not None and now - last < gap):
            return False
        self._refreshed_at = now
        try:
            answer = await self._send(
                self.transport, "GET", f"{self.prefix}{certificates.PATH}", b""
            )
        except ProviderFault:
            return False
        found = certificates.read(self.settings, self.keys, answer, now)
        self.keys.verifier.learn(found)
        self.keys.verifier.wants_more = False
        return bool(found)

    async def _send(
        self, transport: Transport, method: str, wire_path: str, content: bytes
    ) -> Answer:
        """The standby host is tried once when the main one was certainly not reached (1.1)."""
        headers = self._headers(method, wire_path, content)
        try:
            return await transport.send(
                method=method, url=self.origin + wire_path, headers=headers, content=content
            )
        except ProviderNotReached:
            if self.settings.standby_url is None:
                raise
        url = self.settings.standby_url.rstrip("/") + wire_path
        return await transport.send(method=method, url=url, headers=headers, content=content)

    def _headers(self, method: str, wire_path: str, content: bytes) -> dict[str, str]:
        timestamp, nonce = str(int(self.clock().timestamp())), self.nonce()
        message = signing.request_message(
            method=method,
            path_and_query=wire_path,
            timestamp=timestamp,
            nonce=nonce,
            body=content,
        )
        headers = {
            "Authorization": signing.authorization(
                scheme=self.keys.signing.scheme,
                mchid=self.settings.signing_mchid,
                serial=self.settings.merchant_serial,
                timestamp=timestamp,
                nonce=nonce,
                signature=self.keys.signing.sign(message),
            ),
            "Accept": "application/json",
            "User-Agent": USER_AGENT,
        }
        if self.keys.verifier.named:
            headers["Wechatpay-Serial"] = self.keys.verifier.named
        if content:
            headers["Content-Type"] = "application/json"
        return headers


def read(answer: Answer, kind: type[T]) -> T | None:
    """The documented JSON of an answer, or None."""
    try:
        return wire.decode(answer.body, kind)
    except wire.WireInvalid:
        return None


def is_absent(answer: Answer) -> bool:
    """Whether WeChat knows no such order or refund."""
    if answer.status != 404:
        return False
    error = read(answer, wire.ErrorAnswer)
    return error is not None and error.code in mapping.NOT_FOUND


def refusal(
    answer: Answer, *, unsettled: dict[str, str] = NO_ROWS, refusals: dict[str, str] = NO_ROWS
) -> Rejected | Unknown:
    """The outcome of an error answer, with the operation's own rows."""
    error = read(answer, wire.ErrorAnswer)
    return mapping.refusal(
        status=answer.status,
        code=error.code if error is not None else "",
        text=error.message if error is not None else "",
        unsettled=unsettled,
        refusals=refusals,
    )


def refused_here(field: str) -> Rejected:
    """A request that WeChat's field table excludes is not sent at all."""
    return Rejected(reason="request-invalid", provider_code="", provider_text=field)
