"""Who runs the server and what that user reaches, by permission bits alone."""

import os
from pathlib import Path

import pytest

from service.postgres import reach
from service.postgres.binaries import find_binaries
from service.postgres.failures import PostgresUnavailable
from service.postgres.reach import ServerUser

STRANGER = ServerUser(uid=4_000_001, gid=4_000_001, switch=True)


@pytest.mark.parametrize(
    ("mode", "wanted", "allowed"),
    [(0o755, 1, True), (0o754, 4, True), (0o750, 1, False), (0o701, 4, False), (0o705, 5, True)],
)
def test_a_stranger_is_judged_by_the_last_three_bits(
    tmp_path: Path, mode: int, wanted: int, allowed: bool
) -> None:
    tmp_path.chmod(mode)
    assert reach.may(tmp_path, STRANGER, wanted) is allowed


def test_the_owner_is_judged_by_the_first_three_bits(tmp_path: Path) -> None:
    tmp_path.chmod(0o077)
    found = tmp_path.stat()
    owner = ServerUser(uid=found.st_uid or 1, gid=found.st_gid, switch=False)
    if found.st_uid == 0:
        os.chown(tmp_path, 1, found.st_gid)
    assert reach.may(tmp_path, owner, 1) is False


def test_one_closed_folder_above_closes_everything_below(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    for step in (tmp_path, tmp_path / "a"):
        step.chmod(0o755)
    (tmp_path / "a").chmod(0o700)
    assert not reach.can_traverse(inner, STRANGER)


def test_ordinary_user_runs_it_under_his_own_name(tmp_path: Path) -> None:
    user = reach.server_user(tmp_path / "postgres", 1234)
    assert (user.uid, user.switch) == (1234, False)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give folders away")
def test_root_takes_the_owner_of_the_place_else_nobody(tmp_path: Path) -> None:
    assert reach.server_user(tmp_path / "postgres", 0).uid != 0
    os.chown(tmp_path, 1, 1)
    assert reach.server_user(tmp_path / "new" / "postgres", 0).uid == 1


def test_no_server_anywhere_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(PostgresUnavailable, match="YIMATONG_DATABASE_URL"):
        find_binaries(["path"], search_path=str(tmp_path))


def test_broken_programs_are_passed_over(tmp_path: Path) -> None:
    for name in ("pg_ctl", "postgres", "initdb"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    with pytest.raises(PostgresUnavailable):
        find_binaries(["path"], search_path=str(tmp_path))
