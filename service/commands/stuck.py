"""``yimatong payment``, ``refund`` and ``invoice``: an operator's word on what is stuck."""

import argparse
from collections.abc import Sequence

from service.audit.model import Decided
from service.commands.console import add_decided, answer
from service.kernel.context import Context
from service.payment import actions as payment
from service.receipt import invoices
from service.settings import Settings

REFERENCE_MAX = 64


def review_payment(argv: Sequence[str], settings: Settings) -> int:
    """``yimatong payment review``. Exit status 2 when it is refused, with the reason."""
    parser, verb = _parser("payment", ("review", "end the review of an order (NEEDS_REVIEW)"))
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


def end_refund(argv: Sequence[str], settings: Settings) -> int:
    """``yimatong refund``. Exit status 2 when it is refused, with the reason."""
    parser, *found = _parser(
        "refund",
        ("retry", "send a refund again that was refused or failed"),
        ("confirm", "take a failed refund for given, where the provider says so now"),
        ("given-outside", "book what the hospital gave another way and the provider did not"),
    )
    found[-1].add_argument(
        "--reference",
        required=True,
        type=_reference,
        metavar="TEXT",
        help="of transfer or slip",
    )
    for one in found:
        one.add_argument("--refund", required=True, metavar="ID", help="the item's refund_id")
    asked = parser.parse_args(argv)

    async def job(ctx: Context) -> str:
        decided = Decided(asked.by, asked.because)
        if asked.verb == "given-outside":
            return await give_outside(ctx, asked.refund, asked.reference, decided)
        act = retry if asked.verb == "retry" else confirm
        return await act(ctx, asked.refund, decided)

    return answer("refund", settings, job, asks_partners=asked.verb != "retry")


def _reference(text: str) -> str:
    if not 1 <= len(text) <= REFERENCE_MAX or not text.isprintable():
        raise argparse.ArgumentTypeError(f"1 to {REFERENCE_MAX} printable characters")
    return text


def send_invoice_again(argv: Sequence[str], settings: Settings) -> int:
    """``yimatong invoice send-again``. Exit status 2 when it is refused, with the reason."""
    parser, verb = _parser("invoice", ("send-again", "send again what the platform refused"))
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


async def confirm(ctx: Context, refund: str, decided: Decided) -> str:
    """Take a failed refund for given. Raises ``NotFound``, ``StateConflict``."""
    row = await payment.confirm_refund(ctx, *ctx.public_ids.parse(refund), decided)
    return f"{refund} is {row.state.value}"


async def give_outside(ctx: Context, refund: str, reference: str, decided: Decided) -> str:
    """Book what was given another way. Raises ``NotFound``, ``StateConflict``."""
    key = ctx.public_ids.parse(refund)
    row = await payment.give_outside(ctx, *key, reference, decided)
    return f"{refund} was given outside by {reference}: {row.amount_fen} fen"


async def send_again(ctx: Context, invoice: str, decided: Decided) -> str:
    """Have an invoice or its write-off go again. Raises ``NotFound``, ``StateConflict``."""
    await invoices.send_again(ctx, *ctx.public_ids.parse(invoice), decided)
    return f"{invoice} goes to the platform again; the worker sends it"


def _parser(name: str, *verbs: tuple[str, str]) -> list[argparse.ArgumentParser]:
    """The parser, then that of each verb; ``verbs``: name and words."""
    parser = argparse.ArgumentParser(prog=f"yimatong {name}")
    chosen = parser.add_subparsers(required=True, metavar="VERB", dest="verb")
    made = [chosen.add_parser(verb, help=words, description=words) for verb, words in verbs]
    for one in made:
        add_decided(one)
    return [parser, *made]
