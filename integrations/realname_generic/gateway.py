"""``RealNameGateway`` over the generic profile described in this folder's README.

Name and number go out enciphered by TLS only, are never logged, and stand in no message.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

import msgspec

from integrations.kit.generic_profile import GenericClient, GenericExchange
from integrations.kit.transport import Answer, Transport
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
        signs = GenericClient(profile="Realname", client=settings.client, secret=settings.secret)
        self._exchange = GenericExchange(signs, transport, clock, nonce)
        self._url = settings.base_url.rstrip("/") + PATH

    async def check(self, name: str, id_no: str, request_no: str) -> Outcome[bool]:
        """Whether name and number belong together; may be repeated.

        Rejected with ``not-on-record`` when the source does not know the number.
        """
        body = msgspec.json.encode(CheckBody(request_no, name, id_no))
        answer = await self._exchange.post(self._url, body)
        return _outcome(answer, request_no) if isinstance(answer, Answer) else answer


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
    code = msgspec.json.decode(answer.body, type=ErrorAnswer).code
    reason = REFUSALS.get(code)
    if reason is None:
        return Unknown("status-unlisted")
    return Rejected(reason=reason, provider_code=code, provider_text="")
