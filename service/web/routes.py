"""Serves the pages of resident, kiosk, counter and console, their files, and what they must know.

Pages load nothing from elsewhere and run no inline script or style: the policy below says so to
the browser, and Trusted Types forbid turning text into markup.
"""

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
from litestar import Request, Response, Router, get
from litestar.params import PathParameter

from service.kernel.problems import NotFound
from service.web.assets import Asset, Assets, load_assets

FOR_GOOD = "public, max-age=31536000, immutable"
ASK_AGAIN = "no-cache"


class PageSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What pages must know of this system. All three are public."""

    sandbox: bool
    """Whether the partners are twins: pages then offer a login and a cashier of their own."""
    login_twin_url: str | None
    """Scheme, host and port of the login twin. None outside the sandbox."""
    cashier_url: str | None
    """The payment twin's cashier page, used when an answer names none. None outside the sandbox."""


WORKER_POLICY = "default-src 'none'; connect-src 'self'"
"""The service worker runs its own script and fetches our files, nothing else."""


def content_policy(settings: PageSettings, *, worker: bool = False) -> str:
    """The Content-Security-Policy of the pages: own files only, and the login twin's origin.

    With ``worker`` the page may name our service worker: the one text it may hand to the browser
    as a script's address, and its policy takes no other.
    """
    connect = "'self'"
    if settings.sandbox and settings.login_twin_url:
        parts = urlsplit(settings.login_twin_url)
        connect += f" {parts.scheme}://{parts.netloc}"
    own_worker = ["worker-src 'self'", "trusted-types worker"]
    return "; ".join(
        [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' data:",
            f"connect-src {connect}",
            "form-action 'none'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            *(own_worker if worker else ["trusted-types 'none'"]),
        ]
    )


def web_router(settings: PageSettings, assets: Assets | None = None) -> Router:
    """``/``, ``/kiosk``, ``/counter``, ``/console``, ``/worker.js``, ``/static/{version}/…``,
    ``/v1/page-config``."""
    known = load_assets() if assets is None else assets
    safe, policy = _safe_headers(), "Content-Security-Policy"
    # The resident's page alone may look through a camera: for a till's symbol, when asked to.
    resident_headers = {
        **_safe_headers(camera="self"),
        policy: content_policy(settings, worker=True),
    }
    staff_headers = {**safe, policy: content_policy(settings)}

    @get("/", include_in_schema=False)
    async def resident_page(request: Request[Any, Any, Any]) -> Response[bytes]:
        """The resident's page."""
        return _answer(request, known.page("resident"), ASK_AGAIN, resident_headers)

    @get("/worker.js", include_in_schema=False)
    async def service_worker(request: Request[Any, Any, Any]) -> Response[bytes]:
        """What opens the resident's page with no network. Here, so that it may answer for ``/``."""
        return _answer(request, known.worker, ASK_AGAIN, {**safe, policy: WORKER_POLICY})

    @get(["/kiosk", "/counter", "/console"], include_in_schema=False)
    async def staff_page(request: Request[Any, Any, Any]) -> Response[bytes]:
        """The kiosk's, the cashier's and the platform's own staff's page."""
        return _answer(request, known.page(request.url.path[1:]), ASK_AGAIN, staff_headers)

    @get("/static/{version:str}/{name:path}", include_in_schema=False)
    async def static_file(
        request: Request[Any, Any, Any],
        version: Annotated[str, PathParameter(max_length=40)],
        name: Annotated[str, PathParameter(max_length=200)],
    ) -> Response[bytes]:
        """A file of the pages. One of another release is served too, but not for good: a page
        left open over an update goes on working."""
        asset = known.files.get(str(name).lstrip("/"))
        if asset is None or asset.media_type.startswith("text/html"):
            raise NotFound
        lasting = FOR_GOOD if version == known.version else ASK_AGAIN
        return _answer(request, asset, lasting, _safe_headers())

    @get("/v1/page-config", operation_id="readPageConfig", summary="What the pages must know")
    async def page_config() -> Response[PageSettings]:
        """Whether the partners are twins, and where pages find them."""
        return Response(settings, headers={"Cache-Control": ASK_AGAIN})

    return Router(
        path="/",
        route_handlers=[resident_page, staff_page, service_worker, static_file, page_config],
        tags=["pages"],
    )


def _safe_headers(camera: str = "") -> dict[str, str]:
    withheld = "microphone=(), geolocation=(), payment=(), usb=()"
    return {
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": f"camera=({camera}), {withheld}",
    }


def _answer(
    request: Request[Any, Any, Any], asset: Asset, lasting: str, more: Mapping[str, str]
) -> Response[bytes]:
    headers = {**more, "Cache-Control": lasting, "ETag": asset.etag, "Vary": "Accept-Encoding"}
    if asset.etag in _listed(request, "if-none-match"):
        return Response(b"", status_code=304, headers=headers, media_type=asset.media_type)
    body = asset.body
    if "gzip" in _listed(request, "accept-encoding"):
        body, headers["Content-Encoding"] = asset.gzipped, "gzip"
    return Response(body, headers=headers, media_type=asset.media_type)


def _listed(request: Request[Any, Any, Any], header: str) -> set[str]:
    parts = request.headers.get(header, "")[:400].split(",")
    return {part.strip().removeprefix("W/") for part in parts}
