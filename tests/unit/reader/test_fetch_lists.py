"""Fetching lists from a server, honest, hostile or away: what is held only gets newer."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from crypto.certificates import (
    Certificate,
    CrlOrder,
    Order,
    Profile,
    Revoked,
    issue_crl,
    issue_root,
    make_name,
    new_serial,
)
from crypto.healthcode.revocation import ListScope, RevocationList
from crypto.healthcode.trust import sign_trust_list
from crypto.healthcode.trustfile import split_trust_file, write_trust_file
from crypto.sm2 import PrivateKey
from service.fetch_lists.fetching import CHAIN_MAX, REVOKED_LATE_BY, Outcome, Told
from service.fetch_lists.verb import Wanted, fetch_lists, status_of
from service.kernel.clock import SystemClock
from service.reader.lists import open_files
from tests.support.list_server import ListServer, a_list_server
from tests.support.reader_world import ReaderWorld

WORLD = ReaderWorld(SystemClock().now().replace(microsecond=0))
NOW = WORLD.now
TRUST, BOUND, PRINTED = (
    "/v1/lists/trust",
    "/v1/lists/revoked/bound/0",
    "/v1/lists/revoked/printed/0",
)
ROOT = Path(__file__).resolve().parents[3]
NEW, UNCHANGED = Outcome.NEW, Outcome.UNCHANGED
REFUSED, UNREACHABLE, STALE = Outcome.REFUSED, Outcome.UNREACHABLE, Outcome.STALE


@pytest.fixture
def server() -> Iterator[ListServer]:
    with a_list_server() as opened:
        yield opened


def trust_file(world: ReaderWorld, sequence: int = 1, root: PrivateKey | None = None) -> bytes:
    root = root or world.root
    blob = sign_trust_list(world.trust(sequence), root)
    return write_trust_file(blob, [root.public]).encode()


def serve(server: ListServer, revoked: RevocationList, sequence: int = 1) -> None:
    """An honest platform with one list of each scope."""
    server.serve(TRUST, trust_file(WORLD, sequence), f'"{sequence}"')
    server.serve(BOUND, WORLD.signed(revoked), f'"b{revoked.sequence}"')
    printed = WORLD.revoked(1, [], revoked.made_at, scope=ListScope.PRINTED)
    server.serve(PRINTED, WORLD.signed(printed))


def run(
    server: ListServer, folder: Path, at: datetime = NOW, **more: object
) -> dict[str, tuple[Outcome, str]]:
    roots = [WORLD.root.public.compressed().hex()]
    wanted = Wanted(**{"source": server.address, "folder": folder, "roots": roots, **more})  # type: ignore[arg-type]
    return {one.name: (one.outcome, one.said) for one in fetch_lists(wanted, at)}


def held(folder: Path) -> dict[int, int]:
    """What a reader of this folder judges by: scope to sequence, 0 for the trust list."""
    lists = open_files(folder / "trust.json", sorted((folder / "revoked").iterdir()), NOW)
    found = {int(one.scope): one.sequence for one in lists.revoked.lists}
    return {0: lists.trust.sequence, **found}


def test_new_then_unchanged_then_a_delta(server: ListServer, tmp_path: Path) -> None:
    folder = tmp_path / "front"
    first = WORLD.revoked(5, [bytes(16)])
    serve(server, first)
    assert {outcome for outcome, _ in run(server, folder).values()} == {NEW}
    assert held(folder) == {0: 1, 1: 5, 2: 1}
    files = {path.name: path.read_bytes() for path in (folder / "revoked").iterdir()}
    assert {outcome for outcome, _ in run(server, folder).values()} == {UNCHANGED}
    second = WORLD.revoked(8, [bytes(16), b"\1" * 16])
    server.serve(BOUND, WORLD.signed(second, since=first), '"b8"')
    server.asked.clear()
    told = run(server, folder)
    assert told["revoked bound 0"] == (NEW, "sequence 8")
    assert f"{BOUND}?since=5" in server.asked
    assert held(folder)[1] == 8
    assert files.items() <= {p.name: p.read_bytes() for p in (folder / "revoked").iterdir()}.items()


@pytest.mark.parametrize("etag", ["", '"b5"'])
def test_a_list_that_stays_the_same_too_long_is_stale(
    server: ListServer, tmp_path: Path, etag: str
) -> None:
    """Whoever withholds newer lists answers as an honest platform would that has none."""
    serve(server, WORLD.revoked(5, []))
    server.serve(BOUND, WORLD.signed(WORLD.revoked(5, [])), etag)
    run(server, tmp_path)
    good_until = WORLD.revoked(5, []).next_at + REVOKED_LATE_BY
    last = run(server, tmp_path, good_until - timedelta(seconds=1))
    assert last["revoked bound 0"] == (UNCHANGED, "sequence 5")
    told = run(server, tmp_path, good_until)
    assert told["trust"][0] is UNCHANGED
    outcome, said = told["revoked bound 0"]
    assert outcome is told["revoked printed 0"][0] is STALE
    assert said == (
        f"sequence 5; no newer one is there, and it was good until {good_until:%Y-%m-%d %H:%M} UTC"
    )


def test_a_trust_list_past_its_next_date_is_stale(server: ListServer, tmp_path: Path) -> None:
    serve(server, WORLD.revoked(5, []))
    run(server, tmp_path)
    next_at = WORLD.trust().next_at
    assert run(server, tmp_path, next_at - timedelta(seconds=1))["trust"][0] is UNCHANGED
    for late in (timedelta(0), timedelta(days=6), timedelta(days=400)):
        outcome, said = run(server, tmp_path, next_at + late)["trust"]
        assert outcome is STALE
        assert "no newer one is there" in said


def test_an_old_list_that_is_new_here_is_taken_and_stale(
    server: ListServer, tmp_path: Path
) -> None:
    """Lists handed out late, each newer than the last."""
    serve(server, WORLD.revoked(5, []))
    run(server, tmp_path)
    server.serve(BOUND, WORLD.signed(WORLD.revoked(6, [bytes(16)])))
    assert run(server, tmp_path, NOW + timedelta(days=20))["revoked bound 0"][0] is STALE
    assert held(tmp_path)[1] == 6


def test_the_full_list_is_taken_once_a_day(server: ListServer, tmp_path: Path) -> None:
    first = WORLD.revoked(5, [bytes(16)])
    serve(server, first)
    run(server, tmp_path)
    for hours, since, files in ((23, "?since=5", 2), (24, "", 1)):
        at = NOW + timedelta(hours=hours)
        newer = WORLD.revoked(5 + hours, [bytes([hours]) * 16], at)
        server.serve(BOUND, WORLD.signed(newer, since=first if since else None))
        server.asked.clear()
        told = run(server, tmp_path, at)
        assert told["revoked bound 0"] == (NEW, f"sequence {5 + hours}")
        assert [one for one in server.asked if BOUND in one] == [BOUND + since]
        assert len(list((tmp_path / "revoked").glob("fetched-1-*"))) == files


def test_everything_is_its_owners_alone(server: ListServer, tmp_path: Path) -> None:
    folder = tmp_path / "front"
    before = os.umask(0)
    try:
        serve(server, WORLD.revoked(5, []))
        run(server, folder)
    finally:
        os.umask(before)
    for path in [folder, *folder.rglob("*")]:
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path


def test_a_long_chain_of_deltas_is_replaced_by_the_full_list(
    server: ListServer, tmp_path: Path
) -> None:
    lists = [WORLD.revoked(1, [])]
    serve(server, lists[0])
    run(server, tmp_path)
    for at in range(2, CHAIN_MAX + 2):
        lists.append(WORLD.revoked(at, [bytes([one]) * 16 for one in range(at)]))
        server.serve(BOUND, WORLD.signed(lists[-1], since=lists[-2]))
        assert run(server, tmp_path)["revoked bound 0"][0] is NEW
    names = list((tmp_path / "revoked").glob("fetched-1-*"))
    assert len(names) == CHAIN_MAX + 1
    last = WORLD.revoked(CHAIN_MAX + 2, [])
    server.serve(BOUND, WORLD.signed(last))
    server.asked.clear()
    assert run(server, tmp_path)["revoked bound 0"][0] is NEW
    assert BOUND in server.asked
    assert len(list((tmp_path / "revoked").glob("fetched-1-*"))) == 1
    assert held(tmp_path)[1] == CHAIN_MAX + 2


def test_an_older_list_is_refused_and_the_held_one_stays(
    server: ListServer, tmp_path: Path
) -> None:
    serve(server, WORLD.revoked(5, []), sequence=3)
    run(server, tmp_path)
    serve(server, WORLD.revoked(4, []), sequence=2)
    told = run(server, tmp_path)
    assert told["trust"] == (REFUSED, "LIST_ROLLED_BACK")
    assert told["revoked bound 0"] == (REFUSED, "LIST_ROLLED_BACK")
    assert held(tmp_path) == {0: 3, 1: 5, 2: 1}


def test_what_the_reader_has_taken_counts_even_when_the_files_are_gone(
    server: ListServer, tmp_path: Path
) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "newest.json").write_text('{"trust": 2, "revoked": {"1-0": 9}}')
    serve(server, WORLD.revoked(8, []))
    assert run(server, tmp_path)["trust"] == (REFUSED, "LIST_ROLLED_BACK")
    serve(server, WORLD.revoked(8, []), sequence=2)
    told = run(server, tmp_path)
    assert told["trust"][0] is NEW
    assert told["revoked bound 0"] == (REFUSED, "LIST_ROLLED_BACK")


def test_another_root_is_refused_whatever_the_file_says(server: ListServer, tmp_path: Path) -> None:
    serve(server, WORLD.revoked(5, []))
    run(server, tmp_path)
    server.serve(TRUST, trust_file(WORLD, 2, root=PrivateKey.generate()))
    assert run(server, tmp_path, roots=[])["trust"] == (REFUSED, "LIST_SIGNATURE")
    assert held(tmp_path)[0] == 1


def test_a_root_that_is_only_named_is_never_pinned(server: ListServer, tmp_path: Path) -> None:
    serve(server, WORLD.revoked(5, []))
    blob = sign_trust_list(WORLD.trust(2), WORLD.root)
    other = PrivateKey.generate().public
    server.serve(TRUST, write_trust_file(blob, [WORLD.root.public, other]).encode())
    outcome, said = run(server, tmp_path)["trust"]
    assert outcome is NEW
    assert "by hand" in said
    written, _ = split_trust_file((tmp_path / "trust.json").read_text())
    assert [root.compressed() for root in written] == [WORLD.root.public.compressed()]


def test_an_endless_body_is_refused(server: ListServer, tmp_path: Path) -> None:
    serve(server, WORLD.revoked(5, []))
    run(server, tmp_path)
    server.endless(TRUST)
    server.endless(BOUND)
    told = run(server, tmp_path)
    assert told["trust"] == (REFUSED, "LIST_TOO_LONG")
    assert told["revoked bound 0"] == (REFUSED, "LIST_TOO_LONG")
    assert held(tmp_path) == {0: 1, 1: 5, 2: 1}


def test_a_dripping_body_ends_in_time(server: ListServer, tmp_path: Path) -> None:
    serve(server, WORLD.revoked(5, []))
    server.dripping(PRINTED, for_s=20)
    assert run(server, tmp_path, within_s=1.0)["revoked printed 0"] == (
        UNREACHABLE,
        "not there within 1 s",
    )
    assert held(tmp_path) == {0: 1, 1: 5}


def test_a_truncated_delta_leads_to_the_full_list_or_to_nothing(
    server: ListServer, tmp_path: Path
) -> None:
    first, second = WORLD.revoked(5, []), WORLD.revoked(6, [bytes(16)])
    serve(server, first)
    run(server, tmp_path)
    delta = WORLD.signed(second, since=first)
    server.serve(BOUND, delta[: len(delta) // 2])
    server.asked.clear()
    outcome, _ = run(server, tmp_path)["revoked bound 0"]
    assert outcome is REFUSED
    assert [one for one in server.asked if BOUND in one] == [f"{BOUND}?since=5", BOUND]
    server.cut(BOUND, delta)
    assert run(server, tmp_path)["revoked bound 0"] == (UNREACHABLE, "RemoteProtocolError")
    assert held(tmp_path)[1] == 5
    server.serve(BOUND, WORLD.signed(second))
    assert run(server, tmp_path)["revoked bound 0"] == (NEW, "sequence 6")


def test_a_list_of_another_place_or_key_is_refused(server: ListServer, tmp_path: Path) -> None:
    serve(server, WORLD.revoked(5, []))
    server.serve(PRINTED, WORLD.signed(WORLD.revoked(7, [])))
    assert run(server, tmp_path)["revoked printed 0"] == (REFUSED, "OTHER_LIST")
    server.serve(BOUND, ReaderWorld().signed(WORLD.revoked(9, [])))
    assert run(server, tmp_path)["revoked bound 0"][0] is REFUSED
    assert held(tmp_path) == {0: 1, 1: 5}


def test_answers_that_are_no_lists_are_not_followed(server: ListServer, tmp_path: Path) -> None:
    server.elsewhere(TRUST, "http://127.0.0.1:1/")
    assert run(server, tmp_path) == {"trust": (UNREACHABLE, "HTTP 302")}
    server.serve(TRUST, b'{"form": "\xff"}')
    assert run(server, tmp_path) == {"trust": (REFUSED, "LIST_MALFORMED")}
    assert not (tmp_path / "trust.json").exists()


def test_an_interrupted_run_goes_on_where_it_was(server: ListServer, tmp_path: Path) -> None:
    serve(server, WORLD.revoked(5, []))
    del server.answers[BOUND]
    told = run(server, tmp_path)
    assert (told["trust"][0], told["revoked bound 0"]) == (NEW, (UNREACHABLE, "HTTP 404"))
    (tmp_path / "fetching" / "fetched-1-0-0000000005.new").write_bytes(b"half")
    serve(server, WORLD.revoked(5, []))
    told = run(server, tmp_path)
    assert (told["trust"][0], told["revoked bound 0"][0]) == (UNCHANGED, NEW)


def an_authority(key: PrivateKey) -> Certificate:
    order = Order(
        subject=make_name("测试机构"),
        public=key.public,
        profile=Profile.ROOT,
        serial=new_serial(),
        not_before=NOW - timedelta(days=1),
        not_after=NOW + timedelta(days=365),
    )
    return issue_root(order, key)


def test_revoked_certificates_by_a_pinned_authority(server: ListServer, tmp_path: Path) -> None:
    key, stranger = PrivateKey.generate(), PrivateKey.generate()
    serve(server, WORLD.revoked(5, []))
    anchors = tmp_path / "roots.pem"
    made = an_authority(key)
    anchors.write_text(made.pem())

    def crl(number: int, signer: PrivateKey = key) -> bytes:
        issuer = made if signer is key else an_authority(signer)
        order = CrlOrder(
            number=number,
            made_at=NOW,
            next_at=NOW + timedelta(days=7),
            revoked=[Revoked(7, NOW)],
        )
        return issue_crl(order, issuer, signer).encoded

    path, folder = "/v1/lists/certificates.crl", tmp_path / "front"
    for content, expected in (
        (crl(3), (NEW, "number 3")),
        (crl(2), (REFUSED, "CRL_ROLLED_BACK")),
        (crl(4, stranger), (REFUSED, "CRL_SIGNATURE")),
        (crl(4)[:-9], (REFUSED, "CRL_MALFORMED")),
        (crl(4), (NEW, "number 4")),
    ):
        server.serve(path, content)
        assert run(server, folder, certificate_roots=anchors)["certificates"] == expected
    server.serve(path, (folder / "certificates.crl").read_bytes(), '"4"')
    for days, outcome in ((0, UNCHANGED), (6, UNCHANGED), (7, STALE)):
        at = NOW + timedelta(days=days)
        told = run(server, folder, at, certificate_roots=anchors)["certificates"]
        assert told[0] is outcome
    assert (folder / "certificates.crl").read_bytes()[:1] == b"\x30"


def command(server: ListServer, folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    verb = [sys.executable, "-m", "service", "code", "fetch-lists", "--from", server.address]
    return subprocess.run(
        [*verb, "--into", str(folder), *more], capture_output=True, text=True, check=False, cwd=ROOT
    )


def test_the_command_ends_with_what_became_of_it(server: ListServer, tmp_path: Path) -> None:
    nothing = command(server, tmp_path)
    assert (nothing.returncode, "--root" in nothing.stderr) == (2, True)
    (tmp_path / "trust.json").write_bytes(trust_file(WORLD))
    # The command looks at the machine's clock, and a list is old after ten minutes.
    serve(server, WORLD.revoked(5, [], SystemClock().now().replace(microsecond=0)))
    fresh = command(server, tmp_path)
    assert (fresh.returncode, fresh.stderr) == (0, "")
    assert "revoked bound 0: new, sequence 5\n" in fresh.stdout
    assert command(server, tmp_path).returncode == 3
    server.serve(TRUST, trust_file(WORLD, 2, root=PrivateKey.generate()))
    refused = command(server, tmp_path)
    assert (refused.returncode, refused.stderr) == (4, "trust: refused, LIST_SIGNATURE\n")
    server.answers.clear()
    assert command(server, tmp_path).returncode == 5
    for wrong in (("--from", "ftp://x"), ("--from", "http://x:port"), ("--class", "256")):
        said = command(server, tmp_path, *wrong)
        assert (said.returncode, "Traceback" in said.stderr) == (2, False)


def test_the_exit_status_is_that_of_the_worst() -> None:
    def status(*outcomes: Outcome) -> int:
        return status_of([Told(name="", outcome=one, said="") for one in outcomes])

    assert status() == status(UNCHANGED, UNCHANGED) == 3
    assert status(UNCHANGED, NEW) == 0
    assert status(NEW, STALE, UNCHANGED) == 6
    assert status(STALE, UNREACHABLE, NEW) == 5
    assert status(STALE, UNREACHABLE, REFUSED) == 4
    assert not STALE.is_good
