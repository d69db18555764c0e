"""Each kind's symbol has its version, and two unrelated decoders read it clean and spoiled."""

import hashlib
import io
from collections.abc import Callable

import numpy as np
import pytest
import qrcode
import zxingcpp
from PIL import Image
from qrcode.constants import ERROR_CORRECT_M, ERROR_CORRECT_Q

from crypto.healthcode import text as code_text
from crypto.healthcode.layout import SIZES, Kind

cv2 = pytest.importorskip("cv2", reason="SECOND QR DECODER NOT TESTED: no opencv-python-headless")

Picture = Image.Image
Decoder = Callable[[Picture], str | None]
LEVEL = {Kind.BOUND: ERROR_CORRECT_M, Kind.ONCE: ERROR_CORRECT_M, Kind.PRINTED: ERROR_CORRECT_Q}
VERSION = {Kind.BOUND: 10, Kind.ONCE: 6, Kind.PRINTED: 8}
NOISE_SIGMA = 45
"""Of 255: a module's black and white overlap visibly. At 80 no decoder reads anything."""


def texts(kind: Kind, count: int) -> list[str]:
    """Codes of the kind's length with bytes of every sort."""
    return [
        code_text.encode(hashlib.shake_256(f"{kind} {i}".encode()).digest(SIZES[kind]))
        for i in range(count)
    ]


def drawn(kind: Kind, text: str, module_px: int) -> Picture:
    symbol = qrcode.QRCode(border=4, error_correction=LEVEL[kind], box_size=module_px)
    symbol.add_data(text, optimize=0)
    symbol.make()
    assert symbol.version == VERSION[kind]
    picture: Picture = symbol.make_image().get_image()
    return picture.convert("L")


def by_zxing(picture: Picture) -> str | None:
    found = zxingcpp.read_barcodes(picture)
    return str(found[0].text) if len(found) == 1 else None


def by_opencv(picture: Picture) -> str | None:
    """Its two detectors, one after the other: alone, each misses some clean symbols."""
    pixels = np.asarray(picture)
    for detector in (cv2.QRCodeDetectorAruco(), cv2.QRCodeDetector()):
        text = detector.detectAndDecode(pixels)[0]
        if text:
            return str(text)
    return None


def as_it_is(picture: Picture) -> Picture:
    return picture


def rotated(picture: Picture) -> Picture:
    return picture.rotate(17, expand=True, fillcolor=255, resample=Image.Resampling.BICUBIC)


def half_size(picture: Picture) -> Picture:
    return picture.resize(
        (picture.width // 2, picture.height // 2), resample=Image.Resampling.LANCZOS
    )


def poor_jpeg(picture: Picture) -> Picture:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=25)
    return Image.open(out)


def noisy(picture: Picture, seed: int) -> Picture:
    noise = np.random.default_rng(seed).normal(0, NOISE_SIGMA, (picture.height, picture.width))
    return Image.fromarray((np.asarray(picture) + noise).clip(0, 255).astype("uint8"))


@pytest.mark.parametrize("decode", [by_zxing, by_opencv])
@pytest.mark.parametrize("spoil", [as_it_is, rotated, half_size, poor_jpeg])
@pytest.mark.parametrize("kind", list(Kind))
def test_every_symbol_is_read(
    kind: Kind, spoil: Callable[[Picture], Picture], decode: Decoder
) -> None:
    found = [decode(spoil(drawn(kind, text, 6))) == text for text in texts(kind, 8)]
    assert found == [True] * 8


@pytest.mark.parametrize("decode", [by_zxing, by_opencv])
@pytest.mark.parametrize("kind", list(Kind))
def test_under_heavy_noise_two_of_three_are_read_and_none_wrongly(
    kind: Kind, decode: Decoder
) -> None:
    shown = texts(kind, 24)
    found = [decode(noisy(drawn(kind, text, 4), at)) for at, text in enumerate(shown)]
    right = [a == b for a, b in zip(found, shown, strict=True)]
    assert sum(right) >= 16
    assert [text for text, good in zip(found, right, strict=True) if text and not good] == []


def test_ten_m_ends_where_the_page_says() -> None:
    assert (
        drawn(Kind.BOUND, code_text.encode(hashlib.shake_256(b"").digest(204)), 1).width == 57 + 8
    )
