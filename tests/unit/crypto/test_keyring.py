"""The ring's windows and rotation, the sealed file, and the start-up self-test."""

import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from crypto import keystore
from crypto.errors import BadCiphertext, BadKey, CryptoError
from crypto.keyring import SIGNING_KINDS, Key, KeyKind, KeyRing
from crypto.selftest import run_self_test
from crypto.sm2 import PrivateKey
from crypto.sm2_backend import select_backend

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
DAY = timedelta(days=1)
RING = KeyRing.generate(NOW, life=90 * DAY, province=99)


@pytest.mark.parametrize("kind", list(KeyKind))
def test_every_kind_has_a_current_key_of_its_own(kind: KeyKind) -> None:
    key = RING.current(kind, NOW)
    assert key.version == 1
    assert [other.kind for other in RING.keys if other.material == key.material] == [kind]
    if kind in SIGNING_KINDS:
        assert PrivateKey.from_bytes(key.material).sign(b"m")


def test_windows_open_and_close_at_their_instants() -> None:
    end = NOW + 90 * DAY
    assert RING.current(KeyKind.TOKEN, end - timedelta(microseconds=1)).version == 1
    for outside in (NOW - timedelta(microseconds=1), end):
        with pytest.raises(BadKey):
            RING.current(KeyKind.TOKEN, outside)
    assert RING.accepted(KeyKind.TOKEN, 1, end + 1827 * DAY).version == 1
    with pytest.raises(BadKey):
        RING.accepted(KeyKind.TOKEN, 1, end + 1829 * DAY)
    assert RING.accepted(KeyKind.COLUMN, 1, end + 36500 * DAY).version == 1


@pytest.mark.parametrize("kind", list(KeyKind))
def test_rotation_moves_on_and_still_accepts_the_old(kind: KeyKind) -> None:
    later = NOW + 30 * DAY
    ring = RING.rotated(kind, later, life=90 * DAY, overlap=timedelta(hours=1))
    assert ring.current(kind, later).version == 2
    assert ring.accepted(kind, 1, later).material == RING.current(kind, NOW).material
    assert [key.version for key in ring.all_accepted(kind, later)] == [2, 1]
    assert not ring.accepted(kind, 1, later).is_usable(later + timedelta(hours=1))
    assert ring.current(kind, later - DAY).version == 1
    assert len(RING.keys) == len(ring.keys) - 1


def test_code_key_ids_carry_the_province_and_are_never_reused() -> None:
    ring = RING
    for turn in range(5):
        ring = ring.rotated(
            KeyKind.ISSUER_ONCE, NOW + turn * DAY, life=90 * DAY, overlap=timedelta(hours=1)
        )
    ids = [key.code_key_id for key in ring.keys if key.code_key_id is not None]
    assert len(set(ids)) == len(ids) == 10
    assert {key_id >> 8 for key_id in ids} == {99}
    assert ring.by_code_key_id(99 << 8 | 10).version == 6
    with pytest.raises(BadKey):
        ring.by_code_key_id(1)


def test_a_destroyed_key_is_gone() -> None:
    ring = RING.without(KeyKind.COLUMN, 1)
    with pytest.raises(BadKey):
        ring.accepted(KeyKind.COLUMN, 1, NOW)
    with pytest.raises(BadKey):
        ring.without(KeyKind.COLUMN, 1)
    with pytest.raises(BadKey):
        ring.rotated(KeyKind.COLUMN, NOW, life=DAY, overlap=DAY)


def test_a_ring_refuses_doubles() -> None:
    with pytest.raises(BadKey):
        RING.with_key(RING.current(KeyKind.TOKEN, NOW))
    issuer = RING.current(KeyKind.ISSUER_ONCE, NOW)
    with pytest.raises(BadKey):
        RING.with_key(replace(issuer, version=2))


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 0},
        {"version": 256},
        {"material": bytes(31)},
        {"material": bytes(32)},
        {"material": b"\xff" * 32},
        {"use_from": NOW + 91 * DAY},
        {"accept_until": NOW},
        {"use_from": datetime(2026, 1, 1)},  # noqa: DTZ001  naive on purpose
        {"code_key_id": 1},
    ],
)
def test_keys_that_cannot_be_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(BadKey):
        replace(RING.current(KeyKind.TOKEN, NOW), **changes)


