"""What the tidy rules read: the project's own files, as text and as syntax trees.

A rule is a plain function from text to findings, so that each test file can show it a bad sample.
"""

import ast
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("service", "integrations", "crypto")
SKIPPED = {
    ".git", ".venv", ".yimatong", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis",
    ".import_linter_cache", "__pycache__", "dist", "build", "built",
    "node_modules",
}  # fmt: skip
_BINARY = {".png", ".jpg", ".ico", ".woff2", ".pdf", ".gz", ".zip", ".pyc"}


def text_files() -> Iterator[Path]:
    """Every text file of the project, tool caches left out."""
    waiting = [ROOT]
    while waiting:
        for path in sorted(waiting.pop().iterdir()):
            if path.name in SKIPPED or path.is_symlink():
                continue
            if path.is_dir():
                waiting.append(path)
            elif path.suffix not in _BINARY and path.name not in {
                "bench.json",
                ".coverage",
                ".git",
            }:
                yield path


def python_files(*folders: str) -> list[Path]:
    """The Python files below ``folders``; a folder that is not there has none."""
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def shown(path: Path) -> str:
    """A path as findings print it."""
    return path.relative_to(ROOT).as_posix()


@lru_cache(maxsize=2000)
def parsed(text: str) -> ast.Module:
    """The syntax tree of a sample or a file."""
    return ast.parse(text)


def module_name(path: Path) -> str:
    """The dotted import name of a file of ours."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_names(tree: ast.Module) -> set[str]:
    """Every dotted name a module may import, ``from a import b`` giving both a and a.b."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def texts_in(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and value of every string constant that is not a docstring."""
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(value)) if id(node) not in docstrings:
                yield node.lineno, value
