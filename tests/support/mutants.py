"""Genuine codes spoilt in seeded ways, and a judge that no mutant may fool."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from crypto.healthcode import text as code_text
from crypto.healthcode.layout import code_id, parse
from crypto.healthcode.verify import CodeVerifier, Reader
from service.reader.repair import repair
from tests.support.reader_world import ReaderWorld

_ODD = "\0\t\r\n \u00a0\u200b\u3000\ufeff%+/\\'\"aZ0：￥。Ａｂ测é\U0001f600"


@dataclass(frozen=True, slots=True)
class Mutant:
    """A spoilt text, which code it was made of, and whether it must be refused in any case."""

    text: str
    source: str
    kind: str
    is_hopeless: bool = False


class Spoiler:
    """Endless mutants of a few people's codes. Equal seeds give equal mutants of equal codes."""

    def __init__(self, texts: list[str], seed: int) -> None:
        self._texts = texts
        self._dice = random.Random(seed)  # noqa: S311 - mutants are to be repeatable
        self._source = texts[0]
        self._ways: list[tuple[Callable[[str], str], int]] = [
            (self._substituted, 20),
            (self._dropped, 10),
            (self._inserted, 20),
            (self._swapped, 10),
            (self._cut, 8),
            (self._chunk_doubled, 8),
            (self._carried, 12),
            (self._bytes_flipped, 6),
            (self._head_changed, 8),
            (self._spliced, 4),
            (self._noise, 6),
            (self._typed_round, 8),
        ]

    def mutants(self) -> Iterator[Mutant]:
        """One after another; now and then a spoilt text is spoilt again."""
        ways, weights = zip(*self._ways, strict=True)
        while True:
            source = self._source = self._dice.choice(self._texts)
            if self._dice.random() < 0.05:
                other = self._dice.choice([text for text in self._texts if text != source])
                glue = self._dice.choice(["", "\n", " ", "\r\n", "\t"])
                yield Mutant(source + glue + other, source, "two people glued", is_hopeless=True)
                continue
            text, names = source, []
            for _ in range(self._dice.choice((1, 1, 1, 2, 3))):
                (way,) = self._dice.choices(ways, weights)
                text = way(text)
                names.append(way.__name__.strip("_"))
            yield Mutant(text, source, "+".join(names))

    def _place(self, text: str) -> int:
        return self._dice.randrange(len(text) + 1)

    def _letter(self) -> str:
        return self._dice.choice(code_text.ALPHABET + _ODD)

    def _substituted(self, text: str) -> str:
        at = self._place(text)
        return text[:at] + self._letter() + text[at + 1 :]

    def _dropped(self, text: str) -> str:
        at, size = self._place(text), self._dice.choice((1, 1, 2, 3, 30))
        return text[:at] + text[at + size :]

    def _inserted(self, text: str) -> str:
        at, count = self._place(text), self._dice.choice((1, 1, 2, 16, 17))
        return text[:at] + "".join(self._letter() for _ in range(count)) + text[at:]

    def _swapped(self, text: str) -> str:
        at = self._place(text)
        return text[:at] + text[at : at + 2][::-1] + text[at + 2 :]

    def _cut(self, text: str) -> str:
        at = self._place(text)
        return self._dice.choice((text[:at], text[at:]))

    def _chunk_doubled(self, text: str) -> str:
        at, size = self._place(text), self._dice.randrange(1, 400)
        return text[:at] + text[at : at + size] + text[at:]

    def _carried(self, text: str) -> str:
        way = self._dice.randrange(5)
        if way == 0:
            return "".join(
                chr(ord(one) + 0xFEE0) if one.isascii() and one > " " else one for one in text
            )
        if way == 1:
            return "".join(f"%{ord(one):02x}" if one in "$*-.:" else one for one in text)
        if way == 2:
            return " ".join(text)
        return text.lower() if way == 3 else f"\ufeff{text}\r\n{text}"

    def _typed_round(self, text: str) -> str:
        width = self._dice.choice((2, 3, 4))
        return "".join(f"{ord(one):0{width}}" for one in text)

    def _raw(self, text: str) -> bytearray:
        try:
            return bytearray(code_text.decode(text))
        except ValueError:
            return bytearray(code_text.decode(self._source))

    def _bytes_flipped(self, text: str) -> str:
        raw = self._raw(text)
        for _ in range(self._dice.choice((1, 1, 2, 8))):
            raw[self._dice.randrange(len(raw))] ^= 1 << self._dice.randrange(8)
        return code_text.encode(bytes(raw))

    def _head_changed(self, text: str) -> str:
        raw = self._raw(text)
        for at in range(min(11, len(raw))):
            if self._dice.random() < 0.2:
                raw[at] = self._dice.randrange(256)
        return code_text.encode(bytes(raw))

    def _spliced(self, text: str) -> str:
        raw, other = self._raw(text), self._raw(self._dice.choice(self._texts))
        at = self._dice.choice((11, 36, 44, 60, 124, 130))
        mixed = raw[:at] + other[at:]
        # Heads of one second and key are alike: then this would be the other's code itself.
        return text if mixed == other else code_text.encode(bytes(mixed))

    def _noise(self, _text: str) -> str:
        size = self._dice.choice((0, 1, 40, 320, 2000))
        return "".join(chr(self._dice.randrange(1, 0xD7FF)) for _ in range(size))


class Judge:
    """Asks the strict verifier, and the verifier behind the repair. ``fooled`` holds mutants that
    were taken for another person's code, or taken although nobody can know whose was meant."""

    def __init__(self, world: ReaderWorld, texts: list[str]) -> None:
        self._ids = {text: code_id(parse(code_text.decode(text))) for text in texts}
        self._now = world.now
        self._verifier = CodeVerifier(world.trust())
        self.fooled: list[Mutant] = []
        self.accepted = self.repaired = 0

    def judge(self, mutant: Mutant) -> None:
        """Never raises, whatever the mutant is."""
        strict = self._id_of(mutant.text)
        mended = repair(mutant.text)
        lenient = None if mended is None else self._id_of(mended)
        self.accepted += strict is not None
        self.repaired += lenient is not None and strict is None
        for found in (strict, lenient):
            if found is not None and (mutant.is_hopeless or not self._is_own(found, mutant)):
                self.fooled.append(mutant)

    def _id_of(self, text: str) -> bytes | None:
        verdict = self._verifier.verify(text, Reader(), self._now)
        return verdict.code_id if verdict.holds else None

    def _is_own(self, found: bytes, mutant: Mutant) -> bool:
        return found == self._ids[mutant.source]


def people(world: ReaderWorld) -> list[str]:
    """Six different codes of three kinds."""
    bound = [world.phone().show(world.now) for _ in range(2)]
    return [*bound, world.once(), world.once(), world.printed(), world.printed()]
