"""Judges of statements: a bill's text through our reader of that provider's layout."""

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

from integrations.ports.money import parse_yuan_text
from integrations.wechatpay import statements
from service.conformance.verdict import Case, CaseJudge, Judgement


def judge_wechat_bill(case: Case) -> Judgement:
    """Rows and summary by header name; ``_cents`` means integer fen; a given hash is checked."""
    sha1 = next((str(v) for k, v in case.items() if "sha1" in k or k == "hash_value"), None)
    try:
        if "gzip_base64" in case:
            content = base64.b64decode(case["gzip_base64"])
            text = statements.open_statement(content, zipped=True, sha1_hex=sha1)
        else:
            content = str(case["text"]).encode()
            text = statements.open_statement(content, zipped=False, sha1_hex=sha1)
        statement = statements.read_statement(text)
    except statements.StatementRefused as refused:
        return case.get("expected_valid") is False, str(refused)
    digest = next((str(v) for k, v in case.items() if "sha256" in k), None)
    if digest is not None and hashlib.sha256(text.encode()).hexdigest() != digest:
        return False, "sha256 differs"
    faults = rows_faults(statement.rows, case.get("expected_rows", []))
    faults += row_faults(statement.summary, case.get("expected_summary", {}))
    faults += _count_faults(statement, case.get("expected_counts"))
    faults += total_faults(statement, case.get("expected_cents"))
    if case.get("expected_valid") is False:
        return False, "read"
    return not faults, faults or {"rows": len(statement.rows), "summary": statement.summary}


def rows_faults(rows: list[dict[str, str]], expected: list[Case]) -> list[str]:
    """Each expected row must be found, in the file's order."""
    faults = []
    rest = iter(rows)
    for number, wanted in enumerate(expected):
        if not any(not row_faults(row, wanted) for row in rest):
            faults.append(f"row {number} not found")
    return faults


def row_faults(row: Mapping[str, str], wanted: Case) -> list[str]:
    """The names in ``wanted`` whose cell differs."""
    return [name for name, value in wanted.items() if not cell_is(row, name, value)]


def cell_is(row: Mapping[str, str], name: str, value: object) -> bool:
    """Whether the cell of that header, with or without its unit in brackets, has the value."""
    plain = name.removesuffix("_cents")
    cell = next(
        (row[f"{plain}{unit}"] for unit in ("", "(元)", "（元）") if f"{plain}{unit}" in row), None
    )
    if cell is None:
        return False
    if name.endswith("_cents"):
        try:
            return parse_yuan_text(cell) == value
        except ValueError:
            return False
    if isinstance(value, int):
        try:
            return statements.summary_count(row, plain) == value
        except statements.StatementRefused:
            return False
    return cell == value


def _count_faults(statement: statements.Statement, expected: object) -> list[str]:
    if expected is None:
        return []
    if isinstance(expected, int):
        return [] if expected == len(statement.rows) else ["row count"]
    if not isinstance(expected, dict):
        return ["expected_counts is unreadable"]
    return [name for name, value in expected.items() if _count(statement, name) != value]


def _count(statement: statements.Statement, name: str) -> int:
    """Rows, columns, the summary's own count of that name, or rows with a cell of that value."""
    fixed = {
        "rows": len(statement.rows),
        "summary_rows": 1,
        "columns": len(statement.rows[0]) if statement.rows else 0,
        "summary_columns": len(statement.summary),
    }
    if name in fixed:
        return fixed[name]
    if name in statement.summary:
        return statements.summary_count(statement.summary, name)
    return sum(1 for row in statement.rows if name in row.values())


def total_faults(statement: statements.Statement, expected: object) -> list[str]:
    """Sums: a column's name means its total over the rows, or the summary's cell."""
    if expected is None:
        return []
    if not isinstance(expected, dict):
        return ["expected_cents is unreadable"]
    return [
        name
        for name, value in expected.items()
        if not cell_is(statement.summary, f"{name.removesuffix('_cents')}_cents", value)
        and not _column_sum_is(statement.rows, name.removesuffix("_cents"), value)
    ]


def _column_sum_is(rows: list[dict[str, str]], name: str, value: object) -> bool:
    try:
        return sum(parse_yuan_text(row[name]) for row in rows) == value and bool(rows)
    except (KeyError, ValueError):
        return False


def judge_bill(case: Case, _keys: Mapping[str, Any]) -> Judgement:
    """By provider."""
    if str(case.get("provider", "")).startswith("wechatpay"):
        return judge_wechat_bill(case)
    return False, "unsupported"


JUDGES: dict[str, CaseJudge] = {"bill_parse": judge_bill}
