"""The keystore of processes that ask a signer: written with every change, without private keys."""

from pathlib import Path

import pytest

from crypto.errors import BadKey
from crypto.keyring import LISTED_KINDS, SIGNING_KINDS, KeyKind, KeyRing
from crypto.signer import public_key_of, signing_key
from crypto.sm2 import PrivateKey
from service.kernel.live_ring import KeystoreFile, KeystoreUnreadable, LiveRing
from service.settings import SIGNER_KINDS, Settings, read_settings
from service.wiring import serving_keystore_of
from tests.unit.keys.place_rig import Place


@pytest.fixture
def place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Place:
    monkeypatch.setenv("YIMATONG_SIGNER_SOCKET", str(tmp_path / "signer"))
    return Place(tmp_path, monkeypatch, capsys)


def settings_of(place: Place, **more: str) -> Settings:
    env = {
        "YIMATONG_STATE_DIR": str(place.state),
        "YIMATONG_SIGNER_SOCKET": str(place.folder / "signer"),
    }
    return read_settings(env | more)


def served(place: Place) -> KeyRing:
    return serving_keystore_of(settings_of(place)).load()


def assert_same(place: Place) -> None:
    """All keys, the windows and the public halves; no private key of the signer's kinds."""
    whole, copy = place.keystore.load(), served(place)
    assert [(k.kind, k.version, k.use_until, k.cut_off) for k in copy.keys] == [
        (k.kind, k.version, k.use_until, k.cut_off) for k in whole.keys
    ]
    for mine, theirs in zip(copy.keys, whole.keys, strict=True):
        if mine.kind in SIGNER_KINDS:
            assert public_key_of(mine) == public_key_of(theirs)
            with pytest.raises(BadKey):
                signing_key(mine)
        else:
            assert mine == theirs


def test_every_change_reaches_the_copy_and_no_private_key_does(place: Place) -> None:
    place.do("init", "--province", "52")
    assert_same(place)
    for verb in (
        ("rotate", "till"),
        ("rotate", "token"),
        ("cut-off", "issuer_once", "1", "--before", "now"),
        ("destroy", "till", "1", "--force", "destroy till 1"),
        ("change-master",),
    ):
        place.do(*verb)
        assert_same(place)
    words = f"--passphrase-file={place.folder / 'Wu'}"
    place.do("backup", place.path("backup"), words)
    place.do("restore", place.path("backup"), words, "--replace")
    assert_same(place)
    private = [k.material for k in place.keystore.load().keys if k.kind in SIGNER_KINDS]
    copy = settings_of(place).serving_keystore.read_bytes()
    assert not any(material in copy for material in private)


def test_serving_processes_need_neither_the_keystore_nor_its_master_key(place: Place) -> None:
    place.do("init", "--province", "52")
    settings = settings_of(place)
    masters = {settings.master_key_file.read_text(), settings.serving_master_key_file.read_text()}
    assert len(masters) == 2
    settings.keystore.unlink()
    settings.master_key_file.unlink()
    live = LiveRing.following(serving_keystore_of(settings))
    assert len(live.keys) == len(KeyKind)


def test_a_keystore_with_private_keys_is_not_served_from(place: Place) -> None:
    place.do("init", "--province", "52")
    settings = settings_of(place)
    live = LiveRing.following(serving_keystore_of(settings))
    whole = settings_of(
        place,
        YIMATONG_SERVING_KEYSTORE=str(settings.keystore),
        YIMATONG_SERVING_MASTER_KEY_FILE=str(settings.master_key_file),
    )
    with pytest.raises(KeystoreUnreadable, match="only the signer may have"):
        LiveRing.following(serving_keystore_of(whole))
    held = live.snapshot
    settings.serving_keystore.write_bytes(settings.keystore.read_bytes())
    settings.serving_master_key_file.write_bytes(settings.master_key_file.read_bytes())
    assert not live.refresh()
    assert live.fault is not None
    assert live.snapshot is held


