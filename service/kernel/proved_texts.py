"""What signed texts say, once their signature was found right: that stays so for ever.

Whether the key still counts, whether the text is still current and what it stands for is asked
anew every time. Texts themselves are not kept, for some of them open doors.
"""

from collections import OrderedDict
from typing import Generic, TypeVar

from crypto.sm3 import sm3

T = TypeVar("T")
SIZE = 20_000


class ProvedTexts(Generic[T]):
    """One process's memory of what the texts used last say, by digest."""

    def __init__(self, size: int = SIZE) -> None:
        self._size = size
        self._kept: OrderedDict[bytes, T] = OrderedDict()

    def find(self, text: bytes) -> T | None:
        """What was kept of exactly this text, signature and all."""
        digest = sm3(text)
        kept = self._kept.get(digest)
        if kept is not None:
            self._kept.move_to_end(digest)
        return kept

    def keep(self, text: bytes, content: T) -> None:
        """Only after the text's own signature over ``content`` was verified."""
        self._kept[sm3(text)] = content
        if len(self._kept) > self._size:
            self._kept.popitem(last=False)
