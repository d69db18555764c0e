"""Asks the signer process: many questions in flight over one connection, each with a deadline.

Never waits for ever and never queues without bound. After several faults in a row the circuit
opens: questions are refused at once until a trial succeeds, so a dead signer costs its callers
nothing. A question that was lost is not asked again here; whoever asked may ask anew.
"""

import asyncio
import itertools
import secrets
from collections.abc import Callable
from pathlib import Path

from crypto.errors import BadKey
from crypto.signer import (
    DIGEST_SIZE,
    NAME_MAX,
    SIGNATURE_SIZE,
    SignerTimedOut,
    SignerUnavailable,
    UnknownKey,
)
from crypto.sm2 import PublicKey
from service.kernel.logs import get_logger
from service.signer.wire import Answer, BadFrame, Op, Question, Status, read_frame

DEADLINE_S = 1.0
IN_FLIGHT_MAX = 256
FAULTS_TO_OPEN = 3
OPEN_S = 0.5
OPEN_S_MAX = 2.0
LATE_KEPT = 1024
"""How many ids of given-up questions are remembered, to tell a late answer from a foreign one."""

_log = get_logger("signer-client")


class Circuit:
    """Closed: ask. Open: refuse. After a while one trial decides. ``now`` is monotonic seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._faults = 0
        self._open_until = 0.0
        self._open_s = OPEN_S
        self._trying = False

    def enter(self) -> None:
        """Raises ``SignerUnavailable`` while the circuit is open or its trial is under way."""
        if self._faults < FAULTS_TO_OPEN:
            return
        if self._trying or self._now() < self._open_until:
            raise SignerUnavailable("the signer failed lately")
        self._trying = True

    def succeeded(self) -> None:
        """An answer came."""
        if self._faults >= FAULTS_TO_OPEN:
            _log.info("signer.answers_again")
        self._faults, self._open_s, self._trying = 0, OPEN_S, False

    def left(self) -> None:
        """Who asked did not wait for the answer: that says nothing of the signer."""
        self._trying = False

    @property
    def is_open(self) -> bool:
        """Whether the last questions all failed."""
        return self._faults >= FAULTS_TO_OPEN

    def failed(self) -> None:
        """None came, or what came was no answer."""
        self._faults += 1
        if self._faults < FAULTS_TO_OPEN:
            return
        if self._trying:
            self._open_s = min(OPEN_S_MAX, self._open_s * 2)
        elif self._faults == FAULTS_TO_OPEN:
            _log.error("signer.given_up", for_s=self._open_s)
        self._trying = False
        self._open_until = self._now() + self._open_s


class _Line:
    """One connection: what is in flight on it, and the task that reads the answers."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._waiting: dict[int, asyncio.Future[Answer]] = {}
        self._late: dict[int, None] = {}
        self._reading = asyncio.create_task(self._read(reader))

    @property
    def is_up(self) -> bool:
        return not self._reading.done()

    async def ask(self, question: Question) -> Answer:
        """Raises ``SignerUnavailable`` when the connection ends first."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[question.id] = answer
        try:
            self._writer.write(question.to_bytes())
            await self._writer.drain()
            return await answer
        except OSError:
            raise SignerUnavailable("the signer went away") from None
        finally:
            if self._waiting.pop(question.id, None) is not None:
                self._late[question.id] = None
                if len(self._late) > LATE_KEPT:
                    self._late.pop(next(iter(self._late)))

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while (body := await read_frame(reader)) is not None:
                self._settle(Answer.read(body))
        except (BadFrame, OSError) as fault:
            _log.warning("signer.line_lost", fault=fault)
        finally:
            self._writer.close()
            for answer in self._waiting.values():
                if not answer.done():
                    answer.set_exception(SignerUnavailable("the signer went away"))

    def _settle(self, answer: Answer) -> None:
        waiting = self._waiting.pop(answer.id, None)
        if waiting is not None:
            if not waiting.done():
                waiting.set_result(answer)
        elif answer.id in self._late:
            del self._late[answer.id]
        else:
            raise BadFrame("an answer to no question")

    def hang_up(self) -> None:
        self._reading.cancel()

    async def close(self) -> None:
        self.hang_up()
        await asyncio.gather(self._reading, return_exceptions=True)


class SocketSigner:
    """An ``SM2Signer`` in another process. Use it in one event loop."""

    def __init__(self, path: Path, *, deadline_s: float = DEADLINE_S) -> None:
        self._path = path
        self._deadline_s = deadline_s
        self._ids = itertools.count(secrets.randbits(48))
        self._circuit = Circuit(lambda: asyncio.get_running_loop().time())
        self._line: _Line | None = None
        self._connecting: asyncio.Task[_Line] | None = None
        self._in_flight = 0

    async def sign_digest(self, key_name: str, e: bytes) -> bytes:
        """As ``SM2Signer``. The answer is not verified here: it is the asker's to verify."""
        if len(e) != DIGEST_SIZE:
            raise BadKey("a digest has 32 bytes")
        return await self._ask(Op.SIGN, key_name, e, SIGNATURE_SIZE)

    async def public_key(self, key_name: str) -> PublicKey:
        """As ``SM2Signer``."""
        return PublicKey.from_bytes(await self._ask(Op.PUBLIC_KEY, key_name, b"", 65))

    async def close(self) -> None:
        """End the connection."""
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.gather(self._connecting, return_exceptions=True)
        if self._line is not None:
            await self._line.close()

    async def _ask(self, op: Op, key_name: str, digest: bytes, size: int) -> bytes:
        if not 1 <= len(key_name) <= NAME_MAX or not key_name.isascii():
            raise UnknownKey("not a key name")
        if self._in_flight >= IN_FLIGHT_MAX:
            raise SignerUnavailable("too many questions are in flight")
        self._circuit.enter()
        self._in_flight += 1
        try:
            content = await self._answer(op, key_name, digest, size)
        except SignerUnavailable as fault:
            self._circuit.failed()
            if self._circuit.is_open and isinstance(fault, SignerTimedOut):
                self._give_line_up()
            raise
        except asyncio.CancelledError:
            self._circuit.left()
            raise
        except UnknownKey:
            self._circuit.succeeded()
            raise
        finally:
            self._in_flight -= 1
        self._circuit.succeeded()
        return content

    async def _answer(self, op: Op, key_name: str, digest: bytes, size: int) -> bytes:
        question = Question(op=op, id=next(self._ids), name=key_name, digest=digest)
        try:
            async with asyncio.timeout(self._deadline_s):
                line = await self._connected()
                answer = await line.ask(question)
        except TimeoutError:
            raise SignerTimedOut("the signer did not answer in time") from None
        if answer.status is Status.UNKNOWN_KEY:
            raise UnknownKey("the signer has no such key, or may not sign with it")
        if answer.status is not Status.DONE or len(answer.content) != size:
            raise SignerUnavailable("the signer failed")
        return answer.content

    def _give_line_up(self) -> None:
        """A line on which nothing comes is not used again; the next question makes another."""
        if self._line is not None:
            self._line.hang_up()
            self._line = None

    async def _connected(self) -> _Line:
        """The connection, made by the first who needs one and shared by all who wait for it."""
        if self._line is not None and self._line.is_up:
            return self._line
        if self._connecting is None or self._connecting.done():
            self._connecting = asyncio.create_task(self._connect())
            # Its fault is told to whoever still waits; nobody may.
            self._connecting.add_done_callback(lambda made: made.cancelled() or made.exception())
        return await asyncio.shield(self._connecting)

    async def _connect(self) -> _Line:
        try:
            async with asyncio.timeout(self._deadline_s):
                reader, writer = await asyncio.open_unix_connection(self._path)
        except OSError:  # a timeout is one
            raise SignerUnavailable("the signer cannot be reached") from None
        self._line = _Line(reader, writer)
        return self._line
