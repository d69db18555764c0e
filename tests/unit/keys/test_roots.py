"""Roots change, are lost, and are stolen: readers that keep state go on, and a list is served."""

import io
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from crypto.healthcode.trustfile import read_trust_file, split_trust_file
from crypto.sm2 import PublicKey
from service.healthcode.trust_file import PublishedTrust, read_published
from service.keys.keystore_editing import KeystoreBusy
from service.keys.trust_files import TrustFiles
from service.reader.lists import ListKeeper
from tests.unit.keys.place_rig import Place, a_root, signed


class Reader:
    """A reader with a state folder, started anew for every look."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._state = place.folder / "reader"
        self._state.mkdir()

    def takes(self, sequence: int) -> None:
        """It holds the list that is served, which has this sequence, and refused nothing."""
        now = datetime.now(UTC)  # the lists of the command line carry the machine's time
        held = ListKeeper(self._state).refresh(self._place.served, [], now)
        assert (held.trust.sequence, held.faults) == (sequence, {})
        assert served(self._place).trust.sequence == sequence


def served(place: Place) -> PublishedTrust:
    return read_published(place.served, place.pins)


def files_of(place: Place) -> TrustFiles:
    return TrustFiles(place.served, place.pins)


def with_lists(place: Place, count: int, *more: str) -> str:
    """A machine with that many lists by ``root-1``, pinned beside ``more``; gives that root."""
    place.do("init", "--province", "52")
    present = a_root(place, "root-1")
    place.do("pin-root", present, *more)
    for number in range(1, count + 1):
        signed(place, "root-1", f"list-{number}")
        place.do("install-trust-list", place.path(f"list-{number}"))
    return present


def test_a_root_is_changed_and_no_reader_notices(place: Place) -> None:
    following = a_root(place, "root-2")
    present = with_lists(place, 3, following)
    reader = Reader(place)
    reader.takes(3)
    newer = a_root(place, "root-3")
    assert "would not stay" in place.refused("pin-root", following, newer)
    assert "would not stay" in place.refused("pin-root", following, newer, "--force")
    place.do("pin-root", present, following, newer)
    reader.takes(3)
    signed(place, "root-2", "list-4")
    place.do("install-trust-list", place.path("list-4"))
    reader.takes(4)
    place.do("pin-root", following, newer)
    reader.takes(4)
    assert place.pins.read_text().split() == [following, newer]
    assert "refused" in place.refused("install-trust-list", place.path("list-3"))


def test_a_root_is_changed_together_with_the_list(place: Place) -> None:
    following = a_root(place, "root-2")
    with_lists(place, 3, following)
    reader, newer = Reader(place), a_root(place, "root-3")
    reader.takes(3)
    signed(place, "root-2", "list-4")
    place.do("install-trust-list", place.path("list-4"), "--pin", following, newer)
    reader.takes(4)
    assert place.pins.read_text().split() == [following, newer]


def test_all_roots_are_lost_and_readers_take_the_list_of_a_new_one(place: Place) -> None:
    with_lists(place, 3)
    reader = Reader(place)
    reader.takes(3)
    new = a_root(place, "new")
    signed(place, "new", "list-4")
    asked = ("install-trust-list", place.path("list-4"), "--pin", new)
    assert "none of the present" in place.refused(*asked)
    place.do(*asked, "--force")
    reader.takes(4)


def test_the_sequence_outlives_the_list_and_a_whole_machine(place: Place) -> None:
    with_lists(place, 2)
    reader = Reader(place)
    reader.takes(2)
    place.served.write_text("damaged")
    assert "highest list so far is 2" in place.do("export-public", place.path("one"))
    place.served.unlink()
    assert "highest list so far is 2" in place.do("export-public", place.path("two"))
    assert "sequences rise" in place.refused("install-trust-list", place.path("list-2"))
    place.state = place.folder / "another machine"
    place.do("init", "--province", "52")
    place.do("pin-root", a_root(place, "new"))
    assert "first list ever" in signed(place, "new", "too-low")
    signed(place, "new", "list-3", "--above", "2")
    place.do("install-trust-list", place.path("list-3"))
    reader.takes(3)


def test_other_roots_at_hand_tell_what_they_signed(place: Place) -> None:
    with_lists(place, 2)
    place.state = place.folder / "another machine"
    place.do("init", "--province", "52")
    a_root(place, "root-2")
    said = signed(place, "root-2", "list", "--other-root", place.path("root-1"))
    assert "trust list 3 is signed" in said


def test_a_list_whose_sequence_nothing_tells_stops_the_ceremony(place: Place) -> None:
    with_lists(place, 1)
    files_of(place).newest.unlink()
    assert "highest list so far is 1" in place.do("export-public", place.path("one"))
    place.served.write_text("damaged")
    assert "good copy" in place.refused("export-public", place.path("two"))
    files_of(place).newest.write_text("many")
    assert "is damaged" in place.refused("export-public", place.path("two"))


def test_an_older_list_put_in_place_by_hand_is_seen(place: Place) -> None:
    with_lists(place, 1)
    older = place.served.read_text()
    signed(place, "root-1", "list-2")
    place.do("install-trust-list", place.path("list-2"))
    place.served.write_text(older)
    assert "list 1 is in place, and 2 was before" in place.run("check")[1]


@pytest.mark.parametrize("is_new_list", [False, True])
def test_every_step_of_a_change_leaves_a_list_that_a_pinned_root_signed(
    place: Place, is_new_list: bool
) -> None:
    following = a_root(place, "root-2")
    present = with_lists(place, 1, following)
    files, newer = files_of(place), a_root(place, "root-3")
    signed(place, "root-2", "list-2")
    new = read_trust_bytes(Path(place.path("list-2")))
    before = read_trust_bytes(place.served)
    pins = [following, newer] if is_new_list else [present, newer]
    steps = files.steps([pin_of(text) for text in pins], new if is_new_list else before)
    seen = []
    for path, text in steps:
        path.write_text(text)
        seen.append(served(place).trust.sequence)
    assert seen == ([1, 2, 2] if is_new_list else [1, 1, 1])
    assert place.pins.read_text().split() == pins


def read_trust_bytes(path: Path) -> bytes:
    assert read_trust_file(path.read_text())
    return split_trust_file(path.read_text())[1]


def pin_of(text: str) -> PublicKey:
    return PublicKey.from_bytes(bytes.fromhex(text), allow_compressed=True)


def test_more_roots_than_a_file_names_are_not_changed_at_once(place: Place) -> None:
    roots = [a_root(place, f"more-{number}") for number in range(3)]
    present = with_lists(place, 1, roots[0])
    place.do("pin-root", present, *roots[:2], roots[2])
    fresh = a_root(place, "fresh")
    assert "fewer at once" in place.refused("pin-root", present, fresh)
    place.do("pin-root", present, roots[0])
    place.do("pin-root", present, fresh)


def test_an_install_waits_for_whoever_edits_and_judges_by_what_that_one_left(
    place: Place,
) -> None:
    with_lists(place, 1)
    for number in (2, 3):
        signed(place, "root-1", f"list-{number}")
    found: list[int] = []
    older = threading.Thread(
        target=lambda: found.append(place.status("install-trust-list", place.path("list-2")))
    )
    files = files_of(place)
    with files.one_editor():
        with pytest.raises(KeystoreBusy), files.one_editor(0.1):
            pass
        older.start()
        older.join(0.5)
        assert (older.is_alive(), served(place).trust.sequence) == (True, 1)
        files.put(files.pins(), read_trust_bytes(Path(place.path("list-3"))))
    older.join()
    assert (found, served(place).trust.sequence) == ([2], 3)


@pytest.mark.parametrize(("answer", "is_signed"), [("sign\n", True), ("yes\n", False), ("", False)])
def test_what_is_signed_is_shown_first_and_asked_for(
    place: Place, monkeypatch: pytest.MonkeyPatch, answer: str, is_signed: bool
) -> None:
    place.do("init", "--province", "52")
    a_root(place, "root")
    shown = place.do("export-public", place.path("public")).splitlines()[1]
    monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
    status, said = place.run(
        *("root", "sign-trust-list", "--root", place.path("root"), "--next", "90"),
        *("--ring-public", place.path("public"), "--output", place.path("list")),
        *("--fingerprint", shown.removeprefix("fingerprint "), "--by", "Li", "Chen"),
        *place.words,
    )
    assert said.index("3401 bound") < said.index("write sign")
    assert (status, "nothing was signed" in said) == ((0, False) if is_signed else (2, True))
    for path in (place.path("list"), place.path("root.signed")):
        assert Path(path).exists() == is_signed
