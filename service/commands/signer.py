"""``yimatong signer``: its arguments, and the process."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from service.commands.console import complain, until_stopped
from service.settings import Settings

if TYPE_CHECKING:
    from crypto.keyring import KeyKind


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What may be said on the command line."""
    parser.add_argument("--socket", type=Path, default=None, help="where to listen")
    parser.add_argument(
        "--sdf",
        type=Path,
        default=None,
        metavar="FILE",
        help="a cipher card's file; untried on a device",
    )
    parser.add_argument(
        "--user", action="append", help="who else may ask, by name; default: its own user alone"
    )
    parser.add_argument(
        "--kind",
        action="append",
        help="repeatable; default: YIMATONG_SIGNER_KINDS",
    )


def _user(name: str) -> int:
    """Its number. ``ValueError``."""
    from pwd import getpwnam

    try:
        return getpwnam(name).pw_uid
    except KeyError:
        raise ValueError(f"--user {name}: there is no such user on this machine") from None


def _kind(name: str) -> "KeyKind":
    from crypto.keyring import SIGNING_KINDS

    for kind in SIGNING_KINDS:
        if kind.value == name:
            return kind
    kinds = ", ".join(sorted(SIGNING_KINDS))
    raise ValueError(f"--kind {name}: no kind that signs; those are {kinds}")


def run_verb(arguments: argparse.Namespace, settings: Settings) -> int:
    """Serve until told to stop. Exit status 2 when it cannot begin."""
    import uvloop

    from crypto.errors import CryptoError
    from crypto.signer import SignerUnavailable
    from service.kernel.logs import set_up_logs
    from service.signer.sdf import read_card
    from service.signer.server import SocketTaken, run_signer
    from service.wiring import install_ciphers, keystore_of

    path = arguments.socket or settings.signer_socket
    if path is None:
        complain("yimatong signer: --socket or YIMATONG_SIGNER_SOCKET says where to listen")
        return 2
    set_up_logs("signer")
    try:
        install_ciphers(settings)
        kinds = [_kind(kind) for kind in arguments.kind or settings.signer_kinds]
        users = [_user(name) for name in arguments.user or ()]
        keys = keystore_of(settings)
        card = None if arguments.sdf is None else read_card(arguments.sdf)
        uvloop.run(until_stopped(lambda stop: run_signer(keys, path, kinds, users, stop, card)))
    except (
        SocketTaken,
        CryptoError,
        ValueError,
        OSError,
        SignerUnavailable,
    ) as fault:
        complain(f"yimatong signer: {fault}")
        return 2
    return 0
