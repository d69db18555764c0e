"""No table that holds something under a ring key is forgotten by re-keying."""

import ast
import re

import asyncpg
import msgspec

from crypto.keyring import KeyKind
from service import features
from tests.tidy.tree import parsed, python_files


def registered(kind: KeyKind) -> set[str]:
    return {rows.table for rows in features.KEYED_ROWS if rows.kind is kind}


async def test_every_table_with_a_mac_is_re_keyed(fresh_database: str) -> None:
    conn = await asyncpg.connect(fresh_database)
    try:
        found = await conn.fetch(
            "select table_name from information_schema.columns"
            " where column_name = 'row_mac' and table_schema = 'public'"
        )
    finally:
        await conn.close()
    tables = {row["table_name"] for row in found}
    assert tables == registered(KeyKind.ROW_MAC)


def test_every_envelope_with_a_key_of_its_own_is_re_keyed() -> None:
    sealed = {
        node.args[0].value
        for path in python_files("service")
        for node in ast.walk(parsed(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "seal_local"
        and isinstance(node.args[0], ast.Constant)
    }
    assert sealed
    assert sealed | {"data_key"} == registered(KeyKind.COLUMN)


def test_every_page_reads_every_column_that_a_row_has() -> None:
    """A column left out would take its default, and the row's MAC would seem wrong."""
    for rows in features.KEYED_ROWS:
        listed = re.match(r"\s*select (.*?)\sfrom ", rows.page, re.DOTALL)
        assert listed is not None
        read = {name.strip() for name in listed[1].split(",")}
        wanted = {field.name for field in msgspec.structs.fields(rows.row)}
        assert read == wanted, rows.table


def test_a_place_in_a_table_is_written_and_read_back() -> None:
    for rows in features.KEYED_ROWS:
        assert rows.read_place(rows.write_place(rows.first())) == rows.first()
