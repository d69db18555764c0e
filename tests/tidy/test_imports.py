"""Import names are ours, every file is used, and partners stay behind the registry.

The order of packages and features is held by the import contracts in ``pyproject.toml``.
"""

import ast
import importlib
import importlib.metadata
import re
from pathlib import Path

import pytest

from tests.tidy.tree import PACKAGES, ROOT, imported_names, module_name, parsed, python_files, shown

DISTRIBUTION = "yimatong"
# Distributions that ship a folder named like one of ours (the last on a case-blind disk).
COLLIDING = {"crypto", "pycrypto", "service", "services", "integrations", "pycryptodome"}
OPEN_TO_SERVICE = ("integrations.ports", "integrations.registry", "integrations.sandbox")
WIRING = {
    "service.wiring",
    "service.sandbox.twins",
    "service.sandbox.keys",
    "service.simulate.street",
    "service.simulate.world",
}
KNOWS_PARTNERS = ("service.conformance", "service.sandbox")
"""The first runs published cases against each adapter, the second sets them up for the twins."""
KNOWS_TWINS = (*KNOWS_PARTNERS, "service.simulate.")
"""And the last runs them in one program with ours."""
SHADOWING = {
    "service": {"service"},
    "crypto": {"secrets", "hashlib", "types", "hmac", "random", "crypto"},
}
ENTRY_POINTS = {"service.__main__", "service.cli"}
NOT_CALLED_YET = {
    "crypto.pseudonym",
    "integrations.insurance_nhsa.transactions",
    "service.audit.actions",
    "service.casework.actions",
    "service.kernel.machine",
}
"""Built and tested ahead of the feature that calls them. Take a line out when it is called."""
NOT_MOUNTED_YET = {
    "service.bill.jobs",
    "service.payment.jobs",
    "service.payment.routes",
    "service.person.actions",
    "service.receipt.jobs",
    "service.settlement.actions",
    "service.settlement.jobs",
    "service.settlement.paying",
    "service.settlement.schemas",
    "service.web.routes",
}
"""Goes as a whole once ``service/features.py`` mounts them."""


def colliding(lock: str) -> list[str]:
    """Distributions in a lock that would lie over our packages."""
    named = re.findall(r"^([A-Za-z0-9_.-]+)==", lock, re.MULTILINE)
    return [name for name in named if name.lower().replace("_", "-") in COLLIDING]


def reaching_past_ports(module: str, tree: ast.Module) -> list[str]:
    """Imports by which ``service`` would know one partner, or rules would know the registry."""
    findings = []
    for name in sorted(imported_names(tree)):
        inside = name.startswith("integrations.") and not name.startswith(OPEN_TO_SERVICE)
        if inside and not module.startswith(KNOWS_PARTNERS):
            findings.append(f"{name}: partners are reached through ports")
        if name.startswith("integrations.registry") and module not in WIRING:
            findings.append(f"{name}: only service.wiring knows which partners there are")
        outside = not module.startswith(KNOWS_TWINS)
        if name.startswith("integrations.sandbox") and outside:
            findings.append(f"{name}: twins are started, not called")
    return findings


def unused(modules: set[str], wanted: set[str]) -> list[str]:
    """Modules nobody imports and nobody starts."""
    packages = {m for m in modules if any(other.startswith(f"{m}.") for other in modules)}
    return sorted(modules - wanted - ENTRY_POINTS - packages - set(PACKAGES))


@pytest.mark.parametrize("name", PACKAGES)
def test_import_names_are_ours(name: str) -> None:
    owners = set(importlib.metadata.packages_distributions().get(name, []))
    assert owners <= {DISTRIBUTION}, f"{owners} also ship a package '{name}'"
    found = importlib.import_module(name).__file__
    assert found is not None
    assert Path(found).is_relative_to(ROOT)


@pytest.mark.parametrize("lock", ["run.lock", "dev.lock", "build.lock"])
def test_no_locked_distribution_lies_over_our_packages(lock: str) -> None:
    assert colliding((ROOT / "requirements" / lock).read_text(encoding="utf-8")) == []


def test_no_module_shadows_the_standard_library_or_its_package() -> None:
    findings = [
        shown(path)
        for package, names in SHADOWING.items()
        for path in sorted((ROOT / package).glob("*.py"))
        if path.stem in names
    ]
    assert findings == []


def test_service_knows_no_partner() -> None:
    findings = [
        f"{shown(path)}: {finding}"
        for path in python_files("service")
        for finding in reaching_past_ports(
            module_name(path), parsed(path.read_text(encoding="utf-8"))
        )
    ]
    assert findings == []


def _is_all(line: ast.stmt) -> bool:
    return isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == "__all__"


def test_package_files_hold_no_code() -> None:
    """Beyond a docstring only imports: the names a split module goes on offering."""
    allowed = ast.Expr | ast.ImportFrom
    findings = []
    for path in python_files(*PACKAGES):
        body = parsed(path.read_text(encoding="utf-8")).body
        if path.name == "__init__.py" and not all(
            isinstance(line, allowed) or _is_all(line) for line in body
        ):
            findings.append(shown(path))
    assert findings == []


def test_every_module_is_used() -> None:
    if not (ROOT / "service" / "run.py").exists():
        pytest.skip("service/run.py, which starts everything, is not built yet")
    files = python_files(*PACKAGES)
    wanted: set[str] = set()
    for path in [*files, *python_files("loadtests")]:
        tree = parsed(path.read_text(encoding="utf-8"))
        wanted |= imported_names(tree)
        # Entry points may be named as text, as application servers want them.
        wanted |= {
            node.value.partition(":")[0]
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
    found = unused({module_name(path) for path in files}, wanted)
    assert [module for module in found if module not in NOT_CALLED_YET | NOT_MOUNTED_YET] == []


def test_bad_samples_are_caught() -> None:
    assert colliding("pycryptodome==3.2 \\\n    --hash=sha256:00\n") == ["pycryptodome"]
    assert not colliding("pycryptodomex==3.2 \\\n")
    assert unused({"service", "service.kernel", "service.kernel.old", "service.a"}, {"service.a"})
    for module, line in (
        ("service.payment.actions", "from integrations.wechatpay import gateway"),
        ("service.payment.actions", "from integrations import registry"),
        ("service.payment.actions", "import integrations.sandbox.faults"),
    ):
        assert reaching_past_ports(module, parsed(line))
    assert not reaching_past_ports("service.wiring", parsed("from integrations import registry"))
