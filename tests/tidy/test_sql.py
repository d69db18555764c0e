"""SQL is constant text, takes its times as parameters, and runs on every server we support."""

import ast
import re

import pytest

from tests.tidy.tree import parsed, python_files, shown, texts_in

STATEMENT = re.compile(
    r"^\s*(select\s|insert\s+into\s|update\s+\w+\s+set\s|delete\s+from\s|with\s+\w+\s+as\s*\("
    r"|create\s+(table|index|database|unique)\s|alter\s+(table|role)\s|drop\s+(table|database)\s)",
    re.IGNORECASE,
)
RUNNERS = {"execute", "executemany", "fetch", "fetchrow", "fetchval", "prepare", "cursor"}
FORBIDDEN = {
    r"\bnow\s*\(|\bclock_timestamp\b|\bstatement_timestamp\b|\btransaction_timestamp\b"
    r"|\bcurrent_(timestamp|date|time)\b|\blocaltime": "pass the time as a parameter",
    r"\bnextval\s*\(|\bcurrval\s*\(": "no sequences: ids are made in Python",
    r"\bpg_(try_)?advisory_lock": "no session locks: claim a row by compare-and-set",
    r"^\s*(un)?listen\s|^\s*notify\s|\bpg_notify\b": "no notifications: poll the due rows",
    r"\bskip\s+locked\b": "not across shards: claim by compare-and-set",
    r"\bmerge\s+into\b|\bgen_random_uuid\b|\brandom\s*\(": "make it in Python",
    r"\buuidv7\b|\breturning\s+(with\s*\(|old\.|new\.)": "newer than PostgreSQL 15",
    r"\boffset\s+\$?\d": "page by key, not by offset",
    r"select\s+\*": "name the columns",
}
ELSEWHERE = ("service/postgres/", "integrations/sandbox/")
"""Not our schema: the server's own catalogue, and the twins' private stores in memory."""


def built_at_run_time(text: str) -> list[str]:
    """SQL put together from pieces: f-strings, ``%``, ``format``, ``+`` with a name."""
    findings = []
    for node in ast.walk(parsed(text)):
        match node:
            case ast.JoinedStr(values=[ast.Constant(value=str(first)), *_]) if STATEMENT.match(
                first
            ):
                findings.append(f"line {node.lineno}: f-string SQL")
            case ast.BinOp(left=ast.Constant(value=str(first)), op=ast.Mod() | ast.Add()) if (
                STATEMENT.match(first)
            ):
                findings.append(f"line {node.lineno}: SQL by an operator")
            case ast.Call(
                func=ast.Attribute(value=ast.Constant(value=str(first)), attr="format")
            ) if STATEMENT.match(first):
                findings.append(f"line {node.lineno}: SQL by format")
            case ast.Call(
                func=ast.Attribute(attr=attr), args=[ast.JoinedStr() | ast.BinOp(), *_]
            ) if attr in RUNNERS:
                findings.append(f"line {node.lineno}: {attr} of a text built in place")
    return findings


def not_portable(text: str) -> list[str]:
    """SQL constants that read the server's clock or need what not every server has."""
    findings = []
    for line, value in texts_in(parsed(text)):
        if STATEMENT.match(value) or re.match(r"\s*(un)?listen |\s*notify ", value, re.IGNORECASE):
            findings += [
                f"line {line}: {instead}"
                for pattern, instead in FORBIDDEN.items()
                if re.search(pattern, value, re.IGNORECASE)
            ]
    return findings


def test_sql_in_the_project() -> None:
    findings = []
    for path in python_files("service", "integrations"):
        if not shown(path).startswith(ELSEWHERE):
            text = path.read_text(encoding="utf-8")
            found = built_at_run_time(text) + not_portable(text)
            findings += [f"{shown(path)}: {finding}" for finding in found]
    assert findings == []


@pytest.mark.parametrize(
    "sample",
    [
        'sql = f"select x from {table}"',
        'sql = "select x from t where id = %s" % key',
        'sql = "insert into t values ({})".format(key)',
        'sql = "update t set x = " + value',
        'connection.fetch(f"{QUERY} limit 5")',
        "connection.execute(QUERY + tail)",
    ],
)
def test_built_sql_is_caught(sample: str) -> None:
    assert built_at_run_time(sample)


@pytest.mark.parametrize(
    "sql",
    [
        "update t set done_at = now() where id = $1",
        "select pg_advisory_lock(1)",
        "listen events",
        "select id from t for update skip locked",
        "select * from t",
        "select id from t order by id limit 5 offset 100",
        "insert into t (id) values (nextval('s'))",
    ],
)
def test_unportable_sql_is_caught(sql: str) -> None:
    assert not_portable(f"SQL = {sql!r}")


def test_good_sql_passes() -> None:
    good = 'SQL = """\nselect id, due_at from job where due_at <= $1 order by due_at limit 20\n"""'
    assert not built_at_run_time(good)
    assert not not_portable(good)
