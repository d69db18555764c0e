"""What a refused body's problem says: types and places, never what was sent."""

from enum import StrEnum
from typing import Annotated, Any, Literal

import msgspec
import pytest

from service.kernel.strict_body import _safe_text

SENT = "990001199001011234"


class Colour(StrEnum):
    RED = "red"


class Left(msgspec.Struct, tag="left", forbid_unknown_fields=True):
    pass


class Right(msgspec.Struct, tag="right", forbid_unknown_fields=True):
    pass


class Body(msgspec.Struct, forbid_unknown_fields=True):
    colour: Colour = Colour.RED
    word: Literal["a", "b"] = "a"
    number: Annotated[int, msgspec.Meta(le=5)] = 0
    text: Annotated[str, msgspec.Meta(pattern="^[a-z]$", max_length=3)] = "a"
    side: Left | Right | None = None
    inner: dict[str, int] = {}


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"colour": SENT}, "not one of the listed values - at `$.colour`"),
        ({"colour": f"x - at `$.{SENT}`"}, "not one of the listed values - at `$.colour`"),
        ({"word": SENT}, "not one of the listed values - at `$.word`"),
        ({"side": {"type": SENT}}, "not one of the listed values - at `$.side.type`"),
        ({SENT: 1}, "unknown member"),
        ({"number": SENT}, "Expected `int`, got `str` - at `$.number`"),
        ({"number": int(SENT)}, "Expected `int` <= 5 - at `$.number`"),
        ({"text": SENT}, None),
        ({"inner": {SENT: "x"}}, "Expected `int`, got `str` - at `$.inner[...]`"),
        ([SENT], "Expected `object`, got `array`"),
        (SENT, "Expected `object`, got `str`"),
    ],
)
def test_what_was_sent_is_never_told(body: Any, told: str | None) -> None:
    with pytest.raises(msgspec.ValidationError) as fault:
        msgspec.json.decode(msgspec.json.encode(body), type=Body)
    text = _safe_text(fault.value)
    assert SENT not in text
    assert told in (None, text)


def test_an_unlisted_value_alone_has_no_place() -> None:
    with pytest.raises(msgspec.ValidationError) as fault:
        msgspec.json.decode(f'"{SENT} - at `$.x`"', type=Colour)
    assert _safe_text(fault.value) == "not one of the listed values"
