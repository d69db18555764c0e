"""Migrations declare each table's distribution key and use nothing that a sharded server refuses.

The grammar read here is the runner's: statements apart by ``-- ;;``, and directly above each table
``-- distribution: <key> (<column>)``.
"""

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.tidy.tree import ROOT, shown

SEPARATOR = "-- ;;"
KEYS = {
    "record", "person", "blind key", "institution", "account", "partner number", "local",
    "reference",
}  # fmt: skip
UNSHARDED = {"local", "reference"}
DISTRIBUTION = re.compile(r"-- distribution: ([a-z ]+) \(([a-z_]+)\)")
CREATE_TABLE = re.compile(r"create table (?:if not exists )?([a-z_]+)\s*\(")
FORBIDDEN = {
    r"\bcreate\s+(or\s+replace\s+)?(constraint\s+)?trigger\b": "no triggers",
    r"\bcreate\s+(or\s+replace\s+)?(function|procedure)\b|\bdo\s+\$": "no code in the database",
    r"\bcreate\s+sequence\b|\bnextval\b|\b(small|big)?serial\d?\b|\bidentity\b": "no sequences",
    r"\bexclude\s+(using\b|\()": "no exclusion constraints: a partial unique index",
    r"\bpg_(try_)?advisory_lock": "no session locks: a claim row",
    r"\bnow\s*\(|\bcurrent_(timestamp|date|time)\b|\bclock_timestamp\b": "times are parameters",
    r"\btimestamp\b(?!\s*with)": "timestamptz: an instant, not a clock's reading",
    r"\b(real|double\s+precision|float\d?|money)\b": "no inexact numbers",
    r"\b(uuidv7|virtual|not\s+enforced)\b|\bnulls\s+not\s+distinct\b": "newer than PostgreSQL 15",
    r"\bgenerated\b": "computed in Python, where it is tested",
}


class Table(NamedTuple):
    """One table as a migration made it."""

    key: str
    column: str


def bare(statement: str) -> str:
    """A statement without comments and without the contents of quoted texts."""
    return re.sub(r"'[^']*'", "''", re.sub(r"--[^\n]*", "", statement)).strip().lower()


def read_tables(script: str) -> tuple[dict[str, Table], list[str]]:
    """The tables of a script with their keys, and what is wrong in declaring them."""
    tables: dict[str, Table] = {}
    findings = []
    for statement in script.split(SEPARATOR):
        made = CREATE_TABLE.match(bare(statement))
        if not made:
            continue
        above = statement.lower().partition("create table")[0].strip().splitlines()
        declared = DISTRIBUTION.fullmatch(above[-1].strip()) if above else None
        if declared is None:
            findings.append(f"{made[1]}: no '-- distribution: key (column)' directly above")
        elif declared[1] not in KEYS:
            findings.append(f"{made[1]}: '{declared[1]}' is not one of {sorted(KEYS)}")
        else:
            tables[made[1]] = Table(declared[1], declared[2])
            if not re.search(rf"[(,]\s*{declared[2]}\s", bare(statement)):
                findings.append(f"{made[1]}: has no column {declared[2]}")
    return tables, findings


def keyless(script: str, tables: dict[str, Table]) -> list[str]:
    """Primary keys, unique rules and foreign keys that leave out the distribution column."""
    findings = []
    for statement in script.split(SEPARATOR):
        sql = bare(statement)
        made = CREATE_TABLE.match(sql)
        index = re.match(
            r"create unique index (?:concurrently )?(?:if not exists )?\w+ on (\w+)\s*\(([^)]*)\)",
            sql,
        )
        altered = re.match(r"alter table (?:only )?(\w+)", sql)
        subject = made or index or altered
        name = subject[1] if subject else ""
        table = tables.get(name)
        if table is None or table.key in UNSHARDED:
            continue
        rules = [index[2]] if index else _column_lists(sql, name, tables)
        findings += [
            f"{name}: ({rule}) leaves out {table.column}"
            for rule in rules
            if table.column not in re.findall(r"\w+", rule)
        ]
    return findings


