"""A signer at the other end of a socket that does whatever a broken one might."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from crypto.signer import SM2Signer
from service.signer.wire import Answer, BadFrame, Question, Status, read_frame

SLOW_S = 0.15
GARBAGE = {
    "garbage": b"\x00\x4a" + b"\xff" * 74,
    "huge": b"\xff\xff" + b"\xff" * 200,
    "text": b"HTTP/1.1 200 OK\r\n\r\n",
}
STATUSES = {"failed": Status.FAILED, "unknown": Status.UNKNOWN_KEY}


class OddSigner:
    """Answers right, or in the manner that ``mood`` names:

    slow, silent, garbage, huge, text, short (half an answer, then gone), wrong (a signature over
    something else), former (the signature of the question before), swapped (two questions' answers
    under each other's ids), foreign (an id nobody sent), twice, failed, unknown, empty.
    """

    def __init__(self, signer: SM2Signer) -> None:
        self.signer = signer
        self.mood = "right"
        self.slow_s = SLOW_S
        self.asked = 0
        self._former = bytes(64)
        self._held: Question | None = None

    @asynccontextmanager
    async def at(self, path: Path) -> AsyncIterator[None]:
        """Alive while the body runs; then every line is cut."""
        writers: set[asyncio.StreamWriter] = set()

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writers.add(writer)
            try:
                while (body := await read_frame(reader)) is not None:
                    self.asked += 1
                    if not await self._answer(Question.read(body), writer):
                        break
            except (BadFrame, OSError):
                pass
            finally:
                writers.discard(writer)
                writer.close()

        server = await asyncio.start_unix_server(connected, path)
        try:
            yield
        finally:
            server.close()
            for writer in list(writers):
                writer.transport.abort()
            _take_away(path)
            await asyncio.sleep(0.01)

    async def _answer(self, asked: Question, writer: asyncio.StreamWriter) -> bool:
        """Whether the line stays."""
        if self.mood == "slow":
            await asyncio.sleep(self.slow_s)
        right = await self.signer.sign_digest(asked.name, asked.digest)
        if self.mood in GARBAGE:
            writer.write(GARBAGE[self.mood])
        elif self.mood == "short":
            writer.write(answered(asked, right)[:40])
            await writer.drain()
            return False
        elif self.mood == "swapped":
            await self._swap(asked, right, writer)
        elif self.mood != "silent":
            for frame in await self._frames(asked, right):
                writer.write(frame)
        self._former = right
        return True

    async def _frames(self, asked: Question, right: bytes) -> list[bytes]:
        if self.mood in STATUSES:
            return [Answer(status=STATUSES[self.mood], id=asked.id).to_bytes()]
        if self.mood == "foreign":
            return [Answer(status=Status.DONE, id=asked.id ^ 1 << 60, content=right).to_bytes()]
        contents = {
            "wrong": [await self.signer.sign_digest(asked.name, bytes(32))],
            "former": [self._former],
            "twice": [right, right],
            "empty": [b""],
        }
        return [answered(asked, content) for content in contents.get(self.mood, [right])]

    async def _swap(self, asked: Question, right: bytes, writer: asyncio.StreamWriter) -> None:
        if self._held is None:
            self._held, self._former = asked, right
            return
        held, self._held = self._held, None
        of_held = await self.signer.sign_digest(held.name, held.digest)
        writer.write(answered(held, right) + answered(asked, of_held))


def answered(asked: Question, content: bytes) -> bytes:
    """An answer that says it is done."""
    return Answer(status=Status.DONE, id=asked.id, content=content).to_bytes()


def _take_away(path: Path) -> None:
    path.unlink(missing_ok=True)
