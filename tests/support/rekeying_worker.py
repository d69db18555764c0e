"""A worker that only re-keys, as a process that a test may kill.

Arguments: database, keystore, master key, pause between pages and lease in seconds.
"""

import asyncio
import sys
from datetime import timedelta
from pathlib import Path

from crypto import keystore
from service import features
from service.kernel.claims import run_loop
from service.kernel.clock import SystemClock
from service.kernel.context import Policy
from service.rekeying import jobs
from tests.support.app import a_context


async def main(dsn: str, ring_file: str, master: str, pause_s: str, lease_s: str) -> None:
    """Work until killed."""
    ring = keystore.load(Path(ring_file), bytes.fromhex(master))
    clock, policy = SystemClock(), Policy(lease=timedelta(seconds=float(lease_s)))
    async with a_context(dsn, clock=clock, policy=policy, ring=ring) as ctx:
        source = jobs.source(ctx, features.KEYED_ROWS, pause_s=float(pause_s))
        await run_loop(source, clock, ctx.metrics, asyncio.Event())


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
