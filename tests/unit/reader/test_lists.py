"""Lists from files: newest wins, older is refused by its word, the last good one stays."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from crypto.errors import CryptoError
from crypto.healthcode.revocation import RevocationList
from crypto.healthcode.trust import TrustedKey, TrustList, Use
from service.reader.lists import HeldLists, ListKeeper, open_files
from tests.support.reader_world import ReaderWorld

WORLD = ReaderWorld()
IDS = [number.to_bytes(16, "big") for number in (1 << 120, 2 << 120, 3 << 120)]


class Folder:
    """A reader's files."""

    def __init__(self, path: Path) -> None:
        self.state = path / "state"
        self.state.mkdir()
        self.trust = path / "trust.json"
        self.revoked = path / "revoked"
        self.revoked.mkdir()
        WORLD.write_trust(self.trust, WORLD.trust(5))

    def put(self, name: str, blob: bytes) -> None:
        for path in self.revoked.iterdir():
            path.unlink()
        (self.revoked / name).write_bytes(blob)

    def look(self, keeper: ListKeeper | None = None) -> HeldLists:
        keeper = keeper or ListKeeper(self.state)
        return keeper.refresh(self.trust, sorted(self.revoked.iterdir()), WORLD.now)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def the_list(held: HeldLists) -> RevocationList:
    (listed,) = held.revoked.lists
    return listed


def test_a_rolled_back_list_is_refused_and_the_newer_stays_through_a_restart(
    folder: Folder,
) -> None:
    old, new = WORLD.revoked(3, IDS[:1]), WORLD.revoked(4, IDS[:2])
    folder.put("new", WORLD.signed(new))
    assert the_list(folder.look()).sequence == 4
    folder.put("old", WORLD.signed(old))
    held = folder.look()
    assert held.faults == {"old": "LIST_ROLLED_BACK"}
    assert the_list(held).holds(IDS[1])


def test_a_rolled_back_trust_list_is_refused_and_the_newer_stays(folder: Folder) -> None:
    assert folder.look().trust.sequence == 5
    WORLD.write_trust(folder.trust, WORLD.trust(4))
    held = folder.look()
    assert held.faults == {"trust.json": "LIST_ROLLED_BACK"}
    assert held.trust.sequence == 5


def test_broken_files_leave_the_last_good_ones_in_force(folder: Folder) -> None:
    folder.put("list", WORLD.signed(WORLD.revoked(3, IDS)))
    keeper = ListKeeper(folder.state)
    folder.look(keeper)
    folder.put("list", b"\1" * 200)
    folder.trust.write_text("{")
    for held in (folder.look(keeper), folder.look()):
        assert set(held.faults) == {"list", "trust.json"}
        assert the_list(held).sequence == 3
    folder.trust.unlink()
    assert folder.look().faults["trust.json"] == "LIST_UNREADABLE"


def test_a_foreign_root_or_list_key_is_refused(folder: Folder) -> None:
    stranger = ReaderWorld()
    folder.put("theirs", stranger.signed(stranger.revoked(9, IDS)))
    held = folder.look()
    assert held.faults == {"theirs": "LIST_SIGNATURE"}
    assert held.revoked.lists == ()


def test_deltas_lead_on_from_what_is_kept(folder: Folder) -> None:
    first, second, third = (WORLD.revoked(3 + at, IDS[: 1 + at]) for at in range(3))
    folder.put("full", WORLD.signed(first))
    folder.look()
    folder.put("delta", WORLD.signed(second, since=first))
    assert the_list(folder.look()).sequence == 4
    folder.put("delta", WORLD.signed(third, since=second))
    held = folder.look()
    assert (the_list(held).sequence, held.faults) == (5, {})
    folder.put("gap", WORLD.signed(WORLD.revoked(9, IDS), since=WORLD.revoked(7, IDS)))
    held = folder.look()
    assert (the_list(held).sequence, held.faults) == (5, {"gap": "LIST_WRONG_BASE"})
    assert len(list(folder.state.glob("revoked-*"))) == 3


def test_numbers_that_were_spoilt_stop_the_reader(folder: Folder) -> None:
    folder.look()
    (folder.state / "newest.json").write_text("{")
    with pytest.raises(ValueError, match="spoilt"):
        ListKeeper(folder.state)


def test_without_any_good_trust_list_nothing_is_judged(folder: Folder) -> None:
    folder.trust.write_text("{}")
    with pytest.raises(CryptoError):
        folder.look()


def test_without_a_state_every_file_must_be_good(folder: Folder) -> None:
    path = folder.revoked / "list"
    path.write_bytes(WORLD.signed(WORLD.revoked(3, IDS)))
    assert the_list(open_files(folder.trust, [path], WORLD.now)).sequence == 3
    path.write_bytes(b"\1" * 200)
    with pytest.raises(ValueError, match="KEY_UNKNOWN"):
        open_files(folder.trust, [path], WORLD.now)


def test_a_list_of_tomorrow_says_that_the_clock_is_wrong(folder: Folder) -> None:
    folder.put("ahead", WORLD.signed(WORLD.revoked(3, IDS, WORLD.now + timedelta(days=1))))
    assert folder.look().faults == {"ahead": "CLOCK_UNSURE"}


def with_list_key(**changes: object) -> TrustList:
    """The next trust list, with the key of revocation lists changed."""
    trust = WORLD.trust(6)
    (name,) = [at for at, key in trust.keys.items() if Use.REVOCATION_LIST in key.uses]
    changed: TrustedKey = replace(trust.keys[name], **changes)  # type: ignore[arg-type]
    return replace(trust, keys=trust.keys | {name: changed})


def test_a_running_reader_lets_go_of_a_list_whose_key_was_stolen(folder: Folder) -> None:
    keeper = ListKeeper(folder.state)
    folder.put("stolen", WORLD.signed(WORLD.revoked(4_294_967_295, IDS)))
    assert the_list(folder.look(keeper)).sequence == 4_294_967_295
    WORLD.write_trust(folder.trust, with_list_key(cut_off=WORLD.now + timedelta(minutes=1)))
    held = folder.look(keeper)
    assert (held.trust.sequence, held.revoked.lists) == (6, ())
    assert held.faults == {"stolen": "KEY_CLOSED"}
    assert folder.look().revoked.lists == ()


def test_a_running_reader_lets_go_of_a_list_whose_key_id_is_another_platforms_key(
    folder: Folder,
) -> None:
    keeper = ListKeeper(folder.state)
    folder.put("ours", WORLD.signed(WORLD.revoked(4, IDS)))
    assert the_list(folder.look(keeper)).sequence == 4
    WORLD.write_trust(folder.trust, with_list_key(public=WORLD.root.public))
    for _ in range(2):
        held = folder.look(keeper)
        assert held.revoked.lists == ()
        assert held.faults == {"ours": "LIST_SIGNATURE"}
    assert folder.look().revoked.lists == ()


def test_a_running_reader_keeps_a_list_whose_copy_cannot_be_read(folder: Folder) -> None:
    keeper = ListKeeper(folder.state)
    folder.put("new", WORLD.signed(WORLD.revoked(4, IDS)))
    folder.look(keeper)
    (copy,) = folder.state.glob("revoked-*")
    copy.write_bytes(b"damaged")
    (folder.revoked / "new").unlink()
    assert the_list(folder.look(keeper)).sequence == 4
