"""The ``yimatong`` command: one verb a job; a verb imports what it needs."""

import argparse
import asyncio
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from service.commands.console import ReaderGone, complain, say, until_stopped
from service.kernel.problems import NotSetUp
from service.settings import Settings, SettingsFault, read_settings

Verb = Callable[[argparse.Namespace, Settings], int]
NO_READER = 141
"""What a shell says of a program that SIGPIPE ended."""


def serve(_arguments: argparse.Namespace, settings: Settings) -> int:
    """The API and the pages."""
    from service.serve import run_server

    return run_server(settings)


def worker(_arguments: argparse.Namespace, settings: Settings) -> int:
    """Claim loops over due work."""
    import uvloop

    from service.figures import served
    from service.kernel.collector import let_the_collector_rest
    from service.kernel.logs import set_up_logs
    from service.wiring import install_ciphers, open_context
    from service.worker import work

    set_up_logs("worker")
    install_ciphers(settings)

    async def run(stop: asyncio.Event) -> None:
        async with open_context(settings, "worker") as ctx:
            let_the_collector_rest()
            with served(ctx.metrics, settings.host, settings.worker_port):
                await work(ctx, stop)

    uvloop.run(until_stopped(run))
    return 0


def signer(arguments: argparse.Namespace, settings: Settings) -> int:
    """Signing keys in a process of their own."""
    from service.commands.signer import run_verb

    return run_verb(arguments, settings)


def sandbox(_arguments: argparse.Namespace, settings: Settings) -> int:
    """The partners' twins."""
    from service.sandbox.twins import run_sandbox

    return run_sandbox(settings)


def run(_arguments: argparse.Namespace, settings: Settings) -> int:
    """Everything on one machine."""
    from service.run import run_all

    return asyncio.run(run_all(settings))


def migrate(_arguments: argparse.Namespace, settings: Settings) -> int:
    """Bring the schema to the newest version."""
    from service.kernel.migrate import migrate as apply
    from service.wiring import connect

    async def run_migrations() -> int:
        conn = await connect(settings)
        try:
            return await apply(conn)
        finally:
            await conn.close()

    say(f"{asyncio.run(run_migrations())} migrations applied")
    return 0


def demo(arguments: argparse.Namespace, settings: Settings) -> int:
    """The main journey against a running system."""
    from service.sandbox.journey import run_demo

    return asyncio.run(run_demo(settings, base_url=arguments.base_url, as_json=arguments.json))


def conformance(arguments: argparse.Namespace, _settings: Settings) -> int:
    """Judge files of cases."""
    from service.conformance.runner import main as judge

    return judge(arguments.files, arguments.json)


def openapi(arguments: argparse.Namespace, _settings: Settings) -> int:
    """Write the OpenAPI document."""
    from service.openapi import document

    text = document()
    if arguments.output is None:
        say(text)
    else:
        Path(arguments.output).write_text(text, "utf-8")
    return 0


def states(arguments: argparse.Namespace, _settings: Settings) -> int:
    """Draw the diagrams of docs/settlement.md anew."""
    from service.state_document import DocumentFaults, write

    try:
        changed = write(Path(arguments.file))
    except DocumentFaults as found:
        for line in found.faults:
            complain(f"{arguments.file}: {line}")
        return 1
    say(f"{arguments.file}: {'drawn anew' if changed else 'unchanged'}")
    return 0


def config_check(_arguments: argparse.Namespace, settings: Settings) -> int:
    """Settings and ciphers are in order, and the signer, where there is one, answers."""
    from crypto.errors import CryptoError
    from crypto.signer import SignerError
    from service.wiring import check_signer, install_ciphers

    try:
        report = install_ciphers(settings)
    except CryptoError as fault:
        complain(f"yimatong: {fault}")
        return 2
    say(f"mode {settings.mode}; SM2 by {report.backend} ({report.version}); self-test passed")
    for warning in report.warnings:
        say(f"warning: {warning}")
    if settings.signer_socket is None:
        return 0
    try:
        asyncio.run(check_signer(settings))
    except (SignerError, CryptoError) as fault:
        complain(f"yimatong: the signer at {settings.signer_socket}: {fault}")
        return 2
    say(f"the signer at {settings.signer_socket} answers, with the keys of the serving keystore")
    return 0


