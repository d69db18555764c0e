"""What the verbs around the offline root do. Neither network nor database is touched.

The offline verbs read and write only the files they are given; the online ones read the keystore
and the trust files of the settings.
"""

import argparse
import os
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

import msgspec

from crypto.healthcode.rootfile import fingerprint, make_root, read_root
from crypto.healthcode.trust import TrustList
from crypto.passphrase import LOG2_N
from crypto.sm2 import PublicKey
from service.kernel.live_ring import KeystoreFile
from service.keys import ceremony
from service.keys.ceremony import CeremonyRefused
from service.keys.keystore_editing import write_private

FILE_MAX = 4 << 20


class RootDesk(msgspec.Struct, frozen=True, kw_only=True):
    """What a verb of the root works with."""

    arguments: argparse.Namespace
    now: datetime
    passphrase: Callable[[str, bool], str]
    """Asks for a custodian's passphrase; True: a new one."""
    keystore: KeystoreFile
    trust_list: Path
    trust_roots: Path
    log2_n: int = LOG2_N


def root_init(desk: RootDesk) -> list[str]:
    """Offline: a new root for its custodians."""
    names = desk.arguments.custodian
    if len(set(names)) != len(names):
        raise CeremonyRefused("custodians have names of their own")
    text = make_root({name: desk.passphrase(name, True) for name in names}, log2_n=desk.log2_n)
    write_private(Path(desk.arguments.output), text.encode())
    public = read_root(text).public
    return [
        f"root {public.compressed().hex()}",
        f"fingerprint {_print_of(public)}",
        f"any two of {', '.join(names)} open {desk.arguments.output}",
    ]


def root_show(desk: RootDesk) -> list[str]:
    """Offline: a root's public half and who its custodians are."""
    root = read_root(_read(Path(desk.arguments.root)))
    return [
        f"root {root.public.compressed().hex()}",
        f"fingerprint {_print_of(root.public)}",
        f"any two of {', '.join(root.names)} open it",
    ]


def root_change(desk: RootDesk) -> list[str]:
    """Offline: the same root for other custodians or passphrases, opened by two present ones."""
    arguments = desk.arguments
    key = read_root(_read(Path(arguments.root))).open(_two(desk))
    names = arguments.custodian
    passphrases = {name: desk.passphrase(name, True) for name in names}
    text = make_root(passphrases, root=key, log2_n=desk.log2_n)
    output = Path(arguments.output)
    write_private(output, text.encode())
    signed = _record_of(Path(arguments.root))
    if signed.exists():
        write_private(_record_of(output), signed.read_bytes())
    return [
        f"any two of {', '.join(names)} open {arguments.output}",
        f"destroy {arguments.root} and its copies: its custodians open those still",
    ]


def sign_trust_list(desk: RootDesk) -> list[str]:
    """Offline: show what is to be signed, let two custodians open the root, sign."""
    arguments = desk.arguments
    root_path = Path(arguments.root)
    root_file = read_root(_read(root_path))
    public = ceremony.read_public(_read(Path(arguments.ring_public)).encode())
    print_now = public.fingerprint()
    if arguments.fingerprint.replace(" ", "") != print_now.replace(" ", ""):
        raise CeremonyRefused(
            f"the public file's fingerprint is {print_now}, not the one brought: do not sign"
        )
    others = [read_root(_read(Path(path))).public for path in arguments.other_root]
    record = _record_of(root_path)
    key = root_file.open(_two(desk))
    text, trust = ceremony.signed_list(
        public,
        key,
        others,
        desk.now,
        next_days=arguments.next,
        last_sequence=_newest_signed(record),
    )
    with record.open("a", encoding="ascii") as file:
        file.write(f"{trust.sequence} {trust.made_at.isoformat()} {print_now}\n")
        file.flush()
        os.fsync(file.fileno())
    write_private(Path(arguments.output), text.encode())
    return [*_told(trust), f"signed by root {_print_of(key.public)} into {arguments.output}"]


def _two(desk: RootDesk) -> dict[str, str]:
    names = desk.arguments.by
    if len(names) != 2 or len(set(names)) != 2:
        raise CeremonyRefused("two different custodians open the root: --by NAME NAME")
    return {name: desk.passphrase(name, False) for name in names}


def _record_of(root: Path) -> Path:
    """Beside a root: the sequences that it signed."""
    return root.with_name(root.name + ".signed")


def _newest_signed(record: Path) -> int:
    """The newest sequence that this copy of the root signed, from its own record."""
    try:
        lines = record.read_text("ascii").splitlines()
        return max((int(line.split(maxsplit=1)[0]) for line in lines), default=0)
    except FileNotFoundError:
        return 0
    except (ValueError, IndexError):
        raise CeremonyRefused(f"{record} is damaged: find the newest sequence first") from None