def _column_lists(sql: str, name: str, tables: dict[str, Table]) -> list[str]:
    """The column lists of keys declared in a table; a key on one column alone is that column."""
    found = [m[2] for m in re.finditer(r"(primary key|unique)\s*\(([^)]*)\)", sql)]
    for line in sql.splitlines():
        alone = re.match(r"\s*(\w+)\s+[^(]*\b(primary key|unique)\b(?!\s*\()", line)
        if alone and alone[1] != "constraint":
            found.append(alone[1])
    for foreign in re.finditer(r"foreign key\s*\(([^)]*)\)\s*references\s+(\w+)", sql):
        target = tables.get(foreign[2])
        if target is None or target.key != "reference":
            found.append(foreign[1])
    for line in sql.splitlines():
        inline = re.match(r"\s*(\w+)\s.*\breferences\s+(\w+)", line)
        if inline and "foreign key" not in line:
            target = tables.get(inline[2])
            if target is None or target.key != "reference":
                found.append(inline[1])
    return found


def forbidden(script: str) -> list[str]:
    """Statements a sharded server refuses, or that hide rules in the database."""
    return [
        f"{instead}: {statement.splitlines()[0][:60]}"
        for statement in map(bare, script.split(SEPARATOR))
        for pattern, instead in FORBIDDEN.items()
        if re.search(pattern, statement)
    ]


def test_migrations_of_the_project() -> None:
    scripts = sorted((ROOT / "service" / "migrations").glob("*.sql"))
    tables: dict[str, Table] = {}
    findings = []
    for path in scripts:
        script = path.read_text(encoding="utf-8")
        made, wrong = read_tables(script)
        tables |= made
        wrong += keyless(script, tables) + forbidden(script)
        if not script.startswith("--"):
            wrong.append("no comment at the top that says why")
        findings += [f"{shown(path)}: {finding}" for finding in wrong]
    assert findings == []


def test_numbers_have_no_gap() -> None:
    names = sorted(path.name for path in Path(ROOT / "service" / "migrations").glob("*.sql"))
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))


GOOD = """-- Why.
-- distribution: record (record_id)
create table bill (
  record_id bigint not null,
  bill_id bigint not null,
  constraint bill_pk primary key (record_id, bill_id)
)
-- ;;
create unique index bill_open on bill (record_id, bill_id) where bill_id > 0
"""


def all_findings(script: str) -> list[str]:
    """What the three rules say about one script."""
    tables, wrong = read_tables(script)
    return wrong + keyless(script, tables) + forbidden(script)


def test_good_migration_passes() -> None:
    assert all_findings(GOOD) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("-- distribution: record (record_id)\n", ""),
        ("distribution: record", "distribution: hospital"),
        ("(record_id)\n", "(person_id)\n"),
        ("primary key (record_id, bill_id)", "primary key (bill_id)"),
        ("bill_id bigint not null,", "bill_id bigint not null unique,"),
        ("bill_id bigint not null,", "bill_id bigint generated always as identity,"),
        ("bill_id bigint not null,", "bill_id bigserial not null,"),
        ("bill_id bigint not null,", "bill_id bigint, made_at timestamptz default now(),"),
        ("bill_id bigint not null,", "bill_id bigint, made_at timestamp not null,"),
        ("bill_id bigint not null,", "bill_id bigint, price double precision,"),
        ("primary key (record_id, bill_id)", "exclude using gist (bill_id with =)"),
        ("on bill (record_id, bill_id)", "on bill (bill_id)"),
        (
            "primary key (record_id, bill_id)",
            "primary key (record_id, bill_id), foreign key (bill_id) references other (bill_id)",
        ),
        ("create unique index", "create trigger t before update on bill;\ncreate unique index"),
    ],
)
def test_bad_migrations_are_caught(old: str, new: str) -> None:
    assert old in GOOD
    assert all_findings(GOOD.replace(old, new))


def test_foreign_key_to_a_reference_table_needs_no_record() -> None:
    hospital = """
-- ;;
-- distribution: reference (institution_id)
create table institution (
  institution_id bigint not null,
  constraint institution_pk primary key (institution_id)
)
-- ;;
alter table bill add constraint x foreign key (institution_id)
  references institution (institution_id)
"""
    assert all_findings(GOOD + hospital) == []
