"""Money is integer fen: nothing inexact near it, and every amount on a wire has a bound."""

import ast
import re

import pytest

from tests.tidy.tree import parsed, python_files, shown

PURE_MONEY = re.compile(
    r"integrations/ports/money\.py|service/ledger/\w+\.py"
    r"|service/(bill|payment|settlement|receipt|reconcile)/(rules|states|model)\.py"
)
INEXACT = {"float", "Decimal", "round", "Fraction"}
BOUNDED = re.compile(r"FenField|Meta\(.*\bge=.*\ble=|Meta\(.*\ble=.*\bge=", re.DOTALL)


def mentions_fen(node: ast.AST) -> bool:
    """Whether a name ending in ``_fen`` occurs inside."""
    return any(
        (isinstance(part, ast.Name) and part.id.endswith("_fen"))
        or (isinstance(part, ast.Attribute) and part.attr.endswith("_fen"))
        for part in ast.walk(node)
    )


def inexact(text: str, *, pure: bool) -> list[str]:
    """Uses of inexact numbers: anywhere in a pure money module, elsewhere in contact with fen."""
    findings = []
    for node in ast.walk(parsed(text)):
        match node:
            case ast.Name(id=name) if pure and name in INEXACT:
                findings.append(f"line {node.lineno}: {name}")
            case ast.Constant(value=float()) if pure:
                findings.append(f"line {node.lineno}: a float literal")
            case ast.BinOp(op=ast.Div()) if pure or mentions_fen(node):
                findings.append(
                    f"line {node.lineno}: '/' gives a float; use '//' and say who rounds"
                )
            case ast.Call(func=ast.Name(id=name)) if name in INEXACT and mentions_fen(node):
                findings.append(f"line {node.lineno}: {name}() of an amount")
            case (
                ast.BinOp(left=ast.Constant(value=float()))
                | ast.BinOp(right=ast.Constant(value=float()))
            ) if mentions_fen(node):
                findings.append(f"line {node.lineno}: a float literal times an amount")
            case ast.AnnAssign(target=ast.Name(id=name)) if name.endswith("_fen") and re.search(
                r"float|Decimal", ast.unparse(node.annotation)
            ):
                findings.append(f"line {node.lineno}: {name} is not an integer")
    return findings


def unbounded(text: str) -> list[str]:
    """Fields named ``…_fen`` of a wire Struct without a lower and an upper bound."""
    return [
        f"line {field.lineno}: {field.target.id} has no bounds, use FenField"
        for node in ast.walk(parsed(text))
        if isinstance(node, ast.ClassDef)
        for field in node.body
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and field.target.id.endswith("_fen")
        and not BOUNDED.search(ast.unparse(field.annotation))
    ]


def test_amounts_are_exact() -> None:
    findings = []
    for path in python_files("service", "integrations"):
        pure = PURE_MONEY.fullmatch(shown(path)) is not None
        text = path.read_text(encoding="utf-8")
        findings += [f"{shown(path)}: {finding}" for finding in inexact(text, pure=pure)]
    assert findings == []


def test_amounts_on_our_wires_are_bounded() -> None:
    findings = []
    for path in python_files("service"):
        if path.name == "schemas.py":
            text = path.read_text(encoding="utf-8")
            findings += [f"{shown(path)}: {finding}" for finding in unbounded(text)]
    assert findings == []


@pytest.mark.parametrize(
    "sample",
    [
        "half = total_fen / 2",
        "yuan = float(bill.total_fen)",
        "x = round(total_fen * rate)",
        "x = total_fen * 0.85",
        "class A:\n    amount_fen: float",
    ],
)
def test_inexact_contact_is_caught(sample: str) -> None:
    assert inexact(sample, pure=False)


@pytest.mark.parametrize("sample", ["x: float = 1", "x = 0.5", "from_ = Decimal('1')", "a / b"])
def test_pure_modules_hold_no_inexact_number_at_all(sample: str) -> None:
    assert inexact(sample, pure=True)


def test_unbounded_wire_field_is_caught() -> None:
    assert unbounded("class A(Struct):\n    total_fen: int\n")
    assert unbounded("class A(Struct):\n    total_fen: Annotated[int, Meta(ge=0)]\n")
    assert not unbounded("class A(Struct):\n    total_fen: FenField | None = None\n")
    assert not unbounded("class A(Struct):\n    total_fen: Annotated[int, Meta(ge=0, le=9)]\n")
