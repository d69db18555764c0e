"""Commands that run in a network namespace of their own, with not even loopback up."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def cut_off() -> list[str]:
    """What runs a command without any network; skips or fails where that cannot be."""
    for flags in ("-n", "-rn"):
        start = [shutil.which("unshare") or "unshare", flags]
        try:
            if subprocess.run([*start, "true"], capture_output=True, check=False).returncode == 0:
                return start
        except OSError:
            continue
    if os.environ.get("YIMATONG_REQUIRE_BROWSER"):
        pytest.fail("network namespaces are needed here and the kernel forbids them")
    pytest.skip("THE KERNEL FORBIDS NETWORK NAMESPACES: the cut-off reader was not tested")


def run_cut_off(command: list[str], text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*cut_off(), *command],
        input=text,
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
        check=False,
        env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
    )
