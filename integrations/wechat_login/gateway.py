"""``LoginGateway`` over WeChat's ``jscode2session``. The session key never leaves this module.

The call carries the app secret in its query, as the partner demands: the address is never logged.
"""

from typing import Annotated
from urllib.parse import urlencode

import msgspec

from integrations.kit.transport import ProviderFault, Transport, outcome_of
from integrations.ports.login import PlatformIdentity
from integrations.ports.outcomes import Accepted, Outcome, Rejected, Unknown

MAIN_HOST = "https://api.weixin.qq.com"
CODE_MAX = 128

REFUSALS = {
    40029: "code-invalid",
    40163: "code-invalid",
    45011: "too-often",
    40226: "account-at-risk",
    40013: "account-misconfigured",
    40125: "account-misconfigured",
}
"""errcode to our reason. 40163 (code used), 40013 and 40125 (app id, secret) are from memory."""

BUSY = -1


class WechatLoginSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One mini-program. Holds a secret, so its text form shows only the app id."""

    appid: str
    secret: str
    base_url: str = MAIN_HOST

    def __repr__(self) -> str:
        return f"WechatLoginSettings(appid={self.appid!r})"


class SessionAnswer(msgspec.Struct, frozen=True):
    """The partner's answer; ``session_key`` is left out on purpose. ``errcode`` 0 means fine."""

    openid: Annotated[str, msgspec.Meta(max_length=128)] | None = None
    unionid: Annotated[str, msgspec.Meta(max_length=128)] | None = None
    errcode: int = 0
    errmsg: Annotated[str, msgspec.Meta(max_length=1024)] = ""


class WechatLogin:
    """One mini-program's login."""

    code = "wechat"

    def __init__(self, settings: WechatLoginSettings, transport: Transport) -> None:
        self._settings = settings
        self._transport = transport

    async def exchange(self, code: str) -> Outcome[PlatformIdentity]:
        """Exchange the client's code, which works once and for five minutes.

        Rejected with ``code-invalid``, ``too-often``, ``account-at-risk`` or
        ``account-misconfigured``. After Unknown the client logs in again for a new code.
        """
        if not (1 <= len(code) <= CODE_MAX and code.isascii() and code.isprintable()):
            return Rejected(reason="code-invalid", provider_code="", provider_text="")
        query = urlencode(
            {
                "appid": self._settings.appid,
                "secret": self._settings.secret,
                "js_code": code,
                "grant_type": "authorization_code",
            }
        )
        url = f"{self._settings.base_url.rstrip('/')}/sns/jscode2session?{query}"
        try:
            answer = await self._transport.send(
                method="GET", url=url, headers={"Accept": "application/json"}, content=b""
            )
        except ProviderFault as fault:
            return outcome_of(fault)
        if answer.status != 200:
            return Unknown("provider-fault" if answer.status >= 500 else "status-unlisted")
        try:
            found = msgspec.json.decode(answer.body, type=SessionAnswer)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return Unknown("answer-invalid")
        return _outcome(found)


def _outcome(found: SessionAnswer) -> Outcome[PlatformIdentity]:
    if found.errcode == BUSY:
        return Unknown("provider-busy")
    if found.errcode != 0:
        reason = REFUSALS.get(found.errcode)
        if reason is None:
            return Unknown("status-unlisted")
        # The partner's text can hold the request id only; it never holds the code or the secret.
        return Rejected(
            reason=reason, provider_code=str(found.errcode), provider_text=found.errmsg[:256]
        )
    if not found.openid:
        return Unknown("answer-invalid")
    return Accepted(PlatformIdentity(subject=found.openid, union=found.unionid or None))
