"""What scanner guns do to a code: recovered, or refused, and never another person's."""

from collections.abc import Callable

import pytest

from crypto.errors import BadEncoding
from crypto.healthcode import text as code_text
from crypto.healthcode.layout import parse
from service.reader.repair import NOISE_MAX, RAW_MAX, Damage, examine, repair
from tests.support.reader_world import ReaderWorld

WORLD = ReaderWorld()
PHONE = WORLD.phone()
BOUND, ONCE, PRINTED = PHONE.show(WORLD.now), WORLD.once(), WORLD.printed()
TEXTS = (BOUND, ONCE, PRINTED)


def full_width(text: str) -> str:
    return "".join(chr(ord(letter) + 0xFEE0) for letter in text)


def escaped(text: str) -> str:
    return "".join(f"%{ord(letter):02X}" if letter in "$*-.:" else letter for letter in text)


def typed(text: str, width: int) -> str:
    return "".join(f"{ord(letter):0{width}}" for letter in text)


RECOVERED: dict[str, Callable[[str], str]] = {
    "untouched": lambda text: text,
    "enter": lambda text: text + "\r\n",
    "line feed before": lambda text: "\n" + text,
    "tab behind": lambda text: text + "\t",
    "byte-order mark": lambda text: "\ufeff" + text,
    "start and end of text": lambda text: "\x02" + text + "\x03",
    "full width": full_width,
    "full width and small": lambda text: full_width(text.lower()),
    "chinese input method": lambda text: text.replace("$", "￥").replace(".", "。"),
    "its colon and dash": lambda text: text.replace(":", "：").replace("-", "—"),
    "small letters": str.lower,
    "capitals turned round": str.swapcase,
    "inner blank": lambda text: text[:50] + " " + text[50:],
    "inner double blanks": lambda text: text[:9] + "  " + text[9:90] + "  " + text[90:],
    "wide blanks": lambda text: text[:9] + "\u3000" + text[9:90] + "\u00a0" + text[90:],
    "wrapped lines": lambda text: "\r\n".join(text[at : at + 60] for at in range(0, len(text), 60)),
    "url escapes": escaped,
    "url escapes in small letters": lambda text: escaped(text).lower(),
    "url escapes twice": lambda text: escaped(text).replace("%", "%25"),
    "alt and two digits": lambda text: typed(text, 2),
    "alt and three digits": lambda text: typed(text, 3),
    "alt and four digits": lambda text: typed(text, 4),
    "typed before": lambda text: "abc123" + text,
    "typed behind": lambda text: text + "abc123",
    "the prefix typed before": lambda text: "YM1:" + text,
    "lost enter, the same twice": lambda text: text + text,
    "the same twice on two lines": lambda text: f"{text}\n{text}\n",
}


@pytest.mark.parametrize("damage", RECOVERED)
@pytest.mark.parametrize("text", TEXTS, ids=["bound", "one-time", "printed"])
def test_recovered(text: str, damage: str) -> None:
    assert repair(RECOVERED[damage](text)) == text


REFUSED: dict[str, Callable[[str], str]] = {
    "two people glued": lambda text: text + WORLD.once(),
    "two people on two lines": lambda text: f"{text}\r\n{WORLD.once()}",
    "torn, then another's": lambda text: text[:70] + WORLD.once(),
    "another's, then torn": lambda text: WORLD.once() + text[:70],
    "a long word behind": lambda text: text + "A" * (NOISE_MAX + 1),
    "a long word before": lambda text: "A" * (NOISE_MAX + 1) + text,
    "a letter lost": lambda text: text[:90] + text[91:],
    "the end lost": lambda text: text[:-1],
    "a letter doubled": lambda text: text[:90] + text[90] + text[90:],
    "a foreign letter": lambda text: text[:90] + "码" + text[91:],
}


@pytest.mark.parametrize("damage", REFUSED)
@pytest.mark.parametrize("text", TEXTS, ids=["bound", "one-time", "printed"])
def test_refused(text: str, damage: str) -> None:
    """No code comes out, or one that is not what anybody was issued with: signatures decide."""
    found = repair(REFUSED[damage](text))
    if found is None:
        return
    try:
        raw = code_text.decode(found)
        parse(raw)
    except BadEncoding:
        return
    assert found not in TEXTS
    assert WORLD.verdict(found).refusal is not None


@pytest.mark.parametrize("text", ["", "hello", "28" + "0" * 26, "8977", "%", "%zz" * 100, "+" * 99])
def test_texts_that_are_not_ours(text: str) -> None:
    assert repair(text) is None


def test_what_the_verifier_shall_name_stays() -> None:
    assert repair("YM1:ABC ") == "YM1:ABC"


def test_over_the_bound_nothing_is_read() -> None:
    assert repair(BOUND + " " * (RAW_MAX - len(BOUND))) == BOUND
    assert repair(BOUND + " " * (RAW_MAX - len(BOUND) + 1)) is None


@pytest.mark.parametrize(
    ("case", "damages"),
    [
        ("untouched", []),
        ("enter", [Damage.BLANKS]),
        ("small letters", [Damage.FORMS]),
        ("its colon and dash", [Damage.FORMS]),
        ("url escapes twice", [Damage.URL_ESCAPES]),
        ("url escapes in small letters", [Damage.URL_ESCAPES, Damage.FORMS]),
        ("alt and three digits", [Damage.NUMBERS]),
        ("typed before", [Damage.FORMS, Damage.LETTERS_BEFORE]),
        ("typed behind", [Damage.FORMS, Damage.LETTERS_BEHIND]),
        ("lost enter, the same twice", [Damage.TWICE]),
        ("the same twice on two lines", [Damage.BLANKS, Damage.TWICE]),
    ],
)
def test_what_was_undone_is_told(case: str, damages: list[Damage]) -> None:
    assert examine(RECOVERED[case](ONCE)) == (ONCE, damages)
