"""The console's page has words for whatever it may have to say: reasons, levels, roles, sources."""

import ast
import re

import msgspec

from service.casework.reasons import REASONS
from service.console.model import OperatorState, Role
from service.console.routes_work import MONEY
from service.person.identity.registrations import Whose
from service.person.matching.comparing import Comparison
from service.person.model import Source
from tests.tidy.tree import ROOT, parsed

PAGE = ROOT / "service" / "web" / "console"
WORDS = (PAGE / "words.js").read_text("utf-8")
TWICE = 2
"""In Chinese and in English."""


def without_words(family: str, names: list[str]) -> list[str]:
    """Those of the names that the page cannot say in both languages."""
    return [one for one in names if WORDS.count(f'"{family}.{one}": ') != TWICE]


def returned_texts(path: str, function: str) -> list[str]:
    """The fixed words that a function may give."""
    tree = parsed((ROOT / path).read_text("utf-8"))
    (found,) = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name == function
    ]
    return [
        node.value
        for given in ast.walk(found)
        if isinstance(given, ast.Return)
        for node in ast.walk(given)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]


def test_every_question_has_a_short_name_and_a_sentence() -> None:
    persons = [one.reason for one in REASONS if one.kind == "person"]
    assert len(persons) > 6
    assert without_words("reason", persons) == []
    assert without_words("ask", persons) == []


def test_every_reason_of_money_means_what_the_table_says() -> None:
    text = (PAGE / "meanings.js").read_text("utf-8")
    chinese, _, rest = text.partition("  en: {")
    english = dict(re.findall(r'"meaning\.([^"]+)": "(.+)",', rest))
    money = [one for one in REASONS if one.kind in MONEY]
    assert english == {f"{one.kind}.{one.reason}": one.meaning for one in money}
    assert set(re.findall(r'"meaning\.([^"]+)": ', chinese)) == set(english)
    assert without_words("kind", list(MONEY)) == []


def test_every_field_of_the_evidence_is_said() -> None:
    fields = [one.name for one in msgspec.structs.fields(Comparison)]
    listed = re.search(r"FIELDS = \[([^\]]+)\]", (PAGE / "evidence.js").read_text("utf-8"))
    assert listed is not None
    assert sorted(re.findall(r'"(\w+)"', listed[1])) == sorted(fields)
    assert without_words("level", [f"{one}.1" for one in fields if one != "name"]) == []
    assert without_words("level", [f"name.{level}" for level in (-1, 2, 3, 4, 5)]) == []


def test_everything_that_speaks_against_is_said() -> None:
    deciding = "service/person/matching/deciding.py"
    vetoes = [
        word
        for function in ("veto", "_unnamed", "_named")
        for word in returned_texts(deciding, function)
    ]
    assert "twins" in vetoes
    assert without_words("veto", vetoes) == []


def test_every_act_of_an_operator_is_said() -> None:
    code = "".join(path.read_text("utf-8") for path in (ROOT / "service/console").glob("*.py"))
    acts = set(re.findall(r'"((?:operator|record)\.[a-z-]+)"', code))
    states = {f"operator.{one.value.lower()}" for one in OperatorState}
    assert len(acts) > 6
    assert without_words("action", sorted(acts | states)) == []


def test_roles_states_sources_and_numbers_are_said() -> None:
    assert without_words("role", [one.value for one in Role]) == []
    assert without_words("operator", [one.value for one in OperatorState]) == []
    assert without_words("source", [one.value for one in Source]) == []
    assert without_words("whose", [one.value for one in Whose if one is not Whose.OWN]) == []
