"""The wheel, installed non-editable into a clean environment, starts outside the checkout.

This is what the container image does. Dependencies are lent by the environment of the tests, so
nothing is downloaded; the project itself must come from the wheel.
"""

import importlib.util
import os
import site
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NEEDED = ("README.md", "openapi/problems.yaml", "service/__main__.py", "service/cli.py")
PACKAGES = ("service", "integrations", "crypto")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built by the locked backend."""
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("hatchling is not installed; `make test` installs it")
    missing = [name for name in NEEDED if not (ROOT / name).exists()]
    if missing:
        pytest.skip(f"not built yet: {', '.join(missing)}")
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder],
        cwd=ROOT,
        check=True,
        timeout=60,
    )
    return next(folder.glob("yimatong-*.whl"))


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a clean environment that holds the wheel."""
    home = tmp_path_factory.mktemp("installed")
    venv.create(home, with_pip=False, symlinks=True)
    [packages] = home.glob("lib/python3*/site-packages")
    # .pth files found through a .pth file are not read, so the editable checkout stays out.
    lent = [folder for folder in site.getsitepackages() if Path(folder).is_dir()]
    (packages / "lent.pth").write_text("\n".join(lent) + "\n", encoding="utf-8")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    return home / "bin" / "python"


def run(python: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the installed Python in ``folder`` with an empty environment."""
    return subprocess.run(
        [python, "-P", *arguments],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_wheel_holds_our_packages_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)
    assert "service/openapi/problems.yaml" in names


def test_wheel_holds_every_file_of_our_packages(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    present = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert present - names == set()


def test_wheel_holds_the_phones_module_where_it_is_built(wheel: Path) -> None:
    if not (ROOT / "service/web/built/holder.js").exists():
        assert not os.environ.get("YIMATONG_REQUIRE_CLIENTS")
        pytest.skip("the phones' module is not built: `make clients`")
    with zipfile.ZipFile(wheel) as archive:
        assert {"service/web/built/holder.js", "service/web/built/LICENCES.txt"} <= set(
            archive.namelist()
        )


def test_packages_come_from_the_wheel(python: Path, tmp_path: Path) -> None:
    code = f"import {', '.join(PACKAGES)}; print({', '.join(p + '.__file__' for p in PACKAGES)})"
    done = run(python, tmp_path, "-c", code)
    assert done.returncode == 0, done.stderr
    for place in done.stdout.split():
        assert Path(place).is_relative_to(python.parents[1])


@pytest.mark.parametrize("arguments", [["--version"], ["config-check"]])
def test_installed_command_works_outside_the_checkout(
    python: Path, tmp_path: Path, arguments: list[str]
) -> None:
    verbs = run(python, tmp_path, "-m", "service", "--help")
    assert verbs.returncode == 0, verbs.stderr
    if arguments[0] not in verbs.stdout:
        pytest.skip(f"the command line has no {arguments[0]}")
    done = run(python, tmp_path, "-m", "service", *arguments)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_working_folder_never_shadows_the_package(python: Path, tmp_path: Path) -> None:
    (tmp_path / "service").mkdir()
    (tmp_path / "service" / "__init__.py").write_text("raise SystemExit('shadowed')\n")
    done = run(python, tmp_path, "-m", "service", "--help")
    assert done.returncode == 0, done.stderr
