"""Sizes stay readable, and every module says what it owns."""

import ast

import pytest

from tests.tidy.tree import PACKAGES, parsed, python_files, shown

FILE_LINES_MAX = 400
TEST_FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 60
TEST_FUNCTION_LINES_MAX = 150
"""A table of cases may be long."""
PARAMETERS_MAX = 8


def oversized(text: str, file_lines_max: int, function_lines_max: int) -> list[str]:
    """Files, functions and parameter lists over their budget."""
    findings = []
    lines = len(text.splitlines())
    if lines > file_lines_max:
        findings.append(f"file of {lines} lines, at most {file_lines_max}: split it by subject")
    for node in ast.walk(parsed(text)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        length = (node.end_lineno or node.lineno) - node.lineno + 1
        if length > function_lines_max:
            findings.append(f"{node.name}: {length} lines, at most {function_lines_max}")
        taken = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        count = sum(argument.arg not in {"self", "cls"} for argument in taken)
        if count > PARAMETERS_MAX:
            findings.append(f"{node.name}: {count} parameters, at most {PARAMETERS_MAX}")
    return findings


def undescribed(text: str) -> list[str]:
    """A module without a docstring."""
    tree = parsed(text)
    if tree.body and ast.get_docstring(tree) is None:
        return ["no docstring: say what this module owns and what it must not do"]
    return []


def test_project_is_within_budget() -> None:
    findings = []
    for path in python_files(*PACKAGES, "tests", "loadtests"):
        text = path.read_text(encoding="utf-8")
        in_tests = shown(path).startswith("tests/")
        if in_tests:
            found = oversized(text, TEST_FILE_LINES_MAX, TEST_FUNCTION_LINES_MAX)
        else:
            found = oversized(text, FILE_LINES_MAX, FUNCTION_LINES_MAX)
        found += undescribed(text)
        # A builder in a test takes a keyword for each deviation.
        found = [f for f in found if not (in_tests and "parameters" in f)]
        findings += [f"{shown(path)}: {finding}" for finding in found]
    assert findings == []


@pytest.mark.parametrize(
    ("sample", "said"),
    [
        ("x = 1\n" * 401, "file of 401 lines"),
        ("def long():\n" + "    x = 1\n" * 60, "long: 61 lines"),
        ("def wide(a, b, c, d, *, e, f, g, h, i): ...\n", "wide: 9 parameters"),
    ],
)
def test_bad_sizes_are_caught(sample: str, said: str) -> None:
    assert any(said in finding for finding in oversized(sample, FILE_LINES_MAX, FUNCTION_LINES_MAX))


def test_missing_docstring_is_caught() -> None:
    assert undescribed("x = 1\n")
    assert not undescribed('"""Owns x."""\nx = 1\n')
