"""``yimatong code``: the verbs of those who read codes, all of them offline but ``fetch-lists``."""

import argparse
import sys
from pathlib import Path

from service.commands.console import complain, say, until_stopped
from service.settings import Settings

STDIN_MAX = 1 << 20
PURPOSES = ("identify", "register", "pay", "open_archive", "collect", "consent")


def add_code_verbs(parser: argparse.ArgumentParser) -> None:
    """Everything below ``yimatong code``."""
    code = parser.add_subparsers(required=True, metavar="VERB")
    look = code.add_parser("inspect", help="what a scanned text is; offline")
    words = "as it was scanned; - for standard input, a text a line and an answer a line"
    look.add_argument("text", help=words)
    look.add_argument("--trust", metavar="FILE", help="a trust file; default: the local key ring")
    look.set_defaults(verb=_inspect)
    check = code.add_parser("verify", help="verify texts, one a line, one JSON verdict a line")
    check.add_argument("--trust", required=True, help="a trust file")
    check.add_argument(
        "--revoked", action="append", default=[], metavar="FILE", help="a revocation list"
    )
    check.add_argument("--at", default=None, help="RFC 3339 time; default: now")
    words = "what is wanted; default: what the offer asks for, else identify"
    check.add_argument("--purpose", choices=PURPOSES, help=words)
    words = "the open offer: only codes bound to it hold"
    check.add_argument("--offer", metavar="TEXT|FILE", help=words)
    check.add_argument("--state", default=None, metavar="DIR", help="remember what was shown")
    words = "worker processes; default: all cores"
    check.add_argument("--jobs", type=_at_least_one, default=0, metavar="N", help=words)
    check.set_defaults(verb=_verify)
    owed = code.add_parser("hand-in", help="what a reader's folder still owes the platform")
    owed.add_argument("--state", required=True, metavar="DIR", help="the folder of code verify")
    owed.add_argument("--confirm", type=int, metavar="N", help="the platform has the first N")
    owed.set_defaults(verb=_hand_in)
    fetch = code.add_parser("fetch-lists", help="fetch, verify and put in place what readers need")
    fetch.add_argument("--from", required=True, dest="source", metavar="URL", help="the platform")
    fetch.add_argument("--into", required=True, type=Path, metavar="DIR", help="as for code serve")
    words = "a pinned root, repeatable; default: those of DIR/trust.json"
    fetch.add_argument("--root", action="append", default=[], metavar="HEX", help=words)
    words = "a class of codes, repeatable; default: 0, the whole province"
    fetch.add_argument("--class", action="append", type=int, dest="code_class", help=words)
    words = "PEM: fetch the list of revoked certificates too, signed by one of these"
    fetch.add_argument("--certificate-roots", type=Path, metavar="FILE", help=words)
    fetch.set_defaults(verb=_fetch_lists)
    front = code.add_parser("serve", help="a hospital's own verifying service, from files alone")
    front.add_argument("--state", required=True, metavar="DIR", help="trust.json, revoked/, state/")
    front.add_argument("--host", default="127.0.0.1", help="default: 127.0.0.1")
    front.add_argument("--port", type=int, default=8095, help="default: 8095")
    front.add_argument("--secret-file", type=Path, help="needed for other than loopback")
    front.add_argument("--tls-cert", type=Path, help="PEM; with --tls-key")
    front.add_argument("--tls-key", type=Path)
    front.set_defaults(verb=_serve)


def _at_least_one(text: str) -> int:
    count = int(text) if text.isdecimal() and len(text) < 5 else 0
    if not count:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 to 9999")
    return count


def _refused(verb: str, fault: Exception, arguments: argparse.Namespace) -> int:
    """Say why, and of a file that does not open by which option it was named; status 2."""
    told = str(fault)
    if isinstance(fault, OSError) and fault.filename is not None:
        told = f"{fault.filename}: {fault.strerror}"
        for name, given in vars(arguments).items():
            values = given if isinstance(given, list) else [given]
            if name != "text" and fault.filename in map(str, values):
                told = f"--{name.replace('_', '-')} {fault.filename}: {fault.strerror}"
    complain(f"yimatong code {verb}: {told}")
    return 2


def _inspect(arguments: argparse.Namespace, settings: Settings) -> int:
    """What a scanned text is; offline."""
    from service.commands import code_inspect

    texts = [arguments.text]
    if arguments.text == "-":
        given = sys.stdin.buffer.read(STDIN_MAX + 1)
        lines = given.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
        texts = lines.removesuffix("\n").split("\n")
        if not lines.strip() or len(given) > STDIN_MAX:
            what = "more than 1 MiB" if lines.strip() else "nothing"
            complain(f"yimatong code inspect: {what} on standard input")
            return 2
    try:
        for text in texts:
            say(code_inspect.inspect(text, settings, arguments.trust))
    except code_inspect.FAULTS as fault:
        return _refused("inspect", fault, arguments)
    return 0


def _verify(arguments: argparse.Namespace, _settings: Settings) -> int:
    """Verify texts from standard input against a trust file; offline."""
    from service.commands import code_verify

    try:
        offer = code_verify.read_offer(arguments.offer)
        wanted = code_verify.Wanted(
            trust=arguments.trust,
            revoked=arguments.revoked,
            at=code_verify.read_time(arguments.at),
            purpose=code_verify.wanted_purpose(arguments.purpose, offer),
            offer=offer,
            state=arguments.state,
            jobs=arguments.jobs,
        )
        return code_verify.verify_stream(wanted, sys.stdin.fileno(), sys.stdout.fileno())
    except code_verify.FAULTS as fault:
        return _refused("verify", fault, arguments)


def _serve(arguments: argparse.Namespace, _settings: Settings) -> int:
    """A hospital's own verifying service; offline."""
    import uvloop

    from crypto.errors import CryptoError
    from service.front_machine.serving import FrontSettings, serve_front
    from service.kernel.logs import set_up_logs

    set_up_logs("front-machine")
    settings = FrontSettings(
        folder=Path(arguments.state),
        host=arguments.host,
        port=arguments.port,
        secret_file=arguments.secret_file,
        tls_cert=arguments.tls_cert,
        tls_key=arguments.tls_key,
    )
    try:
        uvloop.run(until_stopped(lambda stop: serve_front(settings, stop, say)))
    except (OSError, CryptoError, ValueError) as fault:
        return _refused("serve", fault, arguments)
    return 0


def _hand_in(arguments: argparse.Namespace, _settings: Settings) -> int:
    """What a reader's folder still owes the platform; offline."""
    from service.commands import code_hand_in

    folder = Path(arguments.state)
    try:
        if arguments.confirm is not None:
            say(code_hand_in.confirm(folder, arguments.confirm))
        else:
            for body in code_hand_in.bodies(folder):
                say(body)
    except (OSError, ValueError) as fault:
        return _refused("hand-in", fault, arguments)
    return 0


def _fetch_lists(arguments: argparse.Namespace, _settings: Settings) -> int:
    """Fetch what readers judge by, into the folder of a front machine."""
    from service.fetch_lists import verb
    from service.kernel.clock import SystemClock

    wanted = verb.Wanted(
        source=arguments.source,
        folder=arguments.into,
        roots=arguments.root,
        classes=arguments.code_class or [0],
        certificate_roots=arguments.certificate_roots,
    )
    try:
        told = verb.fetch_lists(wanted, SystemClock().now())
    except verb.FAULTS as fault:
        return _refused("fetch-lists", fault, arguments)
    for one in told:
        (say if one.outcome.is_good else complain)(one.line())
    return verb.status_of(told)