def sign_debug(arguments: argparse.Namespace, _settings: Settings) -> int:
    """Show the text that a signature covers, so that a vendor can compare."""
    from service.kernel.signed_requests import text_to_sign

    body = Path(arguments.body).read_bytes() if arguments.body else b""
    text = text_to_sign(
        caller_id=arguments.id,
        method=arguments.method,
        host=arguments.host,
        target=arguments.target,
        timestamp=arguments.timestamp,
        nonce=arguments.nonce,
        idempotency_key=arguments.idempotency_key,
        body=body,
    )
    say(repr(text)[2:-1])
    return 0


def certificates(arguments: argparse.Namespace, settings: Settings) -> int:
    """Certificates of hospitals' applications; has verbs of its own."""
    from service.commands.certificates import main as run_verb

    return run_verb(arguments.rest, settings)


def notice(arguments: argparse.Namespace, settings: Settings) -> int:
    """Events out to hospitals; has verbs of its own."""
    from service.commands.notice import main as run_verb

    return run_verb(arguments.rest, settings)


def settlement(arguments: argparse.Namespace, settings: Settings) -> int:
    """A person's decisions on settlements; has verbs of its own."""
    from service.commands.settlement import main as run_verb

    return run_verb(arguments.rest, settings)


def person(arguments: argparse.Namespace, settings: Settings) -> int:
    """The master index; has verbs of its own."""
    from service.commands.person import main as run_verb

    return run_verb(arguments.rest, settings)


def work(arguments: argparse.Namespace, settings: Settings) -> int:
    """Work items; has verbs of its own."""
    from service.commands.work import main as run_verb

    return run_verb(arguments.rest, settings)


def payment(arguments: argparse.Namespace, settings: Settings) -> int:
    """A person's decision on an order under review."""
    from service.commands.stuck import review_payment

    return review_payment(arguments.rest, settings)


def refund(arguments: argparse.Namespace, settings: Settings) -> int:
    """A person's word on a refund that was refused or failed."""
    from service.commands.stuck import end_refund

    return end_refund(arguments.rest, settings)


def invoice(arguments: argparse.Namespace, settings: Settings) -> int:
    """A person has a fiscal e-invoice go again."""
    from service.commands.stuck import send_invoice_again

    return send_invoice_again(arguments.rest, settings)


def staff(arguments: argparse.Namespace, settings: Settings) -> int:
    """Cashiers, counters and shifts; has verbs of its own."""
    from service.commands.staff import main as run_verb

    return run_verb(arguments.rest, settings)


def console(arguments: argparse.Namespace, settings: Settings) -> int:
    """Who may sign in to the console; has verbs of its own."""
    from service.commands.operators import main as run_verb

    return run_verb(arguments.rest, settings)


def reconcile(arguments: argparse.Namespace, settings: Settings) -> int:
    """A day's statements against our books."""
    from service.commands.reconcile import run as run_verb

    return run_verb(arguments, settings)


def simulate(arguments: argparse.Namespace, settings: Settings) -> int:
    """Settlements under a seeded scheduler."""
    from service.simulate.command import run as run_verb

    return run_verb(arguments, settings)


_OWN_HELP = "each has its own --help"
_WITH_VERBS: tuple[tuple[str, Verb, str, str], ...] = (
    (
        "work",
        work,
        "what waits for a person, and what ends it",
        f"list, show, close or reasons; {_OWN_HELP}",
    ),
    ("payment", payment, "an order whose review a person ends", "review"),
    ("refund", refund, "a refund that a person brings to an end", f"retry or confirm; {_OWN_HELP}"),
    ("invoice", invoice, "an invoice that a person has sent again", "send-again"),
    (
        "certificates",
        certificates,
        "certificates of hospitals' applications",
        f"show, issue, renew, revoke, list, crl or roots; {_OWN_HELP}",
    ),
    ("notice", notice, "events out to hospitals", f"show or replay; {_OWN_HELP}"),
    (
        "settlement",
        settlement,
        "decisions on settlements, and the days of the books",
        f"review, approval-limit, day, close-day or check-day; {_OWN_HELP}",
    ),
    (
        "staff",
        staff,
        "cashiers, what counters take, and shifts",
        f"add, new-pin, suspend, resume, list, tenders or shifts; {_OWN_HELP}",
    ),
    (
        "console",
        console,
        "who of the platform's staff may sign in to the console",
        f"add, new-secrets, roles, suspend, resume, unlock or list; {_OWN_HELP}",
    ),
    (
        "person",
        person,
        "the master index by files, and stewards' rulings",
        f"match, or a steward's word on a record: show, say-same, died and others; {_OWN_HELP}",
    ),
)


