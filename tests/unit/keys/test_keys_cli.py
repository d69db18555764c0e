"""``yimatong keys`` from the command line: a year, the root's ceremony, the worst."""

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from crypto.healthcode.trustfile import read_trust_file
from crypto.keyring import ISSUER_KINDS, LISTED_KINDS, KeyKind
from service.keys.keystore_editing import Entry, KeystoreEditor
from tests.unit.keys.place_rig import WORDS, Place, a_root, signed


def test_the_root_vouches_for_the_ring_and_the_online_side_installs_it(place: Place) -> None:
    place.do("init", "--province", "52")
    present, following = a_root(place, "root-1"), a_root(place, "root-2")
    place.do("pin-root", present, following)
    signed(place, "root-1", "list-1", "--other-root", place.path("root-2"))
    place.do("install-trust-list", place.path("list-1"))
    served = (place.state / "keys" / "trust-list.json").read_text()
    assert json.loads(served)["roots"] == [present, following]
    trust = read_trust_file(served)
    assert trust.sequence == 1
    ring = place.keystore.load()
    listed = {key.code_key_id for key in ring.keys if key.kind in LISTED_KINDS}
    assert set(trust.keys) == listed
    assert "sequences rise" in place.refused("install-trust-list", place.path("list-1"))
    signed(place, "root-2", "list-2")
    place.do("install-trust-list", place.path("list-2"))
    assert read_trust_file((place.state / "keys" / "trust-list.json").read_text()).sequence == 2


def test_a_list_of_a_root_that_is_not_pinned_is_refused(place: Place) -> None:
    place.do("init", "--province", "52")
    ours, foreign = a_root(place, "root"), a_root(place, "foreign")
    signed(place, "foreign", "list")
    assert "no root is pinned" in place.refused("install-trust-list", place.path("list"))
    place.do("pin-root", ours)
    assert "refused" in place.refused("install-trust-list", place.path("list"))
    assert "none of the present" in place.refused("pin-root", foreign)
    place.do("pin-root", ours, foreign)
    place.do("install-trust-list", place.path("list"))


def test_an_exchanged_public_file_is_not_signed(place: Place) -> None:
    place.do("init", "--province", "52")
    a_root(place, "root")
    shown = place.do("export-public", place.path("a")).splitlines()[1].removeprefix("fingerprint ")
    content = json.loads(Path(place.path("a")).read_text())
    content["keys"][0]["key_id"] = 4711
    Path(place.path("b")).write_text(json.dumps(content))
    asked = ("--root", place.path("root"), "--output", place.path("list"), "--next", "90")
    asked += ("--fingerprint", shown, *place.words)
    for by, public, word in ((("Li", "Chen"), "b", "do not sign"), (("Li", "Li"), "a", "two")):
        said = place.refused(
            "root", "sign-trust-list", *asked, "--ring-public", place.path(public), "--by", *by
        )
        assert word in said
    assert not Path(place.path("list")).exists()


def test_a_list_without_the_keys_of_the_ring_is_not_installed(place: Place) -> None:
    place.do("init", "--province", "52")
    place.do("pin-root", a_root(place, "root"))
    signed(place, "root", "list")
    place.do("rotate", "issuer_bound")
    said = place.refused("install-trust-list", place.path("list"))
    assert "issuer_bound 2 is not in the list" in said
    place.do("install-trust-list", place.path("list"), "--force")
    status, said = place.run("check")
    assert (status, "issuer_bound 2 is not in the list" in said) == (1, True)


def test_a_stolen_issuer_key_is_replaced_closed_and_cut_off(place: Place) -> None:
    place.do("init", "--province", "52")
    assert "rotate first" in place.refused("close", "issuer_once", "1", "--after", "now")
    assert "60 s" in place.refused("rotate", "issuer_once", "--from", "now")
    assert "keys export-public" in place.do("rotate", "issuer_once", "--from", "+61s")
    old, new = (key for key in place.keystore.load().keys if key.kind is KeyKind.ISSUER_ONCE)
    assert timedelta(0) < new.use_from - old.use_from < timedelta(seconds=75)
    assert "wait until" in place.refused("close", "issuer_once", "1", "--after", "now")
    place.do("cut-off", "issuer_once", "1", "--before", "now")
    assert "not in the trust list" in place.refused("cut-off", "token", "1", "--before", "now")
    assert "void before" in place.do("list")


