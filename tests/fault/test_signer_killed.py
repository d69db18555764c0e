"""A running system whose codes are signed by another process: absent, there, killed, back."""

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from service.sandbox.speaker import StepWrong
from tests.support.running import ROOT, RunningSystem, running_system
from tests.support.traveller import Traveller, a_traveller

STARTS_WITHIN_S = 20.0
"""Of which nearly all is the signer's own start, on a busy machine."""
AT_ONCE_S = 5.0


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path: sockets take no long one."""
    with tempfile.TemporaryDirectory(prefix="ymt") as made:
        yield Path(made)


@contextmanager
def a_signer(system: RunningSystem) -> Iterator[subprocess.Popen[bytes]]:
    child = subprocess.Popen(
        [sys.executable, "-m", "service", "signer"],
        env=system.env,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield child
    finally:
        child.kill()
        child.wait()


async def refused(traveller: Traveller) -> float:
    """A clear problem; gives how long it took."""
    began = time.monotonic()
    with pytest.raises(StepWrong, match=r"503 .*signer-unavailable"):
        await traveller.journey.code_shown()
    return time.monotonic() - began


async def shown(traveller: Traveller) -> None:
    """Codes are issued again, and are genuine."""
    end = time.monotonic() + STARTS_WITHIN_S
    while True:
        try:
            await traveller.journey.code_shown()
            break
        except StepWrong:
            assert time.monotonic() < end
            await asyncio.sleep(0.8)
    await traveller.journey.scanned()


async def test_codes_come_and_go_with_the_signer_and_nothing_is_restarted(folder: Path) -> None:
    with running_system(folder, YIMATONG_SIGNER_SOCKET=str(folder / "signer")) as system:
        async with a_traveller(system) as traveller:
            for step in ("born", "logged_in", "registered"):
                await getattr(traveller.journey, step)()
            assert await refused(traveller) < AT_ONCE_S
            with a_signer(system) as signer:
                await shown(traveller)
                signer.kill()
                signer.wait()
                for _ in range(5):
                    assert await refused(traveller) < AT_ONCE_S
            with a_signer(system):
                await shown(traveller)
