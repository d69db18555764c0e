"""Every reason of a work item has its row in ``service/casework/reasons.py``, every row its use.

Reasons are read where items are made: the argument that carries the word, a constant or the name
of one. Where the word is computed or handed through, ``COMPUTED`` says what it may be.
"""

import ast
import importlib
import re
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from service.casework import reasons
from service.healthcode.actions import trust
from service.ledger import closing
from service.person.matching.clustering import NAMES, NUMBERS
from service.person.matching.deciding import DOUBTFUL
from service.reconcile.items import reason_of
from service.reconcile.model import Class
from service.settlement import endings
from service.settlement.states import MACHINE, SettlementState
from tests.tidy.tree import ROOT, module_name, parsed, python_files

PLACES: dict[tuple[str, str], int | str] = {
    ("service.", "NewItem"): "reason",
    ("service.settlement", "open_item"): 3,
    ("service.settlement", "contradicts"): 1,
    ("service.settlement", "Verdict"): "left_behind",
    ("service.settlement.asks.answering", "_tell"): 3,
    ("service.payment", "report_attempt"): 3,
    ("service.payment", "report_refund"): 3,
    ("service.payment", "AttemptJudgement"): 1,
    ("service.payment", "RefundJudgement"): 1,
    ("service.receipt", "report"): 3,
    ("service.receipt", "_refused"): 2,
    ("service.healthcode", "report"): 2,
}
"""Which argument carries the reason, by where the function is called and its name."""
STATES = [
    one for one in SettlementState if one not in {*MACHINE.final, SettlementState.NEEDS_REVIEW}
]
COMPUTED: dict[tuple[str, str], tuple[str, ...]] = {
    ("service.person.asking", "review.reason"): (
        "number-equal-name-different",
        "nearly",
        *DOUBTFUL,
        NUMBERS,
        NAMES,
        "birth-order",
    ),
    ("service.ledger.closing", "checked.reason"): (
        closing.PROJECTION_DIFFERS,
        closing.UNEVEN,
        closing.CLOSED_CHANGED,
    ),
    ("service.healthcode.actions.trust", "reason"): (
        "trust-list-refused",
        "trust-list-expiring",
        "trust-list-lacks-keys",
    ),
    ("service.reconcile.items", "reason"): tuple(
        reason_of(one) for one in Class if one is not Class.CROSSES_MIDNIGHT
    ),
    ("service.reconcile.items", "f'statement-{file.reason}'"): (reasons.ANY_STATEMENT,),
    ("service.settlement.consequences", "row.reason or endings.CONTRADICTED"): (
        endings.CONTRADICTED,
        "correction-not-paid",
        "insurance-refused",
        "payment-under-review",
    ),
    ("service.settlement.insurance.calls", "stuck"): tuple(map(endings.stuck, STATES)),
}
"""Computed reasons. Of a review, beside those that come with a contradiction."""
HANDED_THROUGH = {
    ("service.settlement.consequences", "reason"),
    ("service.settlement.asks.answering", "reason"),
    ("service.settlement.insurance.calls", "verdict.left_behind"),
    ("service.payment.actions.rows", "reason"),
    ("service.payment.actions.outcomes", "judged.reason"),
    ("service.payment.actions.refunds", "judged.reason"),
    ("service.receipt.invoice_rows", "reason"),
    ("service.receipt.invoices", "reason"),
    ("service.healthcode.proving", "reason"),
    ("service.settlement.insurance.verdicts", "reason"),
}
"""The word comes from an argument that is read where it begins."""


def carried(tree: ast.Module, module: str) -> Iterator[ast.expr]:
    """The argument of every call in a module that carries a reason."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = getattr(node.func, "attr", getattr(node.func, "id", ""))
        for (where, name), place in PLACES.items():
            if called != name or not module.startswith(where):
                continue
            if isinstance(place, int) and len(node.args) > place:
                yield node.args[place]
            yield from (one.value for one in node.keywords if one.arg == place)


def words(node: ast.expr, module: Any) -> tuple[str, ...]:
    """What the argument may be. Raises ``LookupError`` for what nobody described."""
    place = (module.__name__, ast.unparse(node))
    if place in HANDED_THROUGH:
        return ()
    if place in COMPUTED:
        return COMPUTED[place]
    match node:
        case ast.Constant(value=None | str() as word):
            return () if word is None else (word,)
        case ast.IfExp(body=first, orelse=second):
            return (*words(first, module), *words(second, module))
        case ast.Name(id=name) if isinstance(getattr(module, name, None), str):
            return (getattr(module, name),)
        case ast.Attribute(value=ast.Name(id=owner), attr=name):
            named = getattr(getattr(module, owner, None), name, None)
            if isinstance(named, str):
                return (named,)
    raise LookupError(": ".join(place))


def used() -> dict[str, str]:
    """Every reason in the code, with a module that uses it."""
    found = {}
    for path in python_files("service"):
        name = module_name(path)
        arguments = list(carried(parsed(path.read_text("utf-8")), name))
        if not arguments or name.startswith(("service.casework", "service.simulate")):
            continue
        module: ModuleType = importlib.import_module(name)
        for one in arguments:
            found |= dict.fromkeys(words(one, module), name)
    return found


def test_every_reason_has_its_row_and_every_row_its_use() -> None:
    listed = {one.reason for one in reasons.REASONS}
    found = used()
    assert len(found) > 60
    assert {word: where for word, where in found.items() if word not in listed} == {}
    assert listed - found.keys() == set()


def test_a_reason_without_a_row_is_found() -> None:
    text = (
        "open_item(conn, ctx, row, 'new-word')\n"
        "open_item(conn, ctx, row, LATE)\n"
        "open_item(conn, ctx, row, 'a' if x else other.EARLY)\n"
    )
    module = SimpleNamespace(
        __name__="service.settlement.x", LATE="late", other=SimpleNamespace(EARLY="early")
    )
    arguments = list(carried(parsed(text), module.__name__))
    assert [words(one, module) for one in arguments] == [("new-word",), ("late",), ("a", "early")]
    computed = parsed("open_item(conn, ctx, row, a + b)")
    with pytest.raises(LookupError):
        [words(one, module) for one in carried(computed, module.__name__)]


def test_the_trust_lists_reasons_are_those_of_its_watch() -> None:
    listed = COMPUTED["service.healthcode.actions.trust", "reason"]
    text = (ROOT / "service/healthcode/actions/trust.py").read_text("utf-8")
    assert set(re.findall(r'reasons\.append\("([a-z-]+)"\)', text)) == set(listed)
    assert trust.KIND in {one.kind for one in reasons.REASONS}


def test_no_row_stands_twice_and_each_says_something() -> None:
    keys = [(one.kind, one.reason) for one in reasons.REASONS]
    assert len(keys) == len(set(keys))
    assert all(one.meaning and one.ending for one in reasons.REASONS)
    assert all(one.by_hand for one in reasons.REASONS if "by hand" in one.ending)
    assert all("by hand" in one.ending for one in reasons.REASONS if one.by_hand)


def test_the_document_holds_the_table_of_the_code() -> None:
    text = (ROOT / "docs" / "work-items.md").read_text("utf-8")
    assert reasons.table() in text, "paste what `yimatong work reasons` prints"
