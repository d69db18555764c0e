"""QR symbols of codes, drawn in threads so that no request waits for another's picture."""

import asyncio
from enum import IntEnum
from typing import Any

import qrcode
from qrcode.image.svg import SvgPathImage

from service.kernel.limits import BoundedQueue

MARGIN_MODULES = 4


class Correction(IntEnum):
    """How much of a symbol may be damaged: M for screens, Q for paper that wears."""

    M = qrcode.ERROR_CORRECT_M
    Q = qrcode.ERROR_CORRECT_Q


def draw(text: str, correction: Correction = Correction.M) -> str:
    """The symbol as SVG: one path, a margin of 4 modules."""
    symbol: Any = qrcode.QRCode(
        error_correction=correction.value, border=MARGIN_MODULES, image_factory=SvgPathImage
    )
    symbol.add_data(text, optimize=0)
    symbol.make(fit=True)
    svg: bytes = symbol.make_image().to_string()
    return svg.decode("utf-8")


class SymbolDrawer:
    """At most two symbols are drawn at once and 64 wait, two seconds each at the longest."""

    def __init__(self) -> None:
        self._queue = BoundedQueue(running=2, waiting=64, patience_s=2.0)

    async def draw(self, text: str, correction: Correction = Correction.M) -> str:
        """The symbol as SVG. Raises ``Overloaded``."""
        async with self._queue.place():
            return await asyncio.to_thread(draw, text, correction)
