"""Signs in a cipher card through its maker's library, by the calls of GM/T 0018 (SDF).

Not tried on a device: only against a library of our own that was compiled from the standard's
declarations. What makers are known to differ in (the width of numbers) stands in ``SdfCard``; the
rest is unconfirmed. It belongs into the signer process: a library that crashes takes that along
and not the service. The card is given digests, never messages, and its answers are the asker's to
verify.
"""

import asyncio
import ctypes
import queue
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from crypto.errors import BadKey
from crypto.signer import DIGEST_SIZE, SignerTimedOut, SignerUnavailable, UnknownKey
from crypto.sm2 import PublicKey
from service.kernel.logs import get_logger

DEADLINE_S = 0.8
"""Below that of whoever asks the signer process."""
NUMBER_SIZE = 32
KEYS_MAX = 64
T = TypeVar("T")

_log = get_logger("sdf")


class SdfKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a key of the ring lies in the card, and the file with its access password, if any."""

    index: int
    password_file: str | None = None


class SdfCard(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A card: its maker's library, and the keys by the ring's names (``issuer_once.3``).

    ``number_width``: bytes of a number in the library's structures (``ECCref_MAX_LEN``), 64 by the
    standard and 32 by some makers; the number stands at its right end.
    """

    library: str
    keys: dict[str, SdfKey]
    number_width: int = 64
    sessions: int = 4


class SdfFault(SignerUnavailable):
    """A call answered with an error code of the card."""

    def __init__(self, call: str, code: int) -> None:
        super().__init__(f"{call}: 0x{code & 0xFFFFFFFF:08x}")


def read_card(path: Path) -> SdfCard:
    """The card's file (JSON). Raises ``ValueError``, ``OSError``."""
    card = msgspec.json.decode(path.read_bytes(), type=SdfCard)
    if card.number_width not in (32, 64):
        raise ValueError("number_width is 32 or 64")
    if not 1 <= len(card.keys) <= KEYS_MAX or not 1 <= card.sessions <= 64:
        raise ValueError("a card has 1 to 64 keys and sessions")
    return card


def structures(width: int) -> tuple[type[ctypes.Structure], type[ctypes.Structure]]:
    """``ECCrefPublicKey`` and ``ECCSignature`` with numbers of that width."""
    number = ctypes.c_ubyte * width

    class EccPublicKey(ctypes.Structure):
        _fields_ = (("bits", ctypes.c_uint), ("x", number), ("y", number))

    class EccSignature(ctypes.Structure):
        _fields_ = (("r", number), ("s", number))

    return EccPublicKey, EccSignature


class _Library:
    """The calls that are needed, with their types; each raises ``SdfFault``."""

    def __init__(self, path: str) -> None:
        try:
            self._library: Any = ctypes.CDLL(path)
        except OSError:
            raise SignerUnavailable("the card's library cannot be loaded") from None

    def call(self, name: str, *arguments: Any) -> None:
        """Arguments must be ctypes values: what Python would guess is not what is declared."""
        function = getattr(self._library, name)
        function.restype = ctypes.c_int
        code = function(*arguments)
        if code != 0:
            raise SdfFault(name, code)


class SdfSigner:
    """An ``SM2Signer`` over a card. A session serves one call at a time, in a thread of its own.

    A call that does not come back keeps its session; with all of them gone the card is refused at
    once, until a call comes back.
    """

    def __init__(self, card: SdfCard, *, deadline_s: float = DEADLINE_S) -> None:
        """Open the device and the sessions. Raises ``SignerUnavailable``, ``OSError``."""
        self._card = card
        self._deadline_s = deadline_s
        self._public_type, self._signature_type = structures(card.number_width)
        self._library = _Library(card.library)
        self._device = ctypes.c_void_p()
        self._library.call("SDF_OpenDevice", ctypes.byref(self._device))
        self._sessions: queue.SimpleQueue[ctypes.c_void_p] = queue.SimpleQueue()
        for _ in range(card.sessions):
            self._sessions.put(self._open_session())
        self._threads = ThreadPoolExecutor(card.sessions, thread_name_prefix="sdf")
        self._busy = 0

    async def sign_digest(self, key_name: str, e: bytes) -> bytes:
        """As ``SM2Signer``."""
        if len(e) != DIGEST_SIZE:
            raise BadKey("a digest has 32 bytes")
        index = self._index(key_name)
        return await self._ask(lambda session: self._sign(session, index, e))

    async def public_key(self, key_name: str) -> PublicKey:
        """As ``SM2Signer``."""
        index = self._index(key_name)
        return await self._ask(lambda session: self._export(session, index))

    def close(self) -> None:
        """Close the sessions that are free, and the device."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        while not self._sessions.empty():
            self._library.call("SDF_CloseSession", self._sessions.get_nowait())
        self._library.call("SDF_CloseDevice", self._device)

    def _index(self, key_name: str) -> int:
        key = self._card.keys.get(key_name)
        if key is None:
            raise UnknownKey("no such key in the card")
        return key.index

    def _open_session(self) -> ctypes.c_void_p:
        session = ctypes.c_void_p()
        self._library.call("SDF_OpenSession", self._device, ctypes.byref(session))
        for key in self._card.keys.values():
            if key.password_file is not None:
                word = Path(key.password_file).read_bytes().strip()
                self._library.call(
                    "SDF_GetPrivateKeyAccessRight",
                    session,
                    ctypes.c_uint(key.index),
                    ctypes.c_char_p(word),
                    ctypes.c_uint(len(word)),
                )
        return session

    async def _ask(self, work: Callable[[ctypes.c_void_p], T]) -> T:
        if self._busy >= 2 * self._card.sessions:
            raise SignerUnavailable("the card's sessions are all in use")
        self._busy += 1
        asked = asyncio.get_running_loop().run_in_executor(self._threads, self._in_session, work)
        asked.add_done_callback(self._back)
        try:
            async with asyncio.timeout(self._deadline_s):
                return await asyncio.shield(asked)
        except TimeoutError:
            raise SignerTimedOut("the card did not answer in time") from None

    def _back(self, asked: asyncio.Future[Any]) -> None:
        self._busy -= 1
        if not asked.cancelled() and (fault := asked.exception()) is not None:
            _log.error("sdf.failed", fault=fault)

    def _in_session(self, work: Callable[[ctypes.c_void_p], T]) -> T:
        session = self._sessions.get()
        try:
            return work(session)
        finally:
            self._sessions.put(session)

    def _sign(self, session: ctypes.c_void_p, index: int, e: bytes) -> bytes:
        made = self._signature_type()
        self._library.call(
            "SDF_InternalSign_ECC",
            session,
            ctypes.c_uint(index),
            ctypes.c_char_p(e),
            ctypes.c_uint(len(e)),
            ctypes.byref(made),
        )
        return _number(made.r) + _number(made.s)

    def _export(self, session: ctypes.c_void_p, index: int) -> PublicKey:
        made = self._public_type()
        self._library.call(
            "SDF_ExportSignPublicKey_ECC", session, ctypes.c_uint(index), ctypes.byref(made)
        )
        return PublicKey.from_bytes(b"\4" + _number(made.x) + _number(made.y))


def _number(field: Any) -> bytes:
    """The right end of a field. ``SignerUnavailable`` for a number of more than 32 bytes."""
    raw = bytes(field)
    if any(raw[:-NUMBER_SIZE]):
        raise SignerUnavailable("the card's number is not where it is looked for")
    return raw[-NUMBER_SIZE:]
