"""From which address a request comes, where a provider wants to know its payer's."""

from ipaddress import ip_address
from typing import Any

from litestar import Request


def caller_address(request: Request[Any, Any, Any], header: str | None) -> str | None:
    """The address in ``header``, which the proxy in front sets and nobody else can; without a proxy
    that of the connection. None where there is none that can be read."""
    client = request.client.host if request.client is not None else ""
    text = client if header is None else request.headers.get(header, "")
    try:
        return str(ip_address(text.strip()))
    except ValueError:
        return None
