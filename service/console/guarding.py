"""Who asks, at the console's routes: the session's cookie, and that our own page sent the request.

The cookie is the browser's alone (``HttpOnly``), goes to this host alone (``__Host-``) and with no
request that another site causes (``SameSite=Strict``). A changing request carries a token beside
it that only a page of ours can read, and must not come from another site by the browser's own word.
"""

import hmac
from typing import Any

from litestar import Request
from litestar.datastructures import Cookie
from litestar.di import NamedDependency

from service.console import rules, signing
from service.console.model import Right, Session
from service.console.problems import ConsoleNotSignedIn, ConsoleRequestForged
from service.kernel.context import Context
from service.kernel.principals import Operator
from service.kernel.problems import NotAllowed

COOKIE = "__Host-yimatong-console"
FORGERY_HEADER = "Yimatong-Forgery-Token"
TOKEN_MAX = 200
_READING = frozenset({"GET", "HEAD"})
_OWN_SITE = frozenset({"", "same-origin", "none"})

AnyRequest = Request[Any, Any, Any]


async def session_of(request: AnyRequest, ctx: NamedDependency[Context]) -> Session:
    """The session that a request proves. Raises ``ConsoleNotSignedIn``, ``ConsoleRequestForged``
    for a changing one that is not our page's."""
    token = request.cookies.get(COOKIE, "")
    if not token or len(token) > TOKEN_MAX:
        raise ConsoleNotSignedIn
    session = await signing.signed_in(ctx, token)
    if request.method not in _READING:
        check_own_site(request)
        given = request.headers.get(FORGERY_HEADER, "").encode()
        if not hmac.compare_digest(given, session.forgery_token.encode()):
            raise ConsoleRequestForged
    return session


def check_own_site(request: AnyRequest) -> None:
    """Raises ``ConsoleRequestForged`` where the browser says that another site asks."""
    if request.headers.get("sec-fetch-site", "") not in _OWN_SITE:
        raise ConsoleRequestForged


def require(session: Session, *rights: Right) -> Operator:
    """Who asks, where his roles give one of these rights. Raises ``NotAllowed``."""
    if rules.rights_of(session.operator.roles).isdisjoint(rights):
        raise NotAllowed
    return session.operator


def cookie_of(token: str) -> Cookie:
    """The session's cookie: gone when the browser closes."""
    return Cookie(key=COOKIE, value=token, path="/", secure=True, httponly=True, samesite="strict")


def no_cookie() -> Cookie:
    """What ends the cookie."""
    return Cookie(
        key=COOKIE, value="", path="/", secure=True, httponly=True, samesite="strict", max_age=0
    )
