"""The guards that stand in the schema and in the stores, found by reading them.

A guard is a unique key, an insert that gives way to a row that is there, or an update that asks for
more than its row's primary key.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.tidy.tree import ROOT, parsed, python_files

FEATURES = (
    "bill",
    "casework",
    "console",
    "credential",
    "institution",
    "ledger",
    "notice",
    "payment",
    "receipt",
    "reconcile",
    "settlement",
    "shift",
)
"""Where money, insurance, invoices, bills, stays, links, asks and events out are kept, and who asks
for them or decides. Codes, accounts and the index have tests of their own."""
KERNEL = ("outbox", "idempotency")

_TABLE = re.compile(r"create table (?P<table>\w+) \((?P<body>.*?)\n\)", re.DOTALL)
_PRIMARY = re.compile(r"primary key \((?P<columns>[^)]*)\)")
_UNIQUE = re.compile(
    r"create unique index (?P<index>\w+) on (?P<table>\w+)"
    r"|constraint (?P<constraint>\w+) unique"
    r"|drop index (?P<dropped>\w+)"
)
_INSERT = re.compile(r"insert into (?P<table>\w+)")
_UPDATE = re.compile(r"update (?P<table>\w+)\s+set .*?\bwhere (?P<where>.*)", re.DOTALL)


def unique_keys(migrations: list[str], tables: set[str]) -> set[str]:
    """Names of the unique indexes on ``tables`` that stand after all migrations."""
    found: set[str] = set()
    for text in migrations:
        for match in _UNIQUE.finditer(text):
            if match["dropped"]:
                found.discard(match["dropped"])
            elif match["index"] and match["table"] in tables:
                found.add(match["index"])
    return found


def primary_keys(migrations: list[str]) -> dict[str, set[str]]:
    """The columns of each table's primary key."""
    keys: dict[str, set[str]] = {}
    for text in migrations:
        for table in _TABLE.finditer(text):
            if (primary := _PRIMARY.search(table["body"])) is not None:
                keys[table["table"]] = set(re.split(r",\s*", primary["columns"]))
    return keys


def statements(stores: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Name and SQL of every statement; ``stores`` are names of modules with their texts."""
    for module, text in stores:
        for node in parsed(text).body:
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=str(sql))):
                    yield f"{module}.{name}", sql


def is_guarded(sql: str, keys: dict[str, set[str]]) -> bool:
    """Whether a statement writes only where a row is as it should be."""
    if (update := _UPDATE.search(sql)) is not None:
        asked = set(re.findall(r"\b(\w+)\s*(?:=|<>|<=?|>=?|is\b|not like|in\b)", update["where"]))
        return bool(asked - keys.get(update["table"], set()))
    return "on conflict" in sql and "insert into" in sql


def tables_of(found: Iterator[tuple[str, str]]) -> set[str]:
    """The tables that rows are inserted into."""
    return {match["table"] for _, sql in found for match in _INSERT.finditer(sql)}


def read_migrations() -> list[str]:
    """All migrations, in order."""
    paths = sorted((ROOT / "service/migrations").glob("*.sql"))
    return [path.read_text(encoding="utf-8") for path in paths]


def read_stores() -> list[tuple[str, str]]:
    """Stores of the features, and the kernel's; moving rows to newer keys has tests of its own."""
    paths = [
        path
        for feature in FEATURES
        for path in python_files(f"service/{feature}")
        if path.name.startswith("store") and path.name != "store_rekeying.py"
    ]
    paths += [ROOT / f"service/kernel/{name}.py" for name in KERNEL]
    return [(_name(path), path.read_text(encoding="utf-8")) for path in paths]


def all_guards() -> set[str]:
    """Every guard by its name: an index's, or a statement's module and name."""
    migrations, stores = read_migrations(), read_stores()
    keys = primary_keys(migrations)
    guarded = {name for name, sql in statements(stores) if is_guarded(sql, keys)}
    return guarded | unique_keys(migrations, tables_of(statements(stores)))


def _name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT / "service").with_suffix("").parts)
