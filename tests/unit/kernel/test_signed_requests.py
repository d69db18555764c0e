"""The Authorization header is read strictly; the text to sign is the documented one."""

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.sm3 import hmac_sm3
from service.kernel.problems import NotAuthenticated, TimestampOutsideWindow
from service.kernel.signed_requests import (
    SCHEME_APPLICATION,
    authorization,
    check_window,
    read_authorization,
    text_to_sign,
)

GOOD = authorization(SCHEME_APPLICATION, "A" * 27, 1772416800, "0123456789abcdef", b"s" * 64)


def test_what_is_written_is_read() -> None:
    claimed = read_authorization(GOOD)
    assert (claimed.caller_id, claimed.timestamp, claimed.nonce, claimed.signature) == (
        "A" * 27,
        1772416800,
        "0123456789abcdef",
        b"s" * 64,
    )


def test_the_text_has_eight_lines() -> None:
    text = text_to_sign(
        caller_id="A1",
        method="post",
        host="Example.CN:8080",
        target="/v1/x?a=1",
        timestamp=1772416800,
        nonce="n",
        idempotency_key="k",
        body=b'{"a":1}',
    )
    assert text == b'A1\nPOST\nexample.cn:8080\n/v1/x?a=1\n1772416800\nn\nk\n{"a":1}\n'


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer x",
        GOOD.replace("SM2", "SM9"),
        GOOD + ',id="B"',
        GOOD.replace('nonce="0123456789abcdef"', 'nonce="short"'),
        GOOD.replace('timestamp="1772416800"', 'timestamp="1e9"'),
        GOOD.replace('timestamp="1772416800"', 'timestamp="-772416800"'),
        GOOD.replace('id="', 'ID="'),
        GOOD.replace('="', "='"),
        GOOD + "x" * 600,
        GOOD.replace(base64.b64encode(b"s" * 64).decode(), "@@@@"),
    ],
)
def test_anything_else_is_refused(header: str) -> None:
    with pytest.raises(NotAuthenticated):
        read_authorization(header)


@given(st.text(max_size=700))
def test_no_header_crashes_the_reader(header: str) -> None:
    for text in (header, f"{SCHEME_APPLICATION} {header}"):
        try:
            read_authorization(text)
        except NotAuthenticated:
            continue


@pytest.mark.parametrize(
    ("off_s", "refused"), [(0, False), (299, False), (300, True), (-300, True)]
)
def test_five_minutes_is_the_window(off_s: int, refused: bool) -> None:
    now = datetime.fromtimestamp(1772416800, UTC) + timedelta(seconds=off_s)
    if refused:
        with pytest.raises(TimestampOutsideWindow):
            check_window(read_authorization(GOOD), now)
    else:
        check_window(read_authorization(GOOD), now)


def test_the_example_of_the_integration_guide_is_right() -> None:
    text = text_to_sign(
        caller_id="A000000000000000000000000T1",
        method="GET",
        host="code.example.cn",
        target="/v1/terminal/scans/A1/bills",
        timestamp=1772416800,
        nonce="0123456789abcdef",
        idempotency_key="",
        body=b"",
    )
    guide = (Path(__file__).parents[3] / "docs" / "integration.md").read_text("utf-8")
    assert text.decode().replace("\n", "⏎") in guide
    assert base64.b64encode(hmac_sm3(bytes(range(32)), text)).decode() in guide
