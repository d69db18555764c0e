"""``RealNameGateway`` over the generic profile described in this folder's README.

Name and number go out enciphered by TLS only, are never logged, and stand in no message.
"""

import hmac
from collections.abc import Callable
from datetime import datetime
from typing import Annotated
from urllib.parse import urlsplit

import msgspec

from crypto.sm3 import hmac_sm3
from integrations.kit.transport import Answer, ProviderFault, Transport, outcome_of
from integrations.ports.outcomes import Accepted, Outcome, Rejected, Unknown

PATH = "/realname/v1/two-factor"
RESULTS = {"MATCH": True, "MISMATCH": False}
NO_RECORD = "NO_RECORD"
REFUSALS = {
    "BAD_REQUEST": "request-invalid",
    "BAD_SIGNATURE": "account-misconfigured",
    "NOT_ALLOWED": "not-authorised",
}


class RealNameSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One client of the source. Holds a secret, so its text form shows only the client."""

    client: str
    secret: str
    base_url: str

    def __repr__(self) -> str:
        return f"RealNameSettings(client={self.client!r})"


class CheckBody(msgspec.Struct, frozen=True):
    """The request."""

    request_no: str
    name: str
    id_no: str


class CheckAnswer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The answer with status 200."""

    request_no: Annotated[str, msgspec.Meta(max_length=64)]
    result: Annotated[str, msgspec.Meta(max_length=32)]


class ErrorAnswer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The answer with status 4xx."""

    code: Annotated[str, msgspec.Meta(max_length=32)]


def request_signature(secret: str, *, path: str, timestamp: str, nonce: str, body: bytes) -> str:
    """Lower-case hex of HMAC-SM3 over method, path, timestamp, nonce and body, a line each."""
    head = f"POST\n{path}\n{timestamp}\n{nonce}\n".encode()
    return hmac_sm3(secret.encode(), head + body + b"\n").hex()


def answer_signature(secret: str, *, status: int, nonce: str, body: bytes) -> str:
    """Over status, the request's nonce and the body, so that answers cannot be swapped."""
    return hmac_sm3(secret.encode(), f"{status}\n{nonce}\n".encode() + body + b"\n").hex()


class GenericRealName:
    """One real-name source."""

    code = "realname-generic"

    def __init__(
        self,
        settings: RealNameSettings,
        transport: Transport,
        clock: Callable[[], datetime],
        nonce: Callable[[], str],
    ) -> None:
        self._settings = settings
        self._transport = transport
        self._clock = clock
        self._nonce = nonce
        self._url = settings.base_url.rstrip("/") + PATH

    async def check(self, name: str, id_no: str, request_no: str) -> Outcome[bool]:
        """Whether name and number belong together; may be repeated.

        Rejected with ``not-on-record`` when the source does not know the number.
        """
        body = msgspec.json.encode(CheckBody(request_no, name, id_no))
        timestamp, nonce = str(int(self._clock().timestamp())), self._nonce()
        signature = request_signature(
            self._settings.secret,
            path=urlsplit(self._url).path,
            timestamp=timestamp,
            nonce=nonce,
            body=body,
        )
        headers = {
            "Content-Type": "application/json",
            "X-Realname-Client": self._settings.client,
            "X-Realname-Timestamp": timestamp,
            "X-Realname-Nonce": nonce,
            "X-Realname-Signature": signature,
        }
        try:
            answer = await self._transport.send(
                method="POST", url=self._url, headers=headers, content=body
            )
        except ProviderFault as fault:
            return outcome_of(fault)
        expected = answer_signature(
            self._settings.secret, status=answer.status, nonce=nonce, body=answer.body
        )
        signed = answer.headers.get("X-Realname-Signature", "")
        genuine = hmac.compare_digest(expected.encode(), signed.encode())
        # Before it knows its client the source has no key to sign a refusal with.
        if not genuine and not (answer.status == 401 and not signed):
            return Unknown("provider-fault" if answer.status >= 500 else "answer-invalid")
        return _outcome(answer, request_no)


def _outcome(answer: Answer, request_no: str) -> Outcome[bool]:
    try:
        if answer.status != 200:
            return _refusal(answer)
        found = msgspec.json.decode(answer.body, type=CheckAnswer)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return Unknown("answer-invalid")
    if found.request_no != request_no:
        return Unknown("answer-invalid")
    if found.result == NO_RECORD:
        return Rejected(reason="not-on-record", provider_code=NO_RECORD, provider_text="")
    if found.result not in RESULTS:
        return Unknown("status-unlisted")
    return Accepted(RESULTS[found.result])


def _refusal(answer: Answer) -> Rejected | Unknown:
    if answer.status >= 500:
        return Unknown("provider-fault")
    if answer.status == 429:
        return Unknown("too-often")
    code = msgspec.json.decode(answer.body, type=ErrorAnswer).code
    reason = REFUSALS.get(code)
    if reason is None:
        return Unknown("status-unlisted")
    return Rejected(reason=reason, provider_code=code, provider_text="")
