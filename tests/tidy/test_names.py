"""Names say something: no word that fits everything, in files, classes and functions."""

import ast
import re
from pathlib import Path

import pytest

from tests.tidy.tree import PACKAGES, parsed, python_files, shown

INSTEAD = {
    "manager": "name what it does (supervisor, registry, pool)",
    "helper": "name the subject it helps with",
    "helpers": "name the subject they help with",
    "util": "name the subject",
    "utils": "name the subject",
    "common": "name what is shared",
    "base": "name the role (Problem, Port)",
    "misc": "split it by subject",
    "data": "name the thing (record, row, body)",
    "info": "name the thing (status, profile)",
    "process": "name the act (settle, post, drain)",
}
FIELD_TERMS = re.compile(r"(?:^|_)(?:data_keys?|data_received|base_url|base(?:32|41|64))(?=_|$)")
"""Terms of the field or of a protocol in which such a word is exact."""
FOREIGN = re.compile(r"integrations/\w+/wire\w*\.py|service/conformance/\w+\.py")
"""Modules that speak the words of a partner's wire or of the published cases."""


def empty_words(name: str) -> list[str]:
    """The words in ``name`` that say nothing."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
    return [word for word in FIELD_TERMS.sub("", snake).split("_") if word in INSTEAD]


def badly_named(text: str) -> list[str]:
    """Classes and functions with an empty word in their name."""
    return [
        f"line {node.lineno}, {node.name}: instead of '{word}', {INSTEAD[word]}"
        for node in ast.walk(parsed(text))
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        for word in empty_words(node.name)
    ]


def badly_named_path(path: Path) -> list[str]:
    """Folders and files with an empty word in their name."""
    return [
        f"'{word}' in the path: {INSTEAD[word]}"
        for part in path.with_suffix("").parts
        for word in empty_words(part)
    ]


def test_names_in_the_project() -> None:
    findings = []
    for path in python_files(*PACKAGES, "tests", "loadtests"):
        text = path.read_text(encoding="utf-8")
        found = badly_named_path(Path(shown(path)))
        if not shown(path).startswith("tests/") and not FOREIGN.fullmatch(shown(path)):
            found += badly_named(text)
        findings += [f"{shown(path)}: {finding}" for finding in found]
    assert findings == []


@pytest.mark.parametrize(
    "sample",
    [
        "class PaymentManager: ...",
        "def process_bill(): ...",
        "async def load_data(): ...",
        "class HTTPHelper: ...",
        "class BillInfo: ...",
    ],
)
def test_empty_names_are_caught(sample: str) -> None:
    assert badly_named(sample)


@pytest.mark.parametrize("sample", ["def wrap_data_key(): ...", "class Database: ..."])
def test_terms_of_the_field_pass(sample: str) -> None:
    assert not badly_named(sample)


def test_empty_file_names_are_caught() -> None:
    assert badly_named_path(Path("service/utils.py"))
    assert badly_named_path(Path("service/common/x.py"))
