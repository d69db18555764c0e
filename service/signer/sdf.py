"""Signs in a cipher card through its maker's library, by the calls of GM/T 0018 (SDF).

Not tried on a device: only against a library of our own that was compiled from the standard's
declarations. What makers are known to differ in (the width of numbers) stands in ``SdfCard``; the
rest is unconfirmed. It belongs into the signer process: a library that crashes takes that along
and not the service. The card is given digests, never messages, and its answers are the asker's to
verify.
"""

import asyncio
import contextlib
import ctypes
import math
import queue
import threading
import time
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
REOPEN_PAUSE_S = 5.0
"""After a reopening that did not help: a card that stays broken is not kept busy by it."""
NUMBER_SIZE = 32
KEYS_MAX = 64
T = TypeVar("T")
_CLAIM = "SDF_GetPrivateKeyAccessRight"

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
        self.call = call


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
    once, until a call comes back. A call that fails is made once more in a session opened anew,
    on a device opened anew if need be: a card that was reset knows no session of before.
    """

    def __init__(
        self,
        card: SdfCard,
        *,
        deadline_s: float = DEADLINE_S,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        """Open the device and the sessions. Raises ``SignerUnavailable``, ``OSError``."""
        self._card = card
        self._deadline_s = deadline_s
        self._public_type, self._signature_type = structures(card.number_width)
        self._library = _Library(card.library)
        self._seconds = seconds
        self._reopening = threading.Lock()
        self._no_reopening_until = 0.0
        self._device = self._open_device()
        self._sessions: queue.SimpleQueue[ctypes.c_void_p] = queue.SimpleQueue()
        for _ in range(card.sessions):
            self._sessions.put(self._open_session(self._device))
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
            self._drop("SDF_CloseSession", self._sessions.get_nowait())
        self._drop("SDF_CloseDevice", self._device)

    def _index(self, key_name: str) -> int:
        key = self._card.keys.get(key_name)
        if key is None:
            raise UnknownKey("no such key in the card")
        return key.index

    def _open_device(self) -> ctypes.c_void_p:
        device = ctypes.c_void_p()
        self._library.call("SDF_OpenDevice", ctypes.byref(device))
        return device

    def _open_session(self, device: ctypes.c_void_p) -> ctypes.c_void_p:
        session = ctypes.c_void_p()
        self._library.call("SDF_OpenSession", device, ctypes.byref(session))
        try:
            self._claim_keys(session)
        except (SdfFault, OSError):
            self._drop("SDF_CloseSession", session)
            raise
        return session

    def _claim_keys(self, session: ctypes.c_void_p) -> None:
        for key in self._card.keys.values():
            if key.password_file is not None:
                word = Path(key.password_file).read_bytes().strip()
                self._library.call(
                    _CLAIM,
                    session,
                    ctypes.c_uint(key.index),
                    ctypes.c_char_p(word),
                    ctypes.c_uint(len(word)),
                )

    def _drop(self, call: str, handle: ctypes.c_void_p) -> None:
        """Close what a reset card may not know any more."""
        with contextlib.suppress(SdfFault):
            self._library.call(call, handle)

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
            try:
                return work(session)
            except SdfFault as fault:
                session = self._reopened(session, fault)
            try:
                return work(session)
            except SdfFault:
                with self._reopening:
                    self._pause(REOPEN_PAUSE_S)
                raise
        finally:
            self._sessions.put(session)

    def _reopened(self, old: ctypes.c_void_p, fault: SdfFault) -> ctypes.c_void_p:
        """A new session for one whose call failed; the fault itself where there is none to be had.

        A password that is refused is not tried again: cards lock a key after a few.
        """
        with self._reopening:
            if self._seconds() < self._no_reopening_until:
                raise fault
            try:
                session = self._open_session_or_device()
            except (SdfFault, OSError) as again:
                is_final = isinstance(again, SdfFault) and again.call == _CLAIM
                self._pause(math.inf if is_final else REOPEN_PAUSE_S)
                _log.error("sdf.not_reopened", fault=again, is_final=is_final)
                raise fault from None
        self._drop("SDF_CloseSession", old)
        _log.warning("sdf.reopened", fault=fault)
        return session

    def _pause(self, pause_s: float) -> None:
        until = self._seconds() + pause_s
        self._no_reopening_until = max(self._no_reopening_until, until)

    def _open_session_or_device(self) -> ctypes.c_void_p:
        """The device of before is not closed: calls of other threads may be in it still."""
        try:
            return self._open_session(self._device)
        except SdfFault as fault:
            if fault.call == _CLAIM:
                raise
        device = self._open_device()
        try:
            session = self._open_session(device)
        except (SdfFault, OSError):
            self._drop("SDF_CloseDevice", device)
            raise
        self._device = device
        return session

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
