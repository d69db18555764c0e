"""What the book says of stolen keys: what closing leaves to a thief, and what stops one."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from crypto.healthcode.revocation import ListScope, make_full, sign_revocation_list
from crypto.healthcode.trust import sign_trust_list, trust_list_of, trusted_key
from crypto.healthcode.trustfile import write_trust_file
from crypto.keyring import LISTED_KINDS, Key, KeyKind, KeyRing
from crypto.sm2 import PrivateKey
from service.keys import changes
from service.reader.lists import HeldLists, ListKeeper

MADE = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
STOLEN = MADE + timedelta(days=10)
NOW = STOLEN + timedelta(hours=1)
SECOND = timedelta(seconds=1)
ROOT = PrivateKey.generate()


def closed(kind: KeyKind) -> KeyRing:
    """Rotated since, and version 1 closed after the theft."""
    before = NOW - timedelta(minutes=5)
    ring = changes.rotate(changes.new_ring(MADE, 52), kind, before, before + changes.ACTIVATION)
    return changes.close(ring, kind, 1, STOLEN, NOW)


def stopped(kind: KeyKind) -> KeyRing:
    """And cut off at the same instant."""
    return changes.cut_off(closed(kind), kind, 1, STOLEN, NOW)


def counts(ring: KeyRing, kind: KeyKind, dated: datetime) -> bool:
    key = trusted_key(ring.accepted(kind, 1, NOW))
    return key.stands_for(int(dated.timestamp()), NOW)


@pytest.mark.parametrize("kind", LISTED_KINDS)
def test_only_closing_and_cutting_off_at_one_instant_stops_a_thief_who_backdates(
    kind: KeyKind,
) -> None:
    assert not counts(closed(kind), kind, STOLEN)
    assert counts(closed(kind), kind, STOLEN - SECOND)
    whole = stopped(kind)
    for dated in (MADE, STOLEN - SECOND, STOLEN, STOLEN + SECOND, NOW):
        assert not counts(whole, kind, dated)
    assert whole.current(kind, NOW).version == 2


def a_list(key: Key, sequence: int, made_at: datetime, path: Path) -> Path:
    listed = make_full(
        scope=ListScope.BOUND,
        code_class=0,
        sequence=sequence,
        made_at=made_at,
        next_at=made_at + timedelta(minutes=5),
        code_ids=[sequence.to_bytes(16, "little")],
        innocent=[],
    )
    assert key.code_key_id is not None
    path.write_bytes(
        sign_revocation_list(listed, key.code_key_id, PrivateKey.from_bytes(key.material))
    )
    return path


def test_a_thief_of_the_list_key_is_stopped_and_readers_are_set_right_by_hand(
    tmp_path: Path,
) -> None:
    kind, state, trust_file = KeyKind.CODE_LIST, tmp_path / "state", tmp_path / "trust.json"
    state.mkdir()

    def look(ring: KeyRing, sequence: int, revoked: Path) -> HeldLists:
        listed = trust_list_of(
            ring, sequence=sequence, made_at=STOLEN, next_at=NOW + timedelta(days=9)
        )
        trust_file.write_text(write_trust_file(sign_trust_list(listed, ROOT), [ROOT.public]))
        return ListKeeper(state).refresh(trust_file, [revoked], NOW)

    ring = stopped(kind)
    stolen, good = (key for key in ring.keys if key.kind is kind)
    thiefs = a_list(stolen, 0xFFFF_FFFF, NOW, tmp_path / "thiefs")
    genuine = a_list(good, 7, NOW, tmp_path / "genuine")
    before = KeyRing(
        key if key.kind is not kind or key.version == 2 else open_again(key) for key in ring.keys
    )
    assert [one.sequence for one in look(before, 2, thiefs).revoked.lists] == [0xFFFF_FFFF]
    assert look(ring, 3, thiefs).faults == {"thiefs": "KEY_CLOSED"}
    assert look(ring, 3, genuine).faults == {"genuine": "LIST_ROLLED_BACK"}
    newest = json.loads((state / "newest.json").read_text())
    (state / "newest.json").write_text(json.dumps(newest | {"revoked": {}}))
    for path in state.glob("revoked-*"):
        path.unlink()
    held = look(ring, 3, genuine)
    assert ([one.sequence for one in held.revoked.lists], held.faults) == ([7], {})


def open_again(key: Key) -> Key:
    """The stolen version as it was before anybody knew."""
    return Key(
        kind=key.kind,
        version=key.version,
        material=key.material,
        use_from=key.use_from,
        use_until=NOW + timedelta(days=1),
        accept_until=NOW + timedelta(days=2),
        code_key_id=key.code_key_id,
    )
