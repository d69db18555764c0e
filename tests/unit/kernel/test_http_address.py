"""The address of a payer's browser: the connection's, or what the proxy in front says."""

import pytest
from litestar.testing import RequestFactory

from service.kernel.http_address import caller_address


@pytest.mark.parametrize(
    ("header", "headers", "expected"),
    [
        (None, {}, "127.0.0.1"),
        (None, {"X-Real-IP": "192.0.2.7"}, "127.0.0.1"),
        ("X-Real-IP", {"X-Real-IP": "192.0.2.7"}, "192.0.2.7"),
        ("X-Real-IP", {"X-Real-IP": "2001:DB8::1"}, "2001:db8::1"),
        ("X-Real-IP", {"X-Real-IP": "192.0.2.7, 10.0.0.1"}, None),
        ("X-Real-IP", {}, None),
    ],
)
def test_only_the_named_header_is_believed(
    header: str | None, headers: dict[str, str], expected: str | None
) -> None:
    request = RequestFactory().get("/", headers=headers)
    request.scope["client"] = ("127.0.0.1", 4711)
    assert caller_address(request, header) == expected