def test_kinds_are_a_choice(place: Place) -> None:
    assert set(LISTED_KINDS) < SIGNER_KINDS
    place.env.setenv("YIMATONG_SIGNER_KINDS", "issuer_once, token")
    place.do("init", "--province", "52")
    kinds = {"YIMATONG_SIGNER_KINDS": "issuer_once,token"}
    ring = serving_keystore_of(settings_of(place, **kinds)).load()
    without = {key.kind for key in ring.keys if key.is_public_half}
    assert without == {KeyKind.ISSUER_ONCE, KeyKind.TOKEN}
    with pytest.raises(KeystoreUnreadable):
        serving_keystore_of(settings_of(place)).load()


def test_a_key_in_a_card_enters_the_ring_by_its_public_half(place: Place) -> None:
    place.do("init", "--province", "52")
    public = PrivateKey.generate().public
    place.do("rotate", "till", "--public", public.compressed().hex())
    newest = [key for key in place.keystore.load().keys if key.kind is KeyKind.TILL][-1]
    assert (newest.version, newest.is_public_half) == (2, True)
    assert public_key_of(newest) == public
    assert public.compressed().hex() in place.do("list", "--json")
    place.do("export-public", place.path("public"))
    assert "kind that signs" in place.refused("rotate", "column", "--public", "02" + "11" * 32)
    place.refused("rotate", "till", "--public", "02" + "ff" * 32)


def test_check_notices_a_copy_that_was_left_behind(place: Place) -> None:
    place.do("init", "--province", "52")
    settings = settings_of(place)
    earlier = settings.serving_keystore.read_bytes()
    place.do("rotate", "till")
    assert "write-serving" not in place.run("check")[1]
    settings.serving_keystore.write_bytes(earlier)
    assert "the serving keystore is not this ring's: keys write-serving" in place.run("check")[1]
    place.do("write-serving")
    assert_same(place)
    place.env.delenv("YIMATONG_SIGNER_SOCKET")
    assert "no signer is named" in place.refused("write-serving")


@pytest.mark.parametrize(
    "verb",
    [
        ("rotate", "till"),
        ("cut-off", "issuer_once", "1", "--before", "2026-01-01T00:00:00+00:00"),
        ("destroy", "till", "1", "--force", "destroy till 1"),
        ("change-master",),
    ],
)
def test_a_change_stands_and_is_told_when_the_copy_cannot_be_written(
    place: Place, verb: tuple[str, ...]
) -> None:
    place.do("init", "--province", "52")
    place.do("rotate", "till")
    settings = settings_of(place)
    master = settings.serving_master_key_file
    words, sealed = master.read_text(), settings.keystore.read_bytes()
    master.write_text("spoilt")
    with settings.keystore.open("rb") as old:
        status, said = place.run(*verb)
        old.seek(0)
        assert (verb[0] == "destroy") == (old.read() != sealed)
    assert status == 1
    again = "change-master" if verb[0] == "change-master" else "write-serving"
    assert "changed, but the serving copy is not (" in said
    assert f"): keys {again}\n" in said
    assert place.keystore.load()
    assert settings.keystore.read_bytes() != sealed
    journal = settings.keystore.with_name("keystore.journal").read_text().splitlines()
    assert f'"action":"{verb[0]}"' in journal[-1]
    assert place.run("write-serving")[0] == 2
    master.write_text(words)
    place.do(again)
    assert_same(place)


def test_without_a_signer_the_keystore_itself_is_read(place: Place) -> None:
    place.env.delenv("YIMATONG_SIGNER_SOCKET")
    place.do("init", "--province", "52")
    settings = read_settings({"YIMATONG_STATE_DIR": str(place.state)})
    source = serving_keystore_of(settings)
    assert isinstance(source, KeystoreFile)
    assert not any(key.is_public_half for key in source.load().keys)
    assert not settings.serving_keystore.exists()
    assert {key.kind for key in source.load().keys} >= SIGNING_KINDS
