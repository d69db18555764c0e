"""``yimatong code verify``: texts in, one JSON verdict a line out, in order. Needs no network.

Without a state folder all cores work and memory stays flat; with one, a single reader remembers.
"""

import os
from collections.abc import Callable
from datetime import datetime
from multiprocessing.connection import wait
from pathlib import Path

import msgspec
from msgspec.structs import replace

from crypto.errors import CryptoError
from crypto.healthcode.layout import Purpose
from crypto.healthcode.offer import TEXT_PREFIX, open_offer, parse_offer
from service.kernel.clock import SystemClock
from service.reader.crew import Crew, CrewFailed
from service.reader.files import read_bounded
from service.reader.lines import BLOCK_SIZE, Judgement, LineCutter, judge_blocks, lines_of
from service.reader.lists import open_files
from service.reader.reading import FolderReader, Question

ALONE_UP_TO = 1 << 16
"""Input of so few bytes is judged here: starting workers would take longer."""
INTERRUPTED, NO_READER = 130, 141
OFFER_FILE_MAX = 1024


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line says. ``at`` None: each text is judged when it is read."""

    trust: str
    revoked: list[str] = []
    at: datetime | None = None
    purpose: Purpose = Purpose.IDENTIFY
    offer: str = ""
    """The open one: then only codes bound to it hold."""
    begun: datetime | None = None
    """When lists and offer were opened first; workers open them as of then too."""
    state: str | None = None
    jobs: int = 0
    """0: as many as there are cores."""


def read_time(text: str | None) -> datetime | None:
    """``ValueError`` for anything but a time with its offset."""
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise ValueError("--at: a time with its offset, such as 2026-03-02T10:00:00+08:00")
    return at


def read_offer(said: str | None) -> str:
    """The text of ``--offer``, or of the file that it names; "" only where none was given.

    ``OSError``, ``ValueError``.
    """
    if said is None:
        return ""
    if said.startswith(TEXT_PREFIX):
        return said
    text = read_bounded(Path(said), OFFER_FILE_MAX).decode("ascii").strip() if said else ""
    if not text:
        raise ValueError("--offer: there is no offer in it")
    return text


def wanted_purpose(said: str | None, offer: str) -> Purpose:
    """What is wanted: what ``--purpose`` says, else what the offer asks for, else to identify.

    ``OfferRefused`` for a text that is no offer, ``ValueError`` for another purpose than its own.
    """
    if not offer:
        return Purpose[(said or "identify").upper()]
    asked = parse_offer(offer).signed.offer.purpose
    if said is not None and Purpose[said.upper()] is not asked:
        raise ValueError(f"--purpose {said}: the offer asks for {asked.name.lower()}")
    return asked


def make_judge(recipe: bytes) -> Callable[[bytes], bytes]:
    """From an encoded ``Wanted`` to what judges a block; also called in each worker process."""
    wanted = msgspec.json.decode(recipe, type=Wanted)
    clock = SystemClock()
    now = wanted.at or wanted.begun or clock.now()
    lists = open_files(Path(wanted.trust), [Path(one) for one in wanted.revoked], now)
    judgement = Judgement(
        trust=lists.trust,
        revoked=lists.revoked if wanted.revoked else None,
        purpose=wanted.purpose,
        at=wanted.at,
        offer=open_offer(wanted.offer, lists.trust, now) if wanted.offer else None,
    )
    return judge_blocks(judgement, clock.now)


def verify_stream(wanted: Wanted, source: int, sink: int) -> int:
    """From one file descriptor to another until the first ends; the exit status.

    ``OSError``, ``CryptoError`` or ``ValueError`` when there is nothing to judge by.
    """
    try:
        if wanted.state is not None:
            return _with_state(wanted, source, sink)
        return _without_state(wanted, source, sink)
    except BrokenPipeError:
        return NO_READER
    except KeyboardInterrupt:
        return INTERRUPTED


def _without_state(wanted: Wanted, source: int, sink: int) -> int:
    recipe = msgspec.json.encode(replace(wanted, begun=SystemClock().now()))
    judge = make_judge(recipe)
    jobs = wanted.jobs or _cores()
    cutter, done = LineCutter(), 0
    while piece := os.read(source, BLOCK_SIZE):
        done += len(piece)
        _judge_and_write(judge, cutter.feed(piece), sink)
        if done >= ALONE_UP_TO and jobs > 1:
            _share_out(Crew(make_judge, recipe, jobs), cutter, source, sink)
            return 0
    _judge_and_write(judge, cutter.end(), sink)
    return 0


def _judge_and_write(judge: Callable[[bytes], bytes], block: bytes, sink: int) -> None:
    if block:
        _write(sink, judge(block))


def _share_out(crew: Crew, cutter: LineCutter, source: int, sink: int) -> None:
    """The rest of the input through the workers."""
    try:
        is_ended = False
        while not (is_ended and crew.is_done):
            is_wanted = not is_ended and crew.has_room
            ready = wait([*crew.pipes, source] if is_wanted else crew.pipes)
            for answer in crew.take():
                _write(sink, answer)
            if is_wanted and source in ready:
                piece = os.read(source, BLOCK_SIZE)
                is_ended = not piece
                block = cutter.feed(piece) if piece else cutter.end()
                if block:
                    crew.give(block)
    finally:
        crew.close()


def _with_state(wanted: Wanted, source: int, sink: int) -> int:
    clock = SystemClock()
    files = [Path(one) for one in wanted.revoked]
    reader = FolderReader(
        trust_file=Path(wanted.trust),
        revoked_files=lambda: files,
        state=Path(wanted.state or ""),
        now=wanted.at or clock.now(),
        repairs=False,
    )

    def judge(block: bytes) -> bytes:
        reader.refresh(wanted.at or clock.now())
        answers = [
            reader.answer(
                Question(text=line, purpose=wanted.purpose, offer=wanted.offer),
                wanted.at or clock.now(),
            )
            for line in lines_of(block)
        ]
        reader.log.sync()
        return b"\n".join([*answers, b""])

    cutter = LineCutter()
    try:
        if wanted.offer:
            reader.open_offer(wanted.offer, wanted.at or clock.now())
        while piece := os.read(source, BLOCK_SIZE):
            _judge_and_write(judge, cutter.feed(piece), sink)
        _judge_and_write(judge, cutter.end(), sink)
    finally:
        reader.close()
    return 0


def _write(sink: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(sink, view) :]


def _cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


FAULTS = (OSError, CryptoError, ValueError, CrewFailed)
"""What ``verify_stream`` may raise."""
