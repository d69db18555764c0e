"""``yimatong keys``: the verbs of those who answer for the keys."""

import argparse
import asyncio
import getpass
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from service.commands.console import ReaderGone, complain, say
from service.settings import Settings

if TYPE_CHECKING:
    from crypto.keyring import KeyKind
    from service.keys.root_verbs import RootDesk

Verb = Callable[[argparse.Namespace, Settings], int]
Adder = Callable[[str, str], argparse.ArgumentParser]
_PASSPHRASE_MAX = 4096
_TRIES = 5
_UNIT_S = {"s": 1, "d": 86_400}


class PassphraseRefused(Exception):
    """A passphrase was not given, or not the same twice."""


def add_verbs(parser: argparse.ArgumentParser) -> None:
    """Everything below ``yimatong keys``."""
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    _add_ring_verbs(_adder(verbs, _on_ring))
    _add_trust_verbs(_adder(verbs, _on_root))
    root = verbs.add_parser("root", help="the offline root; needs no network and no database")
    _add_root_verbs(_adder(root.add_subparsers(required=True, metavar="VERB"), _on_root))


def _adder(verbs: Any, runner: Callable[[str], Verb]) -> Adder:
    def add(name: str, text: str) -> argparse.ArgumentParser:
        sub: argparse.ArgumentParser = verbs.add_parser(name, help=text, description=text)
        sub.set_defaults(verb=runner(name))
        return sub

    return add


def _add_ring_verbs(add: Adder) -> None:
    listed = add("list", "every version, its state and windows; no material")
    listed.add_argument("--json", action="store_true", help="one JSON object a line")
    listed.add_argument("--rows", action="store_true", help="count the rows that need each version")
    made = add("init", "make the keys of a new installation")
    made.add_argument("--province", type=int, required=True, help="two digits of GB/T 2260")
    turned = add(
        "rotate",
        "a new version of a kind, or of every kind that is due; unless --from says when, one that "
        "others must learn of signs first in 14 days (trust list, transport), others in a minute",
    )
    turned.add_argument("kind", nargs="?", type=_kind, default=None)
    turned.add_argument("--due", action="store_true", help="by the calendar; for cron")
    turned.add_argument("--from", dest="start", type=_instant, default=None, metavar="T")
    turned.add_argument(
        "--public", default=None, metavar="HEX", help="the new key lies in a card: its public half"
    )
    closed = _version_of(add("close", "refuse what a version made at or after an instant"))
    closed.add_argument("--after", type=_instant, required=True, metavar="T")
    cut = _version_of(add("cut-off", "void what a version issued before an instant"))
    cut.add_argument("--before", type=_instant, required=True, metavar="T")
    gone = _version_of(add("destroy", "make a version unrecoverable"))
    gone.add_argument("--force", default=None, metavar="WORDS", help='"destroy KIND VERSION"')
    add("check", "say what needs a person; exit status 1 when something does")
    kept = add("backup", "seal all keys under a passphrase, into a new file")
    kept.add_argument("file")
    back = add("restore", "put a backup in place")
    back.add_argument("file")
    back.add_argument("--replace", action="store_true", help="there is a keystore already")
    back.add_argument(
        "--database-intact",
        action="store_true",
        help="only the keys were lost: codes stay good; in the first restore, or it is too late",
    )
    back.add_argument("--journal", default=None, help="a copy of keystore.journal from elsewhere")
    back.add_argument(
        "--without-journal",
        action="store_true",
        help="though closings, cut-offs and destructions since the backup are undone by it",
    )
    for sub in (kept, back):
        sub.add_argument("--passphrase-file", action="append", default=[], metavar="FILE")
    add("write-serving", "write the serving keystore anew, where a signer is")
    add("change-master", "seal the keystore under a fresh master key")


