"""``yimatong payment``, ``refund`` and ``invoice``: an operator's word on what is stuck."""

import argparse
from collections.abc import Sequence

from service.audit.model import Decided
from service.commands.console import add_decided, answer
from service.kernel.context import Context
from service.payment import actions as payment
from service.receipt import invoices
from service.settings import Settings


def review_payment(argv: Sequence[str], settings: Settings) -> int:
    """``yimatong payment review``. Exit status 2 when it is refused, with the reason."""
    parser, verb = _parser("payment", "review", "end the review of an order (NEEDS_REVIEW)")
    verb.add_argument("--payment", required=True, metavar="ID", help="the item's attempt_id")
    verb.add_argument(
        "--money-is-back",
        action="store_true",
        help="whatever was paid otherwise than asked went back to the payer",
    )
    asked = parser.parse_args(argv)

    async def job(ctx: Context) -> str:
        decided = Decided(asked.by, asked.because)
        return await review(ctx, asked.payment, decided, money_is_back=asked.money_is_back)

    return answer("payment", settings, job, asks_partners=True)


def retry_refund(argv: Sequence[str], settings: Settings) -> int:
    """``yimatong refund retry``. Exit status 2 when it is refused, with the reason."""
    parser, verb = _parser("refund", "retry", "send a refund again that was refused or failed")
    verb.add_argument("--refund", required=True, metavar="ID", help="the item's refund_id")
    asked = parser.parse_args(argv)

    async def job(ctx: Context) -> str:
        return await retry(ctx, asked.refund, Decided(asked.by, asked.because))

    return answer("refund", settings, job)


def send_invoice_again(argv: Sequence[str], settings: Settings) -> int:
    """``yimatong invoice send-again``. Exit status 2 when it is refused, with the reason."""
    words = "send again what the platform refused"
    parser, verb = _parser("invoice", "send-again", words)
    verb.add_argument("--invoice", required=True, metavar="ID", help="what the item is about")
    asked = parser.parse_args(argv)

    async def job(ctx: Context) -> str:
        return await send_again(ctx, asked.invoice, Decided(asked.by, asked.because))

    return answer("invoice", settings, job)


async def review(ctx: Context, attempt: str, decided: Decided, *, money_is_back: bool) -> str:
    """End a review by what the provider says now. Raises ``NotFound``, ``StateConflict``."""
    key = ctx.public_ids.parse(attempt)
    row = await payment.end_review(ctx, *key, decided=decided, money_is_back=money_is_back)
    return f"{attempt} is {row.state.value}"


async def retry(ctx: Context, refund: str, decided: Decided) -> str:
    """Have a refund go again. Raises ``NotFound``, ``StateConflict``."""
    row = await payment.retry_refund(ctx, *ctx.public_ids.parse(refund), decided)
    number = ctx.public_ids.text(row.record_id, row.refund_id)
    return f"{number} goes to the provider as {row.refund_no}; the worker sends it"


async def send_again(ctx: Context, invoice: str, decided: Decided) -> str:
    """Have an invoice or its write-off go again. Raises ``NotFound``, ``StateConflict``."""
    await invoices.send_again(ctx, *ctx.public_ids.parse(invoice), decided)
    return f"{invoice} goes to the platform again; the worker sends it"


def _parser(
    name: str, verb: str, words: str
) -> tuple[argparse.ArgumentParser, argparse.ArgumentParser]:
    parser = argparse.ArgumentParser(prog=f"yimatong {name}")
    verbs = parser.add_subparsers(required=True, metavar="VERB", dest="verb")
    made = verbs.add_parser(verb, help=words, description=words)
    add_decided(made)
    return parser, made