def export_public(desk: RootDesk) -> list[str]:
    """Online: the public halves for the root to vouch for."""
    ring = desk.keystore.load()
    in_force = ceremony.sequence_in_force(_present(desk.trust_list), _pins(desk))
    public = ceremony.export_public(ring, desk.now, in_force)
    write_private(Path(desk.arguments.file), ceremony.write_public(public))
    return [
        f"{len(public.keys)} keys in {desk.arguments.file}; list {in_force} is in force",
        f"fingerprint {public.fingerprint()}",
    ]


def install_trust_list(desk: RootDesk) -> list[str]:
    """Online: check a signed list against the pinned roots and the ring, and serve it."""
    pins = _pins(desk)
    if not pins:
        raise CeremonyRefused("no root is pinned yet: keys pin-root")
    in_force = ceremony.sequence_in_force(_present(desk.trust_list), pins)
    text, trust = ceremony.installed(_read(Path(desk.arguments.file)), pins, in_force, desk.now)
    gaps = ceremony.unlisted(trust, desk.keystore.load(), desk.now)
    if gaps and not desk.arguments.force:
        raise CeremonyRefused("readers would not know the ring: " + "; ".join(gaps))
    _put(desk.trust_list, text)
    return [*_told(trust), f"in force: {desk.trust_list}", *(f"warning: {gap}" for gap in gaps)]


def pin_root(desk: RootDesk) -> list[str]:
    """Online: say whose trust lists count; the present root and the next one."""
    pins = [ceremony.read_pin(text) for text in desk.arguments.public]
    text = ceremony.write_pins(pins, _pins(desk), force=desk.arguments.force)
    _put(desk.trust_roots, text)
    return [f"pinned {pin.compressed().hex()}, fingerprint {_print_of(pin)}" for pin in pins]


def check_trust(desk: RootDesk) -> list[str]:
    """Online: what about the trust list a person must see to; nothing when all is well."""
    present, pins = _present(desk.trust_list), _pins(desk)
    if present is None or not pins:
        return ["no trust list is in force, or no root is pinned"]
    try:
        trust = ceremony.installed(present, pins, 0, desk.now)[1]
    except CeremonyRefused as fault:
        return [str(fault)]
    found = [f"the trust list lacks: {gap}" for gap in _gaps(desk, trust)]
    left = (trust.next_at - desk.now).days
    if left < ceremony.WARN_BEFORE.days:
        found.append(f"the trust list is due in {left} days")
    return found


def _gaps(desk: RootDesk, trust: TrustList) -> list[str]:
    return ceremony.unlisted(trust, desk.keystore.load(), desk.now)


def _told(trust: TrustList) -> list[str]:
    made, due = trust.made_at.isoformat(), trust.next_at.isoformat()
    lines = [f"trust list {trust.sequence}, made {made}, next due {due}"]
    for key_id in sorted(trust.keys):
        key = trust.keys[key_id]
        uses = "+".join(sorted(use.name.lower() for use in key.uses))
        text = f"  {key_id:04x} {uses:<16} signs {key.sign_from.date()} to {key.sign_until.date()}"
        text += f", counts until {key.verify_until.date()}"
        if key.cut_off is not None:
            text += f", void before {key.cut_off.isoformat()}"
        lines.append(text)
    return lines


def _print_of(public: PublicKey) -> str:
    return fingerprint([public.compressed()])


def _pins(desk: RootDesk) -> list[PublicKey]:
    text = _present(desk.trust_roots)
    return [] if text is None else ceremony.read_pins(text)


def _present(path: Path) -> str | None:
    return _read(path) if path.exists() else None


def _read(path: Path) -> str:
    with path.open("rb") as file:
        content = file.read(FILE_MAX + 1)
    if len(content) > FILE_MAX:
        raise CeremonyRefused(f"{path} is too long")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise CeremonyRefused(f"{path} is not text") from None


def _put(path: Path, text: str) -> None:
    """A public file, at one stroke."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.{secrets.token_hex(8)}.new")
    write_private(beside, text.encode())
    beside.chmod(0o644)
    beside.replace(path)


VERBS: Mapping[str, Callable[[RootDesk], list[str]]] = {
    "init": root_init,
    "show": root_show,
    "change-custodians": root_change,
    "sign-trust-list": sign_trust_list,
    "export-public": export_public,
    "install-trust-list": install_trust_list,
    "pin-root": pin_root,
}
"""By their words on the command line."""
