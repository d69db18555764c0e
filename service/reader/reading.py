"""A reader with a folder: lists, what was shown before, and the log, behind one question.

Order of a question: the same question's answer, the verifier's checks 1 to 10, check 11, the log,
then the map, then the answer. Nothing is written before both signatures hold. Several questions
take each step together.
"""

import fcntl
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import msgspec

from crypto.errors import BadEncoding
from crypto.healthcode import text as code_text
from crypto.healthcode.describe import describe_verdict
from crypto.healthcode.layout import Purpose, code_id_in, parse
from crypto.healthcode.offer import SignedOffer, open_offer
from crypto.healthcode.refusal import OfferRefused, Refusal
from crypto.healthcode.revocation import ListScope
from crypto.healthcode.verify import CodeVerifier, Reader, Verdict
from service.reader.answers import Answers, RequestIdReused
from service.reader.lists import HeldLists, ListKeeper
from service.reader.log_lines import ShownLine
from service.reader.repair import repair
from service.reader.seen import SeenMap
from service.reader.shown_log import Damage, HandIn, ShownLog
from service.reader.tills import TillsFile

REPEATED_WITHIN_S = 600
"""After a restart, answers no older than this are given again."""
JUDGED_EVERY = timedelta(minutes=1)
RootsTold = Callable[[tuple[str, ...], tuple[str, ...]], None]
_PLAIN = {purpose: Reader(wanted=purpose) for purpose in Purpose}


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A scanned text. ``reader`` and ``request_id`` name the asking device and its request; an
    empty request id is never taken for a repetition."""

    text: str
    purpose: Purpose = Purpose.IDENTIFY
    offer: str = ""
    reader: str = ""
    request_id: str = ""


Answer = bytes | RequestIdReused | OSError
"""A verdict as JSON; or why there is none: the id was another question's, the log takes nothing."""


class _Asked(NamedTuple):
    """A question to be judged: its text as repaired, and what the reader wants."""

    question: Question
    text: str
    reader: Reader


class ListAge(msgspec.Struct, kw_only=True):
    """A list in force. ``scope`` is ``trust``, ``bound`` or ``printed``; ``code_class`` is None
    for the trust list."""

    scope: str
    code_class: int | None
    sequence: int
    made_at: datetime
    next_at: datetime
    age_s: int


class Status(msgspec.Struct, kw_only=True):
    """How a reader stands. ``roots``: fingerprints of those it believes. ``missing_lists``: the
    scopes without any revocation list, whose codes are taken without asking one.
    ``refused_lists``: file name to why it was not taken, also of the tills' file."""

    now: datetime
    roots: tuple[str, ...]
    lists: list[ListAge]
    missing_lists: list[str]
    refused_lists: dict[str, str]
    accepted: int
    refused: int
    seen: int
    shown: int
    handed_in: int
    torn_bytes: int
    set_aside: int