def test_the_list_shows_windows_and_never_material(place: Place) -> None:
    place.do("init", "--province", "52")
    text, rows = place.do("list"), place.do("list", "--json")
    for key in place.keystore.load().keys:
        assert key.kind in text
        assert key.material.hex() not in text + rows
    states = {json.loads(line)["state"] for line in rows.splitlines()}
    assert states == {"in use"}
    assert "is there already" in place.refused("init", "--province", "52")


def test_check_speaks_until_the_keys_are_backed_up_and_listed(place: Place) -> None:
    place.do("init", "--province", "52")
    place.do("pin-root", a_root(place, "root"))
    status, said = place.run("check")
    assert (status, "in no backup" in said, "no trust list" in said) == (1, True, True)
    signed(place, "root", "list")
    place.do("install-trust-list", place.path("list"))
    words = f"--passphrase-file={place.folder / 'Wu'}"
    place.do("backup", place.path("backup"), words)
    assert place.run("check") == (0, "")
    assert place.do("rotate", "--due") == "no kind is due\n"
    assert "backup is there already" in place.refused("backup", place.path("backup"), words)


@pytest.mark.parametrize("intact", [False, True])
def test_a_lost_machine_is_restored_from_its_backup(place: Place, intact: bool) -> None:
    place.do("init", "--province", "52")
    before = place.keystore.load()
    words = f"--passphrase-file={place.folder / 'Wu'}"
    place.do("backup", place.path("backup"), words)
    assert "is there already" in place.refused("restore", place.path("backup"), words)
    place.state = place.folder / "another machine"
    more = ["--database-intact"] if intact else []
    wrong = f"--passphrase-file={place.folder / 'Li'}"
    assert "passphrase is wrong" in place.refused("restore", place.path("backup"), wrong)
    refused = place.refused("restore", place.path("backup"), words, *more)
    assert "there is no journal here" in refused
    assert not place.keystore.path.exists()
    place.do("restore", place.path("backup"), words, "--without-journal", *more)
    after = place.keystore.load()
    assert [key.material for key in after.keys] == [key.material for key in before.keys]
    cut = {key.kind for key in after.keys if key.cut_off is not None}
    assert cut == (set() if intact else set(ISSUER_KINDS))


def test_a_restore_knows_from_the_journal_what_its_backup_does_not(place: Place) -> None:
    place.do("init", "--province", "52")
    words = f"--passphrase-file={place.folder / 'Wu'}"
    place.do("backup", place.path("backup"), words)
    place.do("rotate", "token")
    place.do("rotate", "till")
    place.do("destroy", "till", "1", "--force", "destroy till 1")
    journal = place.state / "keys" / "keystore.journal"
    place.state = place.folder / "another machine"
    place.do("restore", place.path("backup"), words, "--journal", str(journal))
    keys = {(key.kind, key.version): key for key in place.keystore.load().keys}
    assert {version for kind, version in keys if kind is KeyKind.TOKEN} == {1, 3}
    assert {version for kind, version in keys if kind is KeyKind.TILL} == {3}
    assert keys[KeyKind.TILL, 3].code_key_id == 52 << 8 | 7
    place.do("restore", place.path("backup"), words, "--replace")
    again = [key.version for key in place.keystore.load().keys if key.kind is KeyKind.TILL]
    assert again == [4]


def test_a_journal_that_ends_before_the_backup_is_not_enough(place: Place) -> None:
    place.do("init", "--province", "52")
    words = f"--passphrase-file={place.folder / 'Wu'}"
    earlier = place.path("journal")
    Path(earlier).write_bytes((place.state / "keys" / "keystore.journal").read_bytes())
    place.do("rotate", "till")
    place.do("backup", place.path("backup"), words)
    place.state = place.folder / "another machine"
    again = ("restore", place.path("backup"), words, "--journal", earlier)
    assert "the journal ends before till 2 was made" in place.refused(*again)
    place.do(*again, "--without-journal")


def test_an_older_keystore_put_back_by_hand_is_noticed(place: Place) -> None:
    place.do("init", "--province", "52")
    older = place.keystore.path.read_bytes()
    place.do("cut-off", "issuer_once", "1", "--before", "now")
    assert "older file" not in place.run("check")[1]
    place.keystore.path.write_bytes(older)
    status, said = place.run("check")
    assert (status, "an older file was put there by hand" in said) == (1, True)


