"""The error catalogue and the Problem classes say the same, both ways."""

import ast
import re
from typing import NamedTuple

import pytest
import yaml

from tests.tidy.tree import ROOT, parsed, python_files

CATALOGUE = ROOT / "openapi" / "problems.yaml"
KEBAB = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


class Entry(NamedTuple):
    """What both sides must agree on."""

    status: int
    title: str


def problem_classes(text: str) -> dict[str, Entry]:
    """Code, status and title of every class that has them written out."""
    found = {}
    for node in ast.walk(parsed(text)):
        if not isinstance(node, ast.ClassDef):
            continue
        written = {
            target.id: line.value.value
            for line in node.body
            if isinstance(line, ast.Assign) and isinstance(line.value, ast.Constant)
            for target in line.targets
            if isinstance(target, ast.Name)
        }
        if {"code", "status", "title"} <= written.keys():
            found[str(written["code"])] = Entry(int(str(written["status"])), str(written["title"]))
    return found


def catalogue_entries(text: str) -> dict[str, Entry]:
    """The catalogue: a mapping by code or a list with ``code``, perhaps under ``problems``."""
    content = yaml.safe_load(text)
    if isinstance(content, dict) and "problems" in content:
        content = content["problems"]
    if isinstance(content, dict):
        content = [{"code": code, **entry} for code, entry in content.items()]
    return {e["code"]: Entry(int(e["status"]), str(e["title"])) for e in content or []}


def differences(classes: dict[str, Entry], catalogue: dict[str, Entry]) -> list[str]:
    """Everything on which the two sides disagree."""
    findings = [f"{code}: not in the catalogue" for code in sorted(classes.keys() - catalogue)]
    findings += [f"{code}: no class raises it" for code in sorted(catalogue.keys() - classes)]
    findings += [
        f"{code}: the class says {classes[code]}, the catalogue {catalogue[code]}"
        for code in sorted(classes.keys() & catalogue)
        if classes[code] != catalogue[code]
    ]
    return findings + [f"{code}: not kebab-case" for code in classes if not KEBAB.fullmatch(code)]


def test_catalogue_and_classes_agree() -> None:
    if not CATALOGUE.exists():
        pytest.skip("openapi/problems.yaml is not written yet")
    classes: dict[str, Entry] = {}
    for path in python_files("service"):
        classes |= problem_classes(path.read_text(encoding="utf-8"))
    assert classes
    catalogue = catalogue_entries(CATALOGUE.read_text(encoding="utf-8"))
    assert differences(classes, catalogue) == []


SAMPLE = 'class A(Problem):\n    code = "bill-paid"\n    status = 409\n    title = "Paid"\n'


@pytest.mark.parametrize(
    ("listed", "said"),
    [
        ("{}", "not in the catalogue"),
        ("bill-paid: {status: 422, title: Paid}", "the class says"),
        ("bill-paid: {status: 409, title: Done}", "the class says"),
        ("bill-paid: {status: 409, title: Paid}\nold: {status: 400, title: X}", "no class"),
    ],
)
def test_disagreement_is_caught(listed: str, said: str) -> None:
    findings = differences(problem_classes(SAMPLE), catalogue_entries(listed))
    assert any(said in finding for finding in findings)


@pytest.mark.parametrize(
    "listed",
    [
        "bill-paid: {status: 409, title: Paid}",
        "problems:\n- {code: bill-paid, status: 409, title: Paid}",
    ],
)
def test_agreement_passes_in_either_form(listed: str) -> None:
    assert differences(problem_classes(SAMPLE), catalogue_entries(listed)) == []


def test_camel_case_code_is_caught() -> None:
    bad = {"billPaid": Entry(409, "Paid")}
    assert differences(bad, bad)


def test_the_pages_have_words_for_faults_that_exist() -> None:
    pages = ROOT / "service" / "web"
    known = {entry["code"] for entry in yaml.safe_load(CATALOGUE.read_text("utf-8"))}
    scripts = [path for path in pages.glob("*/*.js") if path.parent.name != "built"]
    texts = [path.read_text("utf-8") for path in scripts if path.name == "words.js"]
    said = {code for text in texts for code in re.findall(r'"fault\.([a-z-]+)', text)}
    made = "".join(path.read_text("utf-8") for path in scripts if path.name != "words.js")
    assert len(said) > 60
    assert {code for code in said - known if f'"{code}"' not in made} == set()
