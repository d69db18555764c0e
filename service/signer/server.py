"""The signer process: answers its own user over a Unix-domain socket, and nobody else."""

import asyncio
import os
import socket
import stat
import struct
from collections.abc import Collection
from pathlib import Path

from crypto.errors import CryptoError
from crypto.keyring import KeyKind
from crypto.signer import DividedSigner, RingSigner, SignerUnavailable, SM2Signer, UnknownKey
from service.kernel.clock import SystemClock
from service.kernel.live_ring import KeystoreFile, LiveRing, RingReport
from service.kernel.logs import get_logger
from service.kernel.metrics import Metrics
from service.signer.sdf import SdfCard, SdfSigner
from service.signer.wire import Answer, BadFrame, Op, Question, Status, read_frame

CONNECTIONS_MAX = 128
SEND_WITHIN_S = 5.0
PROBE_WITHIN_S = 1.0
_CREDENTIALS = struct.Struct("3i")

_log = get_logger("signer")


class SocketTaken(Exception):
    """Another signer answers at this path, or something that is no socket lies there."""


class SignerServer:
    """Answers questions about one signer's keys, each connection in order."""

    def __init__(self, signer: SM2Signer, users: Collection[int]) -> None:
        """``users`` are the numbers of the users who may connect."""
        self._signer = signer
        self._users = frozenset(users)
        self._lines: set[asyncio.StreamWriter] = set()

    async def serve(self, path: Path, stop: asyncio.Event) -> None:
        """Listen at ``path`` until ``stop``. Raises ``SocketTaken``, ``OSError``."""
        try:
            server = await self._listen(path)
        except OSError as fault:
            raise OSError(f"cannot listen at {path}: {fault.strerror or fault}") from None
        _log.info("signer.listening", path=str(path))
        await stop.wait()
        server.close()
        for line in self._lines:
            line.close()
        _take_away(path)

    async def _listen(self, path: Path) -> asyncio.Server:
        _clear(path)
        # The mask makes the socket private from its first moment. Where others may ask, the kernel
        # alone says who they are.
        before = os.umask(0o177 if self._users == {os.geteuid()} else 0o111)
        try:
            return await asyncio.start_unix_server(self._connected, path)
        finally:
            os.umask(before)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._lines.add(writer)
        try:
            if self._is_welcome(writer):
                await self._converse(reader, writer)
        except (BadFrame, OSError, TimeoutError) as fault:
            _log.warning("signer.closed", fault=fault)
        finally:
            self._lines.discard(writer)
            writer.close()

    def _is_welcome(self, writer: asyncio.StreamWriter) -> bool:
        """The kernel says who connected; nobody can claim to be another."""
        connected: socket.socket = writer.get_extra_info("socket")
        packed = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        user = _CREDENTIALS.unpack(packed)[1]
        if user not in self._users:
            _log.warning("signer.refused", user=user)
            return False
        if len(self._lines) > CONNECTIONS_MAX:
            _log.warning("signer.full", open=len(self._lines))
            return False
        return True

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (body := await read_frame(reader)) is not None:
            writer.write((await self._answer(Question.read(body))).to_bytes())
            # Who does not read its answers is not waited for.
            async with asyncio.timeout(SEND_WITHIN_S):
                await writer.drain()

    async def _answer(self, asked: Question) -> Answer:
        try:
            if asked.op is Op.SIGN:
                content = await self._signer.sign_digest(asked.name, asked.digest)
            else:
                content = (await self._signer.public_key(asked.name)).to_bytes()
        except UnknownKey:
            return Answer(status=Status.UNKNOWN_KEY, id=asked.id)
        except (CryptoError, SignerUnavailable) as fault:
            _log.error("signer.failed", fault=fault)
            return Answer(status=Status.FAILED, id=asked.id)
        return Answer(status=Status.DONE, id=asked.id, content=content)


async def run_signer(
    keystore: KeystoreFile,
    path: Path,
    kinds: Collection[KeyKind],
    users: Collection[int],
    stop: asyncio.Event,
    card: SdfCard | None = None,
) -> None:
    """Serve the keys of these kinds from a keystore file, which is followed as it changes.

    ``users`` may ask beside the user of this process. Keys of which the keystore has only the
    public half are the card's. Raises ``KeystoreUnreadable``, ``SocketTaken``,
    ``SignerUnavailable`` for a card that does not open, and ``BadKey`` for a kind that does not
    sign.
    """
    ring, clock = LiveRing.following(keystore), SystemClock()
    signer: SM2Signer = RingSigner(ring, clock.now, kinds)
    sdf = None if card is None else SdfSigner(card)
    if sdf is not None:
        signer = DividedSigner(ring, clock.now, signer, sdf, kinds)
    server = SignerServer(signer, {os.geteuid(), *users})
    following = asyncio.create_task(ring.follow(stop, RingReport(Metrics(), clock)))
    try:
        await server.serve(path, stop)
    finally:
        stop.set()
        await following
        if sdf is not None:
            sdf.close()


def _clear(path: Path) -> None:
    """Take away the socket that a killed signer left; leave a living one alone."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise SocketTaken(f"{path} is not a socket")
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(PROBE_WITHIN_S)
        try:
            probe.connect(str(path))
        except TimeoutError:
            raise SocketTaken(f"something listens at {path}") from None
        except OSError:
            _take_away(path)
            return
    raise SocketTaken(f"a signer answers at {path}")


def _take_away(path: Path) -> None:
    path.unlink(missing_ok=True)