def _parser() -> argparse.ArgumentParser:
    from service.commands.code import add_code_verbs
    from service.commands.keys import add_verbs
    from service.commands.signer import add_arguments

    parser = argparse.ArgumentParser(prog="yimatong", description="One health code for a province.")
    parser.add_argument("--version", action="version", version="yimatong 0.1.0")
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    def add(name: str, verb: Verb, text: str) -> argparse.ArgumentParser:
        sub = verbs.add_parser(name, help=text, description=text)
        sub.set_defaults(verb=verb)
        return sub

    add("run", run, "everything on one machine: database, twins, service, worker")
    add("serve", serve, "the API and the pages")
    add("worker", worker, "the background worker")
    add_arguments(add("signer", signer, "signing keys in a process of their own"))
    add("sandbox", sandbox, "the partners' twins")
    add("migrate", migrate, "bring the database schema to the newest version")
    add("config-check", config_check, "check settings, ciphers, and that the signer answers")
    journey = add("demo", demo, "the main journey against a running system")
    journey.add_argument("--json", action="store_true", help="one JSON object a step")
    journey.add_argument("--base-url", default=None, help="where the system runs")
    judge = add("conformance", conformance, "judge files of cases, or a folder's")
    judge.add_argument("files", nargs="+", type=Path, metavar="FILE", help="or a folder of them")
    judge.add_argument("--json", action="store_true", help="one JSON verdict a line")
    add_code_verbs(verbs.add_parser("code", help="health codes"))
    for name, run_it, text, words in _WITH_VERBS:
        rest = add(name, run_it, text)
        rest.add_argument("rest", nargs=argparse.REMAINDER, metavar="VERB", help=words)
    add_verbs(verbs.add_parser("keys", help="the life of keys, and the offline root"))
    compare = add("reconcile", reconcile, "a day's statements against our books")
    compare.add_argument("--day", required=True, metavar="YYYY-MM-DD", help="a day in China")
    words = "repeatable; default: every account that collects"
    compare.add_argument("--account", action="append", metavar="PROVIDER:NAME", help=words)
    compare.add_argument("--json", action="store_true", help="for programs; amounts in fen")
    _add_simulate(add("simulate", simulate, "settlements with faults and crashes, by seeds"))
    add("openapi", openapi, "write the OpenAPI document").add_argument("--output", default=None)
    drawn = add("states", states, "draw the state diagrams of the settlement's document anew")
    drawn.add_argument("file", nargs="?", default="docs/settlement.md")
    _add_sign_debug(add("sign-debug", sign_debug, "show the text that a request signature covers"))
    return parser


def _add_sign_debug(debug: argparse.ArgumentParser) -> None:
    for name in ("id", "method", "host", "target", "nonce"):
        debug.add_argument(f"--{name}", required=True)
    debug.add_argument("--timestamp", type=int, required=True)
    debug.add_argument("--idempotency-key", default="")
    debug.add_argument("--body", default=None, help="a file with the body's bytes")


def _add_simulate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seeds", metavar="A:B", help="from A up to and without B")
    words = "in each seed, side by side"
    parser.add_argument("--settlements", type=int, default=20, metavar="N", help=words)
    words = "a crash at every crash point of the stories"
    parser.add_argument("--crash-points", action="store_true", help=words)
    parser.add_argument("--pairs", action="store_true", help="two crashes, at every pair of points")
    words = "of --pairs: each pair in every story that passes it, not in one of them"
    parser.add_argument("--every-story", action="store_true", help=words)
    words = "of --pairs: another number draws other stories"
    parser.add_argument("--draw", type=int, default=0, metavar="N", help=words)
    words = "of --pairs: the K-th of N shares"
    parser.add_argument("--share", default="1/1", metavar="K/N", help=words)
    parser.add_argument("--story", metavar="NAME", help="one story")
    words = "numbers of the points at which it crashes"
    parser.add_argument("--crash-at", default="", metavar="N[,N]", help=words)
    parser.add_argument("--database", metavar="URL", help="an empty, migrated database to use")
    parser.add_argument("--trace", action="store_true", help="show the last steps in any case")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, read settings, run the verb. Exit status 2 for wrong settings, and where a verb finds
    what it begins with missing: a keystore, the partners' file, a database."""
    arguments = _parser().parse_args(argv)
    try:
        settings = read_settings(os.environ)
    except SettingsFault as fault:
        for line in fault.faults:
            complain(f"yimatong: {line}")
        return 2
    verb: Verb = arguments.verb
    try:
        return verb(arguments, settings)
    except NotSetUp as fault:
        complain(f"yimatong: {fault}")
        return 2
    except ReaderGone:
        return NO_READER
