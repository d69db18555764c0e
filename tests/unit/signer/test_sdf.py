"""The adapter to cipher cards, against a library compiled from the standard's declarations.

No card was asked: what this shows is the layout of structures, the order of calls, and faults.
"""

import asyncio
import ctypes
import secrets
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from crypto.errors import BadKey
from crypto.signer import SignerTimedOut, SignerUnavailable, UnknownKey
from crypto.sm2 import PrivateKey
from service.signer.sdf import REOPEN_PAUSE_S, SdfFault, SdfSigner, read_card, structures

SOURCE = Path(__file__).with_name("soft_sdf.c")
KEY = PrivateKey.generate()
NAME = "issuer_once.1"
COMPILER = shutil.which("cc") or shutil.which("gcc")
pytestmark = pytest.mark.skipif(COMPILER is None, reason="no C compiler for the stand-in library")


class SoftCard:
    """The stand-in, and what it does with a digest."""

    def __init__(self, folder: Path, width: int) -> None:
        self.path = folder / f"softsdf{width}.so"
        assert COMPILER is not None
        flags = ["-shared", "-fPIC", f"-DECCref_MAX_LEN={width}", "-o", str(self.path)]
        subprocess.run([COMPILER, *flags, str(SOURCE)], check=True)
        self.library: Any = ctypes.CDLL(str(self.path))
        self.sleep_s = 0.0
        self.code = 0
        kind = ctypes.CFUNCTYPE(
            ctypes.c_int, ctypes.c_uint, ctypes.c_void_p, ctypes.POINTER(ctypes.c_ubyte)
        )
        self._callback = kind(self._sign)
        self.library.soft_set(self._callback, KEY.public.to_bytes()[1:])
        (folder / "word").write_text("password\n")
        self.file = folder / f"card{width}.json"
        self.write(library=str(self.path), number_width=width)

    def write(self, **changes: object) -> None:
        word = str(self.file.with_name("word"))
        card = {"keys": {NAME: {"index": 7, "password_file": word}}, "sessions": 2} | changes
        self.file.write_bytes(msgspec.json.encode(card))

    def _sign(self, _index: int, e: int, out: Any) -> int:
        time.sleep(self.sleep_s)
        signature = KEY.sign_digest(ctypes.string_at(e, 32))
        ctypes.memmove(out, signature, 64)
        return self.code


@pytest.fixture(params=[64, 32])
def card(tmp_path: Path, request: pytest.FixtureRequest) -> SoftCard:
    return SoftCard(tmp_path, request.param)


def test_structures_lie_as_a_compiler_lays_them(card: SoftCard) -> None:
    public, signature = structures(read_card(card.file).number_width)
    assert ctypes.sizeof(public) == card.library.soft_public_size()
    assert ctypes.sizeof(signature) == card.library.soft_signature_size()


async def test_a_digest_is_signed_in_the_card(card: SoftCard) -> None:
    signer = SdfSigner(read_card(card.file))
    assert card.library.soft_open_sessions() == 2
    assert await signer.public_key(NAME) == KEY.public
    digests = [secrets.token_bytes(32) for _ in range(4)]
    signed = await asyncio.gather(*(signer.sign_digest(NAME, e) for e in digests))
    assert all(KEY.public.verify_digest(e, one) for e, one in zip(digests, signed, strict=True))
    with pytest.raises(UnknownKey):
        await signer.sign_digest("issuer_once.2", digests[0])
    with pytest.raises(BadKey):
        await signer.sign_digest(NAME, bytes(31))
    signer.close()
    assert card.library.soft_open_sessions() == 0


async def test_a_fault_of_the_card_is_told_by_call_and_code(card: SoftCard) -> None:
    signer = SdfSigner(read_card(card.file))
    card.code = 0x0100000C
    with pytest.raises(SdfFault, match="SDF_InternalSign_ECC: 0x0100000c"):
        await signer.sign_digest(NAME, bytes(32))
    card.code = 0
    assert len(await signer.sign_digest(NAME, bytes(32))) == 64
    signer.close()


@pytest.mark.parametrize("with_device", [0, 1])
async def test_a_card_that_was_reset_signs_on(card: SoftCard, with_device: int) -> None:
    signer = SdfSigner(read_card(card.file))
    for _ in range(3):
        card.library.soft_reset(with_device)
        assert card.library.soft_lost_sessions() > 0
        signed = await asyncio.gather(*(signer.sign_digest(NAME, bytes(32)) for _ in range(4)))
        assert all(KEY.public.verify_digest(bytes(32), one) for one in signed)
        assert await signer.public_key(NAME) == KEY.public
    assert card.library.soft_open_sessions() + card.library.soft_lost_sessions() == 2
    signer.close()
    assert card.library.soft_open_sessions() == 0


async def test_a_card_that_stays_broken_is_reopened_now_and_then(card: SoftCard) -> None:
    times = [0.0]
    signer = SdfSigner(read_card(card.file), seconds=lambda: times[0])
    card.code = 0x0100000C
    for now, opened in ((0.0, 3), (REOPEN_PAUSE_S - 0.1, 3), (REOPEN_PAUSE_S, 4)):
        times[0] = now
        for _ in range(5):
            with pytest.raises(SdfFault, match="0x0100000c"):
                await signer.sign_digest(NAME, bytes(32))
        assert card.library.soft_opened() == opened
    assert card.library.soft_open_sessions() == 2
    signer.close()


async def test_a_refused_password_is_not_tried_again(card: SoftCard) -> None:
    times = [0.0]
    signer = SdfSigner(read_card(card.file), seconds=lambda: times[0])
    claims = card.library.soft_claims()
    card.file.with_name("word").write_text("guess")
    card.library.soft_reset(1)
    for hour in range(5):
        times[0] = hour * 3600.0
        with pytest.raises(SdfFault, match="SDF_InternalSign_ECC"):
            await signer.sign_digest(NAME, bytes(32))
    assert card.library.soft_claims() == claims + 1
    assert card.library.soft_open_sessions() == 0
    signer.close()


async def test_a_card_that_hangs_is_given_up_and_found_again(card: SoftCard) -> None:
    signer = SdfSigner(read_card(card.file), deadline_s=0.05)
    card.sleep_s = 0.5
    asked = await asyncio.gather(
        *(signer.sign_digest(NAME, bytes(32)) for _ in range(6)), return_exceptions=True
    )
    kinds = [type(one) for one in asked]
    assert kinds.count(SignerTimedOut) == 4
    assert kinds.count(SignerUnavailable) == 2
    card.sleep_s = 0
    await asyncio.sleep(1.3)
    assert len(await signer.sign_digest(NAME, bytes(32))) == 64
    signer.close()


def test_a_wrong_password_or_width_or_library_is_refused(card: SoftCard) -> None:
    card.file.with_name("word").write_text("guess")
    with pytest.raises(SdfFault, match="SDF_GetPrivateKeyAccessRight"):
        SdfSigner(read_card(card.file))
    card.write(library=str(card.file))
    with pytest.raises(SignerUnavailable):
        SdfSigner(read_card(card.file))
    for wrong in ({"number_width": 48}, {"sessions": 0}, {"keys": {}}, {"pin": "1"}):
        card.write(library=str(card.path), **wrong)
        with pytest.raises(ValueError, match=r"width|keys|unknown|field"):
            read_card(card.file)