def test_no_repr_shows_material() -> None:
    for key in RING.keys:
        assert key.material.hex() not in repr(key)
        assert repr(key.material) not in repr(key)


def test_generation_and_rotation_use_the_given_randomness() -> None:
    def fixed(size: int) -> bytes:
        return bytes(range(1, size + 1))

    one = KeyRing.generate(NOW, life=DAY, province=52, random_bytes=fixed)
    two = KeyRing.generate(NOW, life=DAY, province=52, random_bytes=fixed)
    assert one.keys == two.keys
    with pytest.raises(BadKey):
        KeyRing.generate(NOW, life=DAY, province=100)


def test_the_development_ring_is_usable_from_yesterday() -> None:
    ring = KeyRing.generate_for_development(NOW)
    assert all(key.is_usable(NOW) for key in ring.keys)


def test_the_keystore_opens_with_its_master_key_alone(tmp_path: Path) -> None:
    path, master = tmp_path / "ring.keys", keystore.new_master_key()
    keystore.create(path, RING, master)
    assert keystore.load(path, master).keys == RING.keys
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(BadCiphertext):
        keystore.load(path, keystore.new_master_key())
    with pytest.raises(BadKey):
        keystore.load(path, b"short")
    with pytest.raises(FileExistsError):
        keystore.create(path, RING, master)


def test_the_keystore_is_replaced_whole_and_can_change_its_master(tmp_path: Path) -> None:
    path, old, new = tmp_path / "ring.keys", keystore.new_master_key(), keystore.new_master_key()
    keystore.create(path, RING, old)
    ring = RING.rotated(KeyKind.TOKEN, NOW + DAY, life=DAY, overlap=timedelta(hours=1))
    keystore.replace(path, ring, old)
    keystore.change_master(path, old, new)
    assert keystore.load(path, new).keys == ring.keys
    with pytest.raises(BadCiphertext):
        keystore.load(path, old)
    assert [entry.name for entry in tmp_path.iterdir()] == ["ring.keys"]


def test_every_changed_byte_of_a_keystore_is_refused() -> None:
    master = keystore.new_master_key()
    small = KeyRing([RING.current(KeyKind.TOKEN, NOW)])
    blob = keystore.seal_ring(small, master)
    assert keystore.seal_ring(small, master) != blob
    for at in range(len(blob)):
        with pytest.raises(BadCiphertext):
            keystore.open_ring(blob[:at] + bytes((blob[at] ^ 1,)) + blob[at + 1 :], master)
    for cut in (0, 1, 20, len(blob) - 1):
        with pytest.raises(BadCiphertext):
            keystore.open_ring(blob[:cut], master)


def test_an_empty_ring_survives_the_file() -> None:
    master = keystore.new_master_key()
    assert keystore.open_ring(keystore.seal_ring(KeyRing([]), master), master).keys == ()


@pytest.mark.parametrize("name", ["libcrypto", "purepy"])
@pytest.mark.parametrize("allowed", [True, False])
def test_the_self_test_passes_and_tells_what_runs(name: str, allowed: bool) -> None:
    report = run_self_test(select_backend(name, allow_software_signing=allowed))
    assert report.passed
    assert report.backend == name
    assert report.can_sign is (allowed or name == "libcrypto")
    assert report.constant_time is (name == "libcrypto")
    assert all(ok for _, ok in report.checks)


def test_the_self_test_catches_a_backend_that_lies() -> None:
    class Yes:
        """Accepts every signature."""

        def __init__(self) -> None:
            self._inner = select_backend("purepy", allow_software_signing=True)
            self.name, self.version, self.constant_time = "yes", "1", False

        def load_public(self, point: bytes) -> object:
            handle = self._inner.load_public(point)
            handle.verify_digest = lambda _e, _s: True  # type: ignore[method-assign]
            return handle

        def load_private(self, d: bytes) -> object:
            return self._inner.load_private(d)

    report = run_self_test(Yes())  # type: ignore[arg-type]
    assert not report.passed
    assert ("sm2-verify", False) in report.checks