class FolderReader:
    """One reader, or the one shared by all of a hospital's. Not for several threads.

    ``repairs``: texts come from scanner guns and are repaired first. ``trust_file`` and
    ``revoked_files`` are only read; everything written is under ``state``, which one reader owns
    at a time. ``tills``: by who asks (``Question.reader``), the terminal whose offers are his own;
    None: whoever asks answers for the offer. ``other_roots`` is told the fingerprints before and
    now when a trust file with other roots takes over. Raises ``OSError``, ``CryptoError`` or
    ``ValueError`` when there is nothing to judge by.
    """

    def __init__(
        self,
        *,
        trust_file: Path,
        revoked_files: Callable[[], Sequence[Path]],
        state: Path,
        now: datetime,
        codes_max: int = 1_000_000,
        repairs: bool = True,
        tills: TillsFile | None = None,
        other_roots: RootsTold | None = None,
    ) -> None:
        self._trust_file = trust_file
        self._revoked_files = revoked_files
        self._repairs = repairs
        self._tills = tills
        self._other_roots = other_roots
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = lock_state(state)
        self._keeper = ListKeeper(state)
        self._seen = SeenMap(codes_max)
        self._answers = Answers()
        self._accepted = self._refused = 0
        self._log = ShownLog(state)
        second = int(now.timestamp())
        self._damage: Damage = self._log.open(lambda line: self._recall(line, second))
        self._stamps, self._judged_at = self._look(), now
        self._lists: HeldLists = self._take(now)
        self._verifier = CodeVerifier(self._lists.trust)

    @property
    def log(self) -> ShownLog:
        """The shown log, to hand in and to sync."""
        return self._log

    def next_hand_in(self) -> HandIn | None:
        """The next body for ``POST /v1/terminal/shown-codes``; None when all is confirmed."""
        return next(self._log.hand_ins(), None)

    def confirm(self, log_id: str, taken: int, now: datetime) -> None:
        """The platform has the first ``taken`` entries of that log. ``ValueError`` if it is not
        this log, or has not so many."""
        if log_id != self._log.log_id:
            raise ValueError("the confirmation is for another log")
        self._log.confirm(taken, int(now.timestamp()))

    def refresh(self, now: datetime) -> None:
        """Take newer lists and tills if the files changed. Cheap when they did not.

        While one is refused they are judged anew every minute all the same: what was refused for
        the clock's sake may hold now.
        """
        if self._tills is not None:
            self._tills.refresh()
        stamps = self._look()
        is_settled = not self._lists.faults or abs(now - self._judged_at) < JUDGED_EVERY
        if stamps == self._stamps and is_settled:
            return
        before = self._lists.trust
        self._lists = self._take(now)
        self._stamps, self._judged_at = stamps, now
        if self._lists.trust != before:
            self._verifier = CodeVerifier(self._lists.trust)

    def _take(self, now: datetime) -> HeldLists:
        before = self._keeper.roots
        lists = self._keeper.refresh(self._trust_file, self._revoked_files(), now)
        if self._other_roots is not None and before and set(before) != set(lists.roots):
            self._other_roots(before, lists.roots)
        return lists

    def open_offer(self, text: str, now: datetime) -> SignedOffer:
        """An offer by the trust list in force. ``OfferRefused``."""
        return open_offer(text, self._lists.trust, now)

    def answer(self, question: Question, now: datetime) -> bytes:
        """The verdict as JSON. ``RequestIdReused``; ``OSError`` when the log takes nothing."""
        (answer,) = self.answer_all([question], now)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def answer_all(self, questions: Sequence[Question], now: datetime) -> list[Answer]:
        """The verdicts on several questions, as ``answer`` would give them one after another.

        Step by step and not question by question, for the reason of ``CodeVerifier.verify_all``,
        and with one write of the log.
        """
        names = [_name_of(one) for one in questions if one.request_id]
        if len(set(names)) < len(names):
            return [self.answer_all([one], now)[0] for one in questions]
        opened = [self._open(question, now) for question in questions]
        asked = [one for one in opened if isinstance(one, _Asked)]
        wanted = [(one.text, one.reader) for one in asked]
        verdicts = self._verifier.verify_all(wanted, now, self._lists.revoked)
        answers = iter(self._settle(asked, verdicts, int(now.timestamp())))
        return [next(answers) if isinstance(one, _Asked) else one for one in opened]

    def _open(self, question: Question, now: datetime) -> _Asked | Answer:
        """What is to be judged, or the answer if that was given before or the offer fails."""
        text = (repair(question.text) if self._repairs else None) or question.text
        if question.request_id:
            try:
                given = self._answers.find(_name_of(question), _content_of(question, text))
            except RequestIdReused as fault:
                return fault
            if given is not None:
                return given
        try:
            return _Asked(question, text, self._wanted(question, now))
        except OfferRefused as refused:
            self._refused += 1
            return msgspec.json.encode({"valid": False, "error": refused.refusal.value})

    def _settle(
        self, asked: Sequence[_Asked], verdicts: Sequence[Verdict], second: int
    ) -> list[Answer]:
        """Check 11, the log, the map, the answers."""
        ids = [verdict.code_id for verdict in verdicts if verdict.holds]
        if len(set(ids)) < len(ids):
            pairs = zip(asked, verdicts, strict=True)
            return [self._settle([one], [verdict], second)[0] for one, verdict in pairs]
        verdicts = [self._check_shown(verdict) for verdict in verdicts]
        judged = [
            (one, verdict, _to_json(one, verdict))
            for one, verdict in zip(asked, verdicts, strict=True)
        ]
        lines = [_line_of(one, answer, second) for one, verdict, answer in judged if verdict.holds]
        fault: OSError | None = None
        if lines:
            try:
                self._log.append(lines)
            except OSError as found:
                fault = found
        answers: list[Answer] = []
        for one, verdict, answer in judged:
            if fault is not None and verdict.holds:
                answers.append(fault)
                continue
            self._note(one, verdict, answer, second)
            answers.append(answer)
        return answers

    def _check_shown(self, verdict: Verdict) -> Verdict:
        code, name = verdict.code, verdict.code_id
        if verdict.holds and code is not None and name is not None and self._seen.has(code, name):
            return Verdict(refusal=Refusal.ALREADY_SHOWN, code=code, code_id=name)
        return verdict

    def _note(self, one: _Asked, verdict: Verdict, answer: bytes, second: int) -> None:
        """Remember the showing and the answer."""
        if verdict.holds and verdict.code is not None and verdict.code_id is not None:
            self._seen.take(verdict.code, verdict.code_id, second)
            self._accepted += 1
        else:
            self._refused += 1
        if one.question.request_id:
            self._answers.keep(_name_of(one.question), _content_of(one.question, one.text), answer)

    def _wanted(self, question: Question, now: datetime) -> Reader:
        if not question.offer:
            return _PLAIN[question.purpose]
        opened = open_offer(question.offer, self._lists.trust, now)
        own = None if self._tills is None else self._tills.tills.get(question.reader, b"")
        opened.check_place(question.purpose, own)
        context = opened.offer.context()
        return replace(_PLAIN[question.purpose], context=context, context_required=True)

    def _recall(self, line: ShownLine, now: int) -> None:
        """Fill the map and the answers from the log at the start."""
        try:
            raw = code_text.decode(line.text)
            code = parse(raw)
        except BadEncoding:
            return
        if code.head.expires + 30 > now:
            self._seen.take(code, code_id_in(raw), now)
        if line.request_id and line.scanned >= now - REPEATED_WITHIN_S:
            asked = (line.text, line.purpose, line.offer)
            self._answers.keep((line.reader, line.request_id), asked, line.answer.encode())

    def _look(self) -> list[tuple[str, int, int, int]]:
        found = []
        for path in [self._trust_file, *self._revoked_files()]:
            try:
                stat = path.stat()
            except OSError:
                continue
            found.append((str(path), stat.st_mtime_ns, stat.st_size, stat.st_ino))
        return found

    def status(self, now: datetime) -> Status:
        """Ages of the lists, and counts since the start."""
        trust = self._lists.trust
        ages = [
            ListAge(
                scope="trust",
                code_class=None,
                sequence=trust.sequence,
                made_at=trust.made_at,
                next_at=trust.next_at,
                age_s=int((now - trust.made_at).total_seconds()),
            )
        ]
        ages += [
            ListAge(
                scope=listed.scope.name.lower(),
                code_class=listed.code_class,
                sequence=listed.sequence,
                made_at=listed.made_at,
                next_at=listed.next_at,
                age_s=int((now - listed.made_at).total_seconds()),
            )
            for listed in self._lists.revoked.lists
        ]
        held = {one.scope for one in ages}
        scopes = [scope.name.lower() for scope in ListScope]
        return Status(
            now=now,
            roots=self._lists.roots,
            lists=ages,
            missing_lists=[scope for scope in scopes if scope not in held],
            refused_lists=self._lists.faults | self._till_fault(),
            accepted=self._accepted,
            refused=self._refused,
            seen=len(self._seen),
            shown=self._log.count,
            handed_in=self._log.taken,
            torn_bytes=self._damage.torn_bytes,
            set_aside=self._damage.set_aside,
        )

    def _till_fault(self) -> dict[str, str]:
        if self._tills is None or self._tills.fault is None:
            return {}
        return {self._tills.name: self._tills.fault}

    def close(self) -> None:
        """Make the log durable and let another reader own the folder."""
        self._log.close()
        os.close(self._lock)


def _name_of(question: Question) -> tuple[str, str]:
    """By which a question is known to be the same."""
    return question.reader, question.request_id


def _content_of(question: Question, text: str) -> tuple[str, int, str]:
    """What the same question must say again."""
    return text, int(question.purpose), question.offer


def _to_json(one: _Asked, verdict: Verdict) -> bytes:
    document = describe_verdict(verdict)
    if verdict.holds and one.text != one.question.text:
        document["repaired"] = True
    return msgspec.json.encode(document)


def _line_of(one: _Asked, answer: bytes, second: int) -> ShownLine:
    question = one.question
    return ShownLine(
        text=one.text,
        scanned=second,
        purpose=question.purpose,
        offer=question.offer,
        reader=question.reader,
        request_id=question.request_id,
        answer=answer.decode(),
    )


def lock_state(state: Path) -> int:
    """``ValueError`` when another reader owns the folder: two would not see each other's map."""
    handle = os.open(state / "owner.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise ValueError("another reader is using this folder") from None
    return handle
