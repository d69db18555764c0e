"""Personal values cannot be printed by accident."""

import io
import json
import pickle

import pytest
import structlog

from service.kernel.logs import get_logger, set_up_logs
from service.kernel.masked import Masked, mask_name, mask_number


def test_no_text_form_shows_the_value() -> None:
    value = Masked("测试甲")
    assert "测试甲" not in f"{value}{value!r}{[value]}{ {'k': value} }"
    assert value.reveal() == "测试甲"


def test_it_is_not_pickled() -> None:
    with pytest.raises(TypeError):
        pickle.dumps(Masked("测试甲"))


@pytest.mark.parametrize(
    ("name", "shown"),
    [("", "*"), ("甲", "*"), ("测试", "*试"), ("测试甲", "测*甲"), ("阿卜杜拉测试", "阿****试")],
)
def test_a_kiosk_shows_two_characters_of_a_name_at_most(name: str, shown: str) -> None:
    assert mask_name(name) == shown


def test_a_kiosk_shows_the_last_four_of_a_number() -> None:
    assert mask_number("990001198001010019") == "**************0019"
    assert mask_number("1234567") == "*******"


def test_logs_hide_masked_values_bytes_long_texts_and_messages_of_exceptions() -> None:
    stream = io.StringIO()
    set_up_logs("test", stream=stream)
    try:
        get_logger("x").error(
            "thing.failed",
            name=Masked("测试甲"),
            raw=b"secret",
            text="长" * 300,
            fault=ValueError("990001198001010019 is wrong"),
        )
    finally:
        structlog.reset_defaults()
        structlog.contextvars.clear_contextvars()
    line = json.loads(stream.getvalue())
    assert line["event"] == "thing.failed"
    assert line["fault_type"] == "ValueError"
    for secret in ("测试甲", "secret", "长长", "990001198001010019"):
        assert secret not in stream.getvalue()
