"""``yimatong console``: who of the platform's own staff may sign in to the console."""

import argparse
from collections.abc import Sequence
from io import StringIO
from typing import Any

from qrcode import QRCode

from service.audit.model import Decided
from service.commands.console import add_decided, answer
from service.console import enrolling
from service.console.model import Enrolled, OperatorState, Role
from service.kernel.context import Context
from service.settings import Settings

_ONCE = "nobody can read this again; an authenticator app scans the symbol, or takes the address"


def main(argv: Sequence[str], settings: Settings) -> int:
    """Run one verb. Exit status 2 when it is refused, with the reason on standard error."""
    arguments = _parser().parse_args(argv)
    return answer("console", settings, lambda ctx: _act(ctx, arguments))


async def _act(ctx: Context, arguments: argparse.Namespace) -> str:
    if arguments.verb == "list":
        return await list_lines(ctx)
    name, decided = arguments.name, Decided(arguments.by, arguments.because)
    match arguments.verb:
        case "add":
            roles = [Role(one) for one in arguments.role]
            return _handed(name, await enrolling.add_operator(ctx, name, roles, decided))
        case "new-secrets":
            return _handed(name, await enrolling.new_secrets(ctx, name, decided))
        case "roles":
            await enrolling.set_roles(ctx, name, [Role(one) for one in arguments.role], decided)
            return f"{name} is {', '.join(sorted(arguments.role))}; the session is over"
        case "unlock":
            await enrolling.unlock(ctx, name, decided)
            return f"{name} may sign in"
        case _:
            is_over = arguments.verb == "suspend"
            state = OperatorState.SUSPENDED if is_over else OperatorState.ACTIVE
            await enrolling.set_state(ctx, name, state, decided)
            return f"{name} may {'not sign in any more' if is_over else 'sign in'}"


async def list_lines(ctx: Context) -> str:
    """A line for each operator, by name."""
    found = await enrolling.list_operators(ctx)
    lines = [f"{one.name:<20} {one.state.value:<10} {', '.join(one.roles)}" for one in found]
    return "\n".join(lines) or "nobody may sign in to the console"


def _handed(name: str, given: Enrolled) -> str:
    return f"{name}, password {given.password}\n{given.factor}\n{_symbol(given.factor)}{_ONCE}"


def _symbol(text: str) -> str:
    """A QR symbol of half blocks, light on the terminal's dark ground."""
    symbol: Any = QRCode(border=2)
    symbol.add_data(text)
    drawn = StringIO()
    symbol.print_ascii(out=drawn, invert=True)
    return drawn.getvalue()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="yimatong console")
    verbs = parser.add_subparsers(required=True, metavar="VERB", dest="verb")
    texts = {
        "add": "enrol an operator; says his password and second factor, once",
        "new-secrets": "give an operator another password and second factor",
        "roles": "say what an operator is, and nothing else",
        "suspend": "let an operator not sign in any more",
        "resume": "let a suspended operator sign in again",
        "unlock": "let an operator who is locked out try again at once",
    }
    for verb, text in texts.items():
        made = verbs.add_parser(verb, help=text, description=text)
        made.add_argument("--name", required=True, help="2 to 40 small letters, digits, . and -")
        add_decided(made)
        if verb in ("add", "roles"):
            made.add_argument(
                "--role",
                required=True,
                action="append",
                choices=[role.value for role in Role],
                help="repeatable",
            )
    verbs.add_parser("list", help="who may sign in, and as what")
    return parser