def _version_of(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("kind", type=_kind)
    parser.add_argument("version", type=int)
    return parser


def _add_trust_verbs(add: Adder) -> None:
    out = add("export-public", "write what the root must vouch for")
    out.add_argument("file")
    put = add("install-trust-list", "check a signed trust list and put it in force")
    put.add_argument("file")
    put.add_argument(
        "--pin", nargs="+", default=[], metavar="ROOT", help="pin these roots together with it"
    )
    put.add_argument(
        "--force", action="store_true", help="though it lacks keys of the ring, or no pin stays"
    )
    pin = add("pin-root", "say whose trust lists count: the present root and the next")
    pin.add_argument("public", nargs="+", help="compressed public key in hexadecimal")
    pin.add_argument("--force", action="store_true", help="though none of the present ones stays")


def _add_root_verbs(add: Adder) -> None:
    made = add("init", "a new root that any two of its custodians open")
    made.add_argument("--output", required=True)
    shown = add("show", "a root's public half and its custodians")
    shown.add_argument("--root", required=True)
    changed = add("change-custodians", "the same root for other custodians or passphrases")
    changed.add_argument("--root", required=True)
    changed.add_argument("--output", required=True)
    signed = add("sign-trust-list", "sign what the online side exported")
    signed.add_argument("--root", required=True)
    signed.add_argument("--ring-public", required=True)
    signed.add_argument("--output", required=True)
    signed.add_argument("--next", type=int, required=True, metavar="DAYS")
    signed.add_argument("--fingerprint", required=True, help="as the online side showed it")
    signed.add_argument("--other-root", action="append", default=[], metavar="FILE")
    signed.add_argument(
        "--above", type=int, default=0, metavar="N", help="the highest sequence readers hold"
    )
    signed.add_argument("--yes", action="store_true", help="do not ask after showing the list")
    for sub in (made, changed):
        sub.add_argument("--custodian", nargs="+", required=True, metavar="NAME")
    for sub in (changed, signed):
        sub.add_argument("--by", nargs=2, required=True, metavar="NAME", help="who opens it")
    for sub in (made, changed, signed):
        sub.add_argument(
            "--passphrase-file", action="append", default=[], metavar="NAME=FILE", help="else asked"
        )


def _instant(text: str) -> datetime:
    """``now``, a time from now such as ``+90s`` or ``+14d``, or RFC 3339 with an offset."""
    from service.kernel.clock import SystemClock

    if text == "now":
        return SystemClock().now()
    try:
        if text[:1] == "+" and text[-1:] in _UNIT_S and text[1:-1].isdecimal() and len(text) < 10:
            return SystemClock().now() + timedelta(seconds=int(text[1:-1]) * _UNIT_S[text[-1]])
        at = datetime.fromisoformat(text)
        if at.tzinfo is not None:
            return at.astimezone(UTC)
    except OverflowError:
        raise argparse.ArgumentTypeError(f"{text} is beyond the calendar") from None
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(
        f"{text!r} is no time: now, +90s, +14d, or with its offset 2026-03-02T10:00:00+08:00"
    )


def _kind(text: str) -> str:
    from crypto.keyring import KeyKind

    if text not in set(KeyKind):
        kinds = ", ".join(KeyKind)
        raise argparse.ArgumentTypeError(f"there is no kind {text!r}; the kinds are {kinds}")
    return text


def _on_ring(name: str) -> Verb:
    def run(arguments: argparse.Namespace, settings: Settings) -> int:
        from service.kernel.clock import SystemClock
        from service.kernel.live_ring import KeystoreFile
        from service.keys import root_verbs, verbs
        from service.keys.keystore_editing import KeystoreEditor
        from service.keys.serving_copy import serving_copy_of

        desk = verbs.Desk(
            arguments=arguments,
            editor=KeystoreEditor(
                KeystoreFile(settings.keystore, settings.master_key_file),
                serving=serving_copy_of(settings),
            ),
            now=SystemClock().now(),
            passphrase=_passphrases(arguments),
            needed=_needed(settings),
        )
        if name == "check":
            root_desk = _root_desk(arguments, settings)
            return _said(lambda: verbs.check(desk) + root_verbs.check_trust(root_desk), found=1)
        status = _said(lambda: verbs.VERBS[name](desk))
        if desk.editor.left_behind is None:
            return status
        complain(f"yimatong keys: {desk.editor.left_behind}")
        return 1

    return run


def _on_root(name: str) -> Verb:
    def run(arguments: argparse.Namespace, settings: Settings) -> int:
        from service.keys import root_verbs

        desk = _root_desk(arguments, settings)
        return _said(lambda: root_verbs.VERBS[name](desk))

    return run


def _root_desk(arguments: argparse.Namespace, settings: Settings) -> "RootDesk":
    from service.kernel.clock import SystemClock
    from service.kernel.live_ring import KeystoreFile
    from service.keys.root_verbs import RootDesk
    from service.keys.trust_files import TrustFiles

    return RootDesk(
        arguments=arguments,
        now=SystemClock().now(),
        passphrase=_passphrases(arguments),
        keystore=KeystoreFile(settings.keystore, settings.master_key_file),
        trust=TrustFiles(settings.trust_list, settings.trust_roots),
        show=say,
        ask=_ask,
    )


def _said(work: Callable[[], list[str]], found: int = 0) -> int:
    """Say what came of it: 0, or ``found`` when there was something to say; 2 when refused."""
    from crypto.errors import CryptoError
    from service.kernel.problems import NotSetUp
    from service.keys.ceremony import CeremonyRefused
    from service.keys.changes import ChangeRefused
    from service.keys.keystore_editing import KeystoreBusy, KeystoreInTheWay

    try:
        lines = work()
    except (
        CeremonyRefused,
        ChangeRefused,
        CryptoError,
        KeystoreBusy,
        KeystoreInTheWay,
        NotSetUp,
        PassphraseRefused,
        OSError,
        OverflowError,
        ValueError,
    ) as fault:
        complain(f"yimatong keys: {str(fault) or type(fault).__name__}")
        return 2
    try:
        for line in lines:
            say(line)
    except ReaderGone:
        pass
    return found if lines else 0


def _ask(question: str) -> str:
    """What is written on the terminal; nothing when there is none."""
    try:
        return input(question)
    except EOFError:
        return ""


def _passphrases(arguments: argparse.Namespace) -> Callable[[str, bool], str]:
    """From the files named, else from the terminal; a new one is asked for twice."""
    named = {}
    for given in getattr(arguments, "passphrase_file", []):
        name, equals, path = given.rpartition("=")
        named[name if equals else "backup"] = Path(path)

    def read(name: str, is_new: bool) -> str:
        if name in named:
            with named[name].open(encoding="utf-8") as file:
                return file.read(_PASSPHRASE_MAX)
        return ask_passphrase(name, is_new, getpass.getpass, complain)

    return read


def ask_passphrase(
    name: str, is_new: bool, ask: Callable[[str], str], tell: Callable[[str], None]
) -> str:
    """What one person types; a new one twice, and again, a few times, when it is too short or the
    two differ: nobody else types anew for it. Raises ``PassphraseRefused``."""
    from crypto.errors import BadKey
    from crypto.passphrase import passphrase_bytes

    why = ""
    try:
        for tried in range(_TRIES if is_new else 1):
            if tried:
                tell(f"{why}: once more")
            given = ask(f"passphrase of {name}: ")
            if not is_new:
                return given
            try:
                passphrase_bytes(given)
            except BadKey as fault:
                why = str(fault)
                continue
            if ask(f"passphrase of {name}, again: ") == given:
                return given
            why = "the two passphrases differ"
    except EOFError:
        raise PassphraseRefused(f"no passphrase of {name} was given") from None
    raise PassphraseRefused(f"passphrase of {name}: {why}")


def _needed(settings: Settings) -> "Callable[[KeyKind, int], dict[str, int]]":
    """Counts the rows in the database that need a version."""

    def count(kind: "KeyKind", version: int) -> dict[str, int]:
        from service.features import KEYED_ROWS
        from service.kernel.database import UNAVAILABLE
        from service.kernel.problems import NotSetUp
        from service.keys.changes import ChangeRefused
        from service.rekeying.actions import remaining
        from service.wiring import open_without_partners

        async def ask() -> dict[str, int]:
            async with open_without_partners(settings, "keys") as ctx:
                return (await remaining(ctx, KEYED_ROWS, kind, version)).rows

        try:
            return asyncio.run(ask())
        except NotSetUp as fault:
            raise ChangeRefused(f"the rows could not be counted: {fault}") from None
        except UNAVAILABLE as fault:
            raise ChangeRefused(f"the rows could not be counted: {type(fault).__name__}") from None

    return count
