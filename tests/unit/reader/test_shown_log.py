"""The shown log: chained, safe against torn lines, handed in whole and in order."""

from datetime import datetime
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from crypto.healthcode.shown_log import FIRST_HEAD, next_head, shown_entry
from service.reader.log_lines import ShownLine, log_files
from service.reader.shown_log import BATCH_MAX, KEPT_S, HandIn, ShownLog


def a_line(number: int, scanned: int = 1_000_000) -> ShownLine:
    return ShownLine(text=f"YM1:{number:06}", scanned=scanned, purpose=0, reader="desk")


def opened(folder: Path, **options: int) -> tuple[ShownLog, list[ShownLine]]:
    log, told = ShownLog(folder, **options), []
    log.open(told.append)
    return log, told


def filled(folder: Path, count: int, **options: int) -> ShownLog:
    log, _ = opened(folder, **options)
    for number in range(count):
        log.append([a_line(number)])
    return log


def recomputed(bodies: list[HandIn]) -> str:
    """The head at the end, from what the platform would see alone."""
    head = FIRST_HEAD
    for body in bodies:
        assert body.previous == head.hex()
        for entry in body.entries:
            scanned = int(msgspec.convert(entry.scanned_at, type=datetime).timestamp())
            head = next_head(head, shown_entry(text=entry.text, scanned=scanned, purpose=0))
    return head.hex()


def test_what_was_appended_is_told_after_a_restart(tmp_path: Path) -> None:
    filled(tmp_path, 5).close()
    log, told = opened(tmp_path)
    assert [line.text for line in told] == [f"YM1:{number:06}" for number in range(5)]
    assert log.count == 5


def test_without_closing_nothing_is_lost_but_a_torn_line(tmp_path: Path) -> None:
    filled(tmp_path, 3)
    path = log_files(tmp_path)[0]
    whole = path.stat().st_size
    for torn in (b"{", b'{"head":"00","text":"YM1:A"', b"\0" * 100):
        with path.open("ab") as file:
            file.write(torn)
        log, told = ShownLog(tmp_path), []
        damage = log.open(told.append)
        assert (damage.torn_bytes, damage.set_aside, len(told)) == (len(torn), 0, 3)
        assert path.stat().st_size == whole
        log.close()


def test_a_changed_entry_sets_the_log_aside_and_begins_a_new_one(tmp_path: Path) -> None:
    log = filled(tmp_path, 4)
    named = next(iter(log.hand_ins())).log
    log.close()
    path = log_files(tmp_path)[0]
    path.write_bytes(path.read_bytes().replace(b"YM1:000002", b"YM1:000009"))
    after, told = ShownLog(tmp_path), []
    damage = after.open(told.append)
    assert (damage.set_aside, len(told), after.count) == (1, 2, 0)
    assert list(tmp_path.glob("damaged-*"))
    after.append([a_line(1)])
    assert next(iter(after.hand_ins())).log != named


def test_a_removed_entry_is_seen(tmp_path: Path) -> None:
    filled(tmp_path, 4).close()
    path = log_files(tmp_path)[0]
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:2] + lines[3:]))
    assert ShownLog(tmp_path).open(lambda _line: None).set_aside == 1


def test_it_is_handed_in_whole_and_in_order(tmp_path: Path) -> None:
    log = filled(tmp_path, 2 * BATCH_MAX + 7, file_max=20_000)
    assert len(log_files(tmp_path)) > 2
    bodies = list(log.hand_ins())
    firsts = [(body.first, len(body.entries)) for body in bodies]
    assert sum(count for _, count in firsts) == log.count
    assert all(at + count == following for (at, count), (following, _) in pairwise(firsts))
    last = list(log_files(tmp_path)[-1].read_bytes().splitlines())[-1]
    heads = msgspec.json.decode(last)
    assert recomputed(bodies) == heads.get("head", heads.get("previous"))


def test_what_was_confirmed_is_not_handed_in_again(tmp_path: Path) -> None:
    log = filled(tmp_path, 10)
    log.confirm(7, 1_000_000)
    log.close()
    after, _ = opened(tmp_path)
    (body,) = after.hand_ins()
    assert (body.first, len(body.entries), body.entries[0].text) == (7, 3, "YM1:000007")
    after.append([a_line(10)])
    after.confirm(11, 1_000_000)
    assert list(after.hand_ins()) == []
    with pytest.raises(ValueError, match="does not have"):
        after.confirm(12, 1_000_000)
    with pytest.raises(ValueError, match="does not have"):
        after.confirm(10, 1_000_000)


def test_files_go_when_confirmed_and_expired_and_not_before(tmp_path: Path) -> None:
    log = filled(tmp_path, 300, file_max=20_000)
    many = len(log_files(tmp_path))
    log.confirm(300, 1_000_000 + KEPT_S - 1)
    assert len(log_files(tmp_path)) == many
    log.confirm(300, 1_000_000 + KEPT_S + 1)
    assert len(log_files(tmp_path)) == 1
    log.close()
    after, told = opened(tmp_path)
    assert after.count == 300
    assert len(told) < 300
    after.append([a_line(300)])
    (body,) = after.hand_ins()
    assert body.first == 300


def test_a_full_disk_accepts_nothing(tmp_path: Path) -> None:
    log, _ = opened(tmp_path)
    log.close()
    with pytest.raises(OSError, match="not open"):
        log.append([a_line(1)])
    assert log.count == 0