def test_a_key_kind_keeps_its_spelling() -> None:
    """The keystore holds these words: changing one loses keys."""
    assert sorted(KeyKind) == sorted(
        [
            *("issuer_bound", "issuer_once", "issuer_printed", "code_list", "index_root"),
            *("column", "blind_index", "row_mac", "public_id", "institution_pseudonym"),
            *("token", "transport", "audit", "receipt", "till", "certificate_authority"),
        ]
    )
    assert isinstance(RING.keys[0], Key)
    assert issubclass(BadKey, CryptoError)


def test_a_cut_off_voids_the_past_and_never_moves_back() -> None:
    ring = RING.cut_off_before(KeyKind.ISSUER_ONCE, 1, NOW + DAY)
    assert ring.accepted(KeyKind.ISSUER_ONCE, 1, NOW + DAY).cut_off == NOW + DAY
    assert RING.accepted(KeyKind.ISSUER_ONCE, 1, NOW + DAY).cut_off is None
    later = ring.cut_off_before(KeyKind.ISSUER_ONCE, 1, NOW + 2 * DAY)
    assert later.accepted(KeyKind.ISSUER_ONCE, 1, NOW + DAY).cut_off == NOW + 2 * DAY
    rotated = later.rotated(KeyKind.ISSUER_ONCE, NOW + 3 * DAY, life=90 * DAY, overlap=DAY)
    assert rotated.accepted(KeyKind.ISSUER_ONCE, 1, NOW + 4 * DAY).cut_off == NOW + 2 * DAY
    assert rotated.current(KeyKind.ISSUER_ONCE, NOW + 4 * DAY).cut_off is None
    with pytest.raises(BadKey):
        later.cut_off_before(KeyKind.ISSUER_ONCE, 1, NOW + DAY)
    with pytest.raises(BadKey):
        RING.cut_off_before(KeyKind.TOKEN, 1, NOW)
    with pytest.raises(BadKey):
        RING.cut_off_before(KeyKind.TILL, 2, NOW)
    with pytest.raises(BadKey):
        RING.cut_off_before(KeyKind.TILL, 1, datetime(2026, 1, 1))  # noqa: DTZ001  naive


def test_a_closed_key_protects_nothing_more_and_stays_accepted_as_long_as_before() -> None:
    closed = RING.closed_after(KeyKind.ISSUER_BOUND, 1, NOW + DAY)
    with pytest.raises(BadKey):
        closed.current(KeyKind.ISSUER_BOUND, NOW + DAY)
    assert closed.current(KeyKind.ISSUER_BOUND, NOW + DAY / 2).version == 1
    assert closed.accepted(KeyKind.ISSUER_BOUND, 1, NOW + (1 + 1827) * DAY).version == 1
    with pytest.raises(BadKey):
        closed.accepted(KeyKind.ISSUER_BOUND, 1, NOW + (1 + 1828) * DAY)
    assert closed.closed_after(KeyKind.ISSUER_BOUND, 1, NOW + DAY).keys == closed.keys
    assert RING.closed_after(KeyKind.COLUMN, 1, NOW + DAY).accepted(
        KeyKind.COLUMN, 1, NOW + 9999 * DAY
    )
    for at in (NOW, NOW + 2 * DAY):
        with pytest.raises(BadKey):
            closed.closed_after(KeyKind.ISSUER_BOUND, 1, at)


def test_a_keystore_keeps_emergency_rules_and_names_an_earlier_version() -> None:
    master = keystore.new_master_key()
    ring = RING.cut_off_before(KeyKind.TILL, 1, NOW + DAY)
    blob = keystore.seal_ring(ring, master)
    assert keystore.open_ring(blob, master).keys == ring.keys
    with pytest.raises(BadCiphertext, match="earlier development version"):
        keystore.open_ring(b"YMKS\1" + blob[5:], master)
