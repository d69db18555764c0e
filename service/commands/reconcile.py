"""``yimatong reconcile``: a day's statements against our books, from the command line."""

import argparse
import asyncio
from datetime import date

from service.commands.console import complain, say
from service.kernel.logs import set_up_logs
from service.reconcile import actions, report
from service.reconcile.model import Account, AccountReport
from service.settings import Settings
from service.wiring import install_ciphers, open_context


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """0 all explained, 1 differences, 2 a statement is missing, refused or not made yet."""
    set_up_logs("reconcile")
    install_ciphers(settings)
    try:
        day = date.fromisoformat(arguments.day)
        accounts = [_account(text) for text in arguments.account or ()] or None
        reports = asyncio.run(_reconcile(settings, day, accounts))
    except (actions.TooEarly, actions.NoSuchAccount, ValueError, OSError) as fault:
        complain(f"yimatong reconcile: {fault}")
        return report.NO_FILE
    say(report.as_json(reports) if arguments.json else report.as_table(reports))
    return report.exit_status(reports)


async def _reconcile(
    settings: Settings, day: date, accounts: list[Account] | None
) -> list[AccountReport]:
    async with open_context(settings, "reconcile") as ctx:
        return await actions.reconcile_day(ctx, day, accounts)


def _account(text: str) -> Account:
    """Raises ``ValueError``."""
    provider, colon, name = text.partition(":")
    if not (provider and colon and name):
        raise ValueError(f"{text}: not provider:account")
    return Account(provider=provider, account_name=name)