def test_a_restore_closes_and_cuts_off_again_what_its_backup_does_not_know(place: Place) -> None:
    place.do("init", "--province", "52")
    words = f"--passphrase-file={place.folder / 'Wu'}"
    place.do("backup", place.path("backup"), words)
    assert "in no backup" not in place.run("check")[1]
    before = {key.kind: key for key in place.keystore.load().keys}
    place.do("cut-off", "issuer_once", "1", "--before", "now")
    assert "in no backup" in place.run("check")[1]
    assert "can never be taken back" in place.refused(
        "cut-off", "issuer_once", "1", "--before", "+1d"
    )
    place.do("rotate", "till")
    at = before[KeyKind.TILL].use_from + timedelta(seconds=1)
    editor = KeystoreEditor(place.keystore)
    stolen = {"kind": "till", "version": 1, "instant": at}
    editor.note(Entry(at=at, action="close", **stolen))
    cut = next(k.cut_off for k in place.keystore.load().keys if k.kind is KeyKind.ISSUER_ONCE)
    again = ("restore", place.path("backup"), words, "--replace", "--database-intact")
    said = place.do(*again)
    assert "issuer_once 1 is cut off" in said
    assert "till 1 protects nothing from" in said
    after = {(key.kind, key.version): key for key in place.keystore.load().keys}
    assert after[KeyKind.ISSUER_ONCE, 1].cut_off == cut
    assert after[KeyKind.TILL, 1].use_until == at
    noted = len(editor.journal())
    place.do("restore", place.path("backup"), words, "--replace")
    void = next(k.cut_off for k in place.keystore.load().keys if k.kind is KeyKind.ISSUER_BOUND)
    assert {one.action for one in editor.journal()[noted:]} >= {"restore", "cut-off"}
    place.do(*again)
    bound = next(k for k in place.keystore.load().keys if k.kind is KeyKind.ISSUER_BOUND)
    assert bound.cut_off == void is not None


def test_intact_said_too_late_is_not_said_to_save_what_is_void(place: Place) -> None:
    place.do("init", "--province", "52")
    words = f"--passphrase-file={place.folder / 'Wu'}"
    place.do("backup", place.path("backup"), words)
    back = ("restore", place.path("backup"), words, "--replace")
    saved = "codes issued before stay good"
    assert saved in place.do(*back, "--database-intact")
    assert "every code issued before now is void" in place.do(*back)
    void = next(k.cut_off for k in place.keystore.load().keys if k.kind is KeyKind.ISSUER_BOUND)
    assert void is not None
    said = place.do(*back, "--database-intact")
    assert saved not in said
    told = f"by an earlier restore: issuer_bound 1 before {void:%Y-%m-%dT%H:%MZ}"
    assert f"these codes stay void, cut off by hand or {told}" in said


def test_new_custodians_of_a_root_keep_what_it_signed(place: Place) -> None:
    place.do("init", "--province", "52")
    ours = a_root(place, "root")
    place.do("pin-root", ours)
    signed(place, "root", "list-1")
    (place.folder / "Zhao").write_text("a long passphrase of Zhao")
    place.do(
        *("root", "change-custodians", "--root", place.path("root"), "--by", "Wu", "Li"),
        *("--output", place.path("moved"), "--custodian", "Zhao", "Li", "Chen", *place.words),
        f"--passphrase-file=Zhao={place.folder / 'Zhao'}",
    )
    assert ours in place.do("root", "show", "--root", place.path("moved"))
    signed(place, "moved", "list-2")
    place.do("install-trust-list", place.path("list-2"))
    served = (place.state / "keys" / "trust-list.json").read_text()
    assert read_trust_file(served).sequence == 2


def test_a_master_key_is_changed_from_the_command_line(place: Place) -> None:
    place.do("init", "--province", "52")
    before = place.keystore.master_file.read_text()
    place.do("change-master")
    assert place.keystore.master_file.read_text() != before
    assert place.keystore.load().keys


def test_the_offline_side_loads_no_database_and_no_network_library(place: Place) -> None:
    code = (
        "import sys; from service.cli import main; status = main(sys.argv[1:]);"
        "loaded = {'asyncpg', 'httpx', 'litestar', 'granian', 'uvloop'} & set(sys.modules);"
        "sys.exit(f'loaded {loaded}' if loaded else status)"
    )
    done = subprocess.run(
        [
            *(sys.executable, "-c", code, "keys", "root", "init"),
            *("--output", place.path("root"), "--custodian", *WORDS, *place.words),
        ],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
