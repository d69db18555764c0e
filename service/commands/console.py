"""How a verb speaks to a person: words, refusals, exit statuses, and a context to work in."""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any

from service.settings import Settings

if TYPE_CHECKING:
    from service.kernel.context import Context

REFUSED = 2
"""The exit status of what was refused or could not begin."""


class ReaderGone(Exception):
    """Whoever read our standard output has enough."""


def say(text: str = "") -> None:
    """Print a line for a person. Raises ``ReaderGone``."""
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # What Python writes at its end must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise ReaderGone from None


def complain(text: str) -> None:
    """Print a line about a fault."""
    sys.stderr.write(text + "\n")


async def until_stopped(work: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> None:
    """Run ``work(stop)``; SIGINT and SIGTERM set ``stop``."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    await work(stop)


def attempt(name: str, settings: Settings, work: Callable[[], int]) -> int:
    """``work()``'s exit status; ``REFUSED``, with the reason on standard error, where it raises
    what a caller can do something about."""
    from crypto.errors import CryptoError
    from service.kernel.logs import set_up_logs
    from service.kernel.problems import NotFound, Problem, RowTampered
    from service.wiring import install_ciphers

    set_up_logs(name)
    install_ciphers(settings)
    try:
        return work()
    except (OSError, CryptoError, ValueError) as fault:
        reason = str(fault)
    except Problem as problem:
        # What a caller over HTTP may not be told, the operator may: it does not exist.
        unsaid = isinstance(problem, NotFound) and not problem.detail
        reason = f"{problem.code}: {'nothing has this id' if unsaid else problem}"
    except RowTampered as tampered:
        reason = f"a row of the table {tampered} was changed by something else than Yimatong"
    complain(f"yimatong {name}: {reason}")
    return REFUSED


def answer(
    name: str,
    settings: Settings,
    job: "Callable[[Context], Awaitable[str]]",
    *,
    asks_partners: bool = False,
) -> int:
    """Say what ``job(ctx)`` gives, in a context that has partners only where it asks them."""
    from service.wiring import open_context, open_without_partners

    opened = open_context if asks_partners else open_without_partners

    async def in_context() -> str:
        async with opened(settings, name) as ctx:
            return await job(ctx)

    def work() -> int:
        say(asyncio.run(in_context()))
        return 0

    return attempt(name, settings, work)


async def institution_of(ctx: "Context", code: str) -> int:
    """The id of the institution with this code. Raises ``NotFound``."""
    from service.institution import actions as institution
    from service.kernel.problems import NotFound

    for row in await institution.list_institutions(ctx):
        if row.code == code:
            return row.institution_id
    raise NotFound(f"no institution has the code {code}")


def add_decided(verb: argparse.ArgumentParser) -> None:
    """Who decides, and why: both go into the audit log."""
    verb.add_argument("--by", required=True, metavar="NAME", help="who answers for it")
    verb.add_argument("--because", required=True, metavar="TEXT", help="why, without personal data")
