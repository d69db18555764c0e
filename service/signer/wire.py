"""Frames between client and signer. Every length is bounded before a byte of content is read.

frame      length 2 | body
question   version 1 | op 1 | id 8 | name length 1 | name | digest 32 (op SIGN only)
answer     version 1 | status 1 | id 8 | signature 64, public key 65 or nothing
"""

import asyncio
from enum import IntEnum

import msgspec

from crypto.signer import DIGEST_SIZE, NAME_MAX

VERSION = 1
FRAME_MAX = 256
_HEAD = 10


class BadFrame(Exception):
    """The other side does not speak this protocol; nothing after it can be trusted."""


class Op(IntEnum):
    """What is asked."""

    SIGN = 1
    PUBLIC_KEY = 2


class Status(IntEnum):
    """How it was answered."""

    DONE = 0
    UNKNOWN_KEY = 1
    FAILED = 2


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """One thing asked. ``id`` is the asker's and comes back."""

    op: Op
    id: int
    name: str
    digest: bytes = b""

    def to_bytes(self) -> bytes:
        """As a frame."""
        name = self.name.encode("ascii")
        head = bytes((VERSION, self.op)) + self.id.to_bytes(8) + bytes((len(name),))
        return _framed(head + name + self.digest)

    @classmethod
    def read(cls, body: bytes) -> "Question":
        """Raises ``BadFrame``."""
        if len(body) < _HEAD + 1 or body[0] != VERSION or body[1] not in tuple(Op):
            raise BadFrame("not a question")
        op, length = Op(body[1]), body[_HEAD]
        end = _HEAD + 1 + length
        wanted = DIGEST_SIZE if op is Op.SIGN else 0
        if not 1 <= length <= NAME_MAX or len(body) != end + wanted:
            raise BadFrame("a question of a wrong size")
        try:
            name = body[_HEAD + 1 : end].decode("ascii")
        except UnicodeDecodeError:
            raise BadFrame("a key name is ASCII") from None
        return cls(op=op, id=int.from_bytes(body[2:_HEAD]), name=name, digest=body[end:])


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One answer."""

    status: Status
    id: int
    content: bytes = b""

    def to_bytes(self) -> bytes:
        """As a frame."""
        return _framed(bytes((VERSION, self.status)) + self.id.to_bytes(8) + self.content)

    @classmethod
    def read(cls, body: bytes) -> "Answer":
        """Raises ``BadFrame``."""
        if len(body) < _HEAD or body[0] != VERSION or body[1] not in tuple(Status):
            raise BadFrame("not an answer")
        return cls(status=Status(body[1]), id=int.from_bytes(body[2:_HEAD]), content=body[_HEAD:])


async def read_frame(reader: asyncio.StreamReader) -> bytes | None:
    """The next body; None when the other side closed between frames. Raises ``BadFrame``."""
    try:
        length = int.from_bytes(await reader.readexactly(2))
        if not _HEAD <= length <= FRAME_MAX:
            raise BadFrame("a frame of a wrong size")
        return await reader.readexactly(length)
    except asyncio.IncompleteReadError as cut:
        if cut.partial or cut.expected != 2:
            raise BadFrame("a frame was cut off") from None
        return None


def _framed(body: bytes) -> bytes:
    return len(body).to_bytes(2) + body
