"""A reader with a folder: each refusal by its own word, one showing once, the same through a
restart."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from crypto.healthcode import text as code_text
from crypto.healthcode.layout import Kind, Purpose, code_id, parse
from crypto.healthcode.refusal import Refusal
from crypto.healthcode.trust import TrustList, Use
from service.reader.answers import RequestIdReused
from service.reader.reading import FolderReader, Question
from tests.support.reader_world import NOON, ReaderWorld

WORLD = ReaderWorld()
MINUTES = timedelta(minutes=1)


class Place:
    """One reader and its folder."""

    def __init__(self, folder: Path, trust: TrustList | None = None) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        WORLD.write_trust(folder / "trust.json", trust or WORLD.trust())
        self.revoke([], 1)
        self.reader = self.opened()

    def opened(self, at: datetime = NOON) -> FolderReader:
        return FolderReader(
            trust_file=self.folder / "trust.json",
            revoked_files=lambda: [self.folder / "revoked"],
            state=self.folder / "state",
            now=at,
        )

    def revoke(self, ids: list[bytes], sequence: int, at: datetime = NOON) -> None:
        (self.folder / "revoked").write_bytes(WORLD.signed(WORLD.revoked(sequence, ids, at)))

    def restart(self) -> None:
        self.reader.close()
        self.reader = self.opened()

    def ask(self, text: str, at: datetime = NOON, **asked: Any) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.reader.answer(Question(text=text, **asked), at))
        return answer

    def error(self, text: str, at: datetime = NOON, **asked: Any) -> str | None:
        word: str | None = self.ask(text, at, **asked)["error"]
        return word


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    one = Place(tmp_path / "one")
    yield one
    one.reader.close()


def test_one_screenshot_at_two_cut_off_readers(place: Place, tmp_path: Path) -> None:
    """Each accepts it once; the second showing at the same reader is refused."""
    other = Place(tmp_path / "other")
    text = WORLD.phone().show(NOON)
    assert [place.error(text), other.error(text)] == [None, None]
    assert [place.error(text), other.error(text)] == ["ALREADY_SHOWN", "ALREADY_SHOWN"]
    entries = [body.entries[0] for one in (place, other) for body in one.reader.log.hand_ins()]
    assert [entry.text for entry in entries] == [text, text]


@pytest.mark.parametrize(
    ("seconds", "word"),
    [
        (-31, Refusal.STEP_AHEAD),
        (-30, None),
        (0, None),
        (59, None),
        (60, Refusal.STEP_OLD),
    ],
)
def test_a_showing_is_good_for_ninety_seconds(
    place: Place, seconds: int, word: Refusal | None
) -> None:
    """From one step before its own to the end of the one behind it: 90 s in all."""
    shown = NOON + timedelta(hours=1)
    text = WORLD.phone().show(shown)
    assert place.error(text, shown + timedelta(seconds=seconds)) == word


@pytest.mark.parametrize(("minutes", "word"), [(5, "STEP_OLD"), (-5, "STEP_AHEAD")])
def test_a_phone_with_a_wrong_clock(place: Place, minutes: int, word: str) -> None:
    phone = WORLD.phone(NOON - timedelta(hours=1))
    answer = place.ask(phone.show(NOON - minutes * MINUTES))
    assert (answer["error"], abs(answer["off_by_s"])) == (word, 300 if minutes < 0 else 270)


def test_a_reader_with_a_wrong_clock(place: Place) -> None:
    text = WORLD.once()
    assert place.error(text, NOON + 5 * MINUTES) == "EXPIRED"
    assert place.error(text, NOON - 5 * MINUTES) == "CLOCK_UNSURE"


def test_a_code_from_ahead_of_a_true_clock(place: Place) -> None:
    assert place.error(WORLD.once(NOON + 5 * MINUTES)) == "NOT_YET_VALID"


def test_each_key_fault_has_its_word(tmp_path: Path) -> None:
    phone = WORLD.phone()
    trust = WORLD.trust()
    closed = WORLD.with_key(Kind.BOUND, sign_until=NOON - 10 * MINUTES)
    retired = WORLD.with_key(Kind.BOUND, verify_until=NOON)
    cut = WORLD.with_key(Kind.BOUND, cut_off=NOON + MINUTES)
    wrong = WORLD.with_key(Kind.BOUND, uses=frozenset({Use.ONCE}))
    none = replace(trust, keys={k: v for k, v in trust.keys.items() if Use.BOUND not in v.uses})
    expected = [
        (closed, "KEY_CLOSED"),
        (retired, "KEY_CLOSED"),
        (cut, "KEY_CLOSED"),
        (wrong, "KEY_NOT_FOR_KIND"),
        (none, "KEY_UNKNOWN"),
    ]
    for number, (changed, word) in enumerate(expected):
        place = Place(tmp_path / str(number), changed)
        assert place.error(phone.show(NOON)) == word
        place.reader.close()


def test_an_expired_trust_list_is_marked_then_refused(tmp_path: Path) -> None:
    due = NOON + timedelta(days=1)
    place = Place(tmp_path / "old", WORLD.trust(days=1))
    late = WORLD.once(due)
    assert place.ask(late, due)["marks"] == ["TRUST_LIST_OLD"]
    end = due + timedelta(days=7)
    assert place.error(WORLD.once(end), end) == "TRUST_LIST_EXPIRED"


def test_a_revoked_phone_is_refused_as_soon_as_the_list_is_there(place: Place) -> None:
    phone = WORLD.phone()
    answer = place.ask(phone.show(NOON))
    assert (answer["level"], answer["marks"]) == ("present", [])
    assert answer["not_revoked_as_of"] == "2026-11-22T04:00:00Z"
    place.revoke([code_id(parse(code_text.decode(phone.show(NOON))))], 2)
    place.reader.refresh(NOON)
    assert place.error(phone.show(NOON, seq=1)) == "REVOKED"
    place.revoke([], 1)
    place.reader.refresh(NOON)
    assert place.error(phone.show(NOON, seq=2)) == "REVOKED"
    assert place.reader.status(NOON).refused_lists == {"revoked": "LIST_ROLLED_BACK"}


def test_a_list_that_was_ahead_of_the_clock_is_taken_when_its_time_has_come(place: Place) -> None:
    phone = WORLD.phone()
    ahead = NOON + 2 * MINUTES
    place.revoke([code_id(parse(code_text.decode(phone.show(NOON))))], 2, ahead)
    place.reader.refresh(NOON)
    assert place.reader.status(NOON).refused_lists == {"revoked": "CLOCK_UNSURE"}
    place.reader.refresh(ahead)
    assert place.reader.status(ahead).refused_lists == {}
    assert place.error(phone.show(ahead), ahead) == "REVOKED"


def test_an_old_revocation_list_lowers_what_a_code_proves(place: Place) -> None:
    phone = WORLD.phone(life_min=4000)
    later = NOON + 11 * MINUTES
    answer = place.ask(phone.show(later), later)
    assert (answer["level"], answer["marks"]) == ("present", ["LIST_OLD"])
    later = NOON + timedelta(hours=25)
    answer = place.ask(phone.show(later), later)
    assert (answer["level"], answer["marks"]) == ("identified", ["LIST_OLD"])
    (age,) = [one for one in place.reader.status(later).lists if one.scope == "bound"]
    assert age.age_s == 25 * 3600


def test_a_restart_keeps_what_was_shown(place: Place) -> None:
    phone, once = WORLD.phone(), WORLD.once()
    late = phone.show(NOON, seq=7)
    assert [place.error(late), place.error(once)] == [None, None]
    place.restart()
    early = phone.show(NOON, seq=6)
    assert [place.error(text) for text in (late, early, once)] == ["ALREADY_SHOWN"] * 3
    assert place.error(phone.show(NOON, seq=8)) is None


def test_the_same_request_gets_the_same_answer_also_after_a_restart(place: Place) -> None:
    text = WORLD.once()
    asked = {"reader": "desk 1", "request_id": "r1"}
    first = place.ask(text + "\r\n", **asked)
    assert first["valid"]
    assert first["repaired"]
    assert place.ask(text + "\r\n", NOON + MINUTES, **asked) == first
    place.restart()
    assert place.ask(text + "\r\n", NOON + MINUTES, **asked) == first
    assert place.error(text, reader="desk 2", request_id="r1") == "ALREADY_SHOWN"
    assert place.error(text, reader="desk 1") == "ALREADY_SHOWN"
    with pytest.raises(RequestIdReused):
        place.ask(WORLD.once(), **asked)


def test_a_forgery_uses_up_nothing(place: Place) -> None:
    text = WORLD.phone().show(NOON)
    raw = bytearray(code_text.decode(text))
    raw[-1] ^= 1
    assert place.error(code_text.encode(bytes(raw))) == "HOLDER_SIGNATURE"
    assert place.reader.log.count == 0
    assert place.error(text, purpose=Purpose.PAY) == "PURPOSE_MISMATCH"
    assert place.error(text) is None


def test_a_disk_that_takes_nothing_accepts_nothing(place: Place) -> None:
    text = WORLD.once()
    place.reader.log.close()
    with pytest.raises(OSError, match="not open"):
        place.ask(text)
    others = [Question(text=WORLD.once()), Question(text="YM1:"), Question(text=text)]
    assert words(place, *others) == ["OSError", "CODE_MALFORMED", "OSError"]
    place.restart()
    assert place.error(text) is None


def words(place: Place, *asked: Question) -> list[str | None]:
    """What is said to questions asked together."""
    answers = place.reader.answer_all(asked, NOON)
    return [
        json.loads(one)["error"] if isinstance(one, bytes) else type(one).__name__
        for one in answers
    ]


def test_questions_asked_together_are_answered_as_one_after_another(place: Place) -> None:
    phone, other, once, spoilt = WORLD.phone(), WORLD.phone(), WORLD.once(), WORLD.once()[:-1]
    shown = [other.show(NOON), once, spoilt, phone.show(NOON, seq=2), phone.show(NOON, seq=1), once]
    expected = [None, None, "CODE_MALFORMED", None, "ALREADY_SHOWN", "ALREADY_SHOWN"]
    assert words(place, *(Question(text=text) for text in shown)) == expected
    assert words(place, Question(text=phone.show(NOON, seq=3)), Question(text=shown[3])) == [
        None,
        "ALREADY_SHOWN",
    ]
    status = place.reader.status(NOON)
    assert (status.accepted, status.refused, status.shown, status.seen) == (4, 4, 4, 3)
    entries = [entry.text for body in place.reader.log.hand_ins() for entry in body.entries]
    assert entries[:3] == [shown[0], once, shown[3]]


def test_the_same_request_twice_at_once_is_one_request(place: Place) -> None:
    asked = Question(text=WORLD.once(), reader="desk 1", request_id="r1")
    another = Question(text=WORLD.once(), reader="desk 1", request_id="r1")
    elsewhere = Question(text=WORLD.once(), reader="desk 2", request_id="r1")
    first, again, refused, fine = place.reader.answer_all([asked, asked, another, elsewhere], NOON)
    assert isinstance(first, bytes)
    assert first == again
    assert isinstance(refused, RequestIdReused)
    assert isinstance(fine, bytes)
    assert place.reader.log.count == 2


def test_codes_read_together_share_a_credential_but_not_its_faults(place: Place) -> None:
    """The issuer's part is checked once for all of them, the phone's for each."""
    phone = WORLD.phone()
    texts = [phone.show(NOON, seq=seq) for seq in range(3)]
    raw = bytearray(code_text.decode(texts[1]))
    raw[-1] ^= 1
    texts[1] = code_text.encode(bytes(raw))
    raw = bytearray(code_text.decode(WORLD.phone().show(NOON)))
    raw[70] ^= 1
    texts.append(code_text.encode(bytes(raw)))
    expected = [None, "HOLDER_SIGNATURE", None, "ISSUER_SIGNATURE"]
    assert words(place, *(Question(text=text) for text in texts)) == expected


def test_a_folder_has_one_reader(place: Place) -> None:
    with pytest.raises(ValueError, match="another reader"):
        place.opened()


def test_printed_codes_identify_as_often_as_they_like(place: Place) -> None:
    text = WORLD.printed()
    answers = [place.ask(text) for _ in range(2)]
    assert [(one["valid"], one["level"]) for one in answers] == [(True, "identified")] * 2


def test_what_a_reader_writes_is_its_owners_alone(tmp_path: Path) -> None:
    place = Place(tmp_path)
    assert place.ask(WORLD.phone().show(NOON))["valid"]
    state = tmp_path / "state"
    written = [path for path in state.iterdir() if path.is_file()]
    assert any(path.name.startswith("shown-") for path in written)
    assert [path.name for path in (state, *written) if path.stat().st_mode & 0o077] == []
    place.reader.close()
