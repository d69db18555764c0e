"""What the verbs around the offline root do. Neither network nor database is touched.

The offline verbs read and write only the files they are given; the online ones read the keystore
and the trust files of the settings.
"""

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
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
from service.keys.private_files import write_private
from service.keys.trust_files import TrustFiles, read_text

WORD = "sign"
"""What people write when they have read what they are to sign."""


class RootDesk(msgspec.Struct, frozen=True, kw_only=True):
    """What a verb of the root works with."""

    arguments: argparse.Namespace
    now: datetime
    passphrase: Callable[[str, bool], str]
    """Asks for a custodian's passphrase; True: a new one."""
    keystore: KeystoreFile
    trust: TrustFiles
    show: Callable[[str], None]
    """Says a line at once, before anything is done."""
    ask: Callable[[str], str]
    """Puts a question and gives what was written."""
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
    root = read_root(read_text(Path(desk.arguments.root)))
    return [
        f"root {root.public.compressed().hex()}",
        f"fingerprint {_print_of(root.public)}",
        f"any two of {', '.join(root.names)} open it",
    ]


def root_change(desk: RootDesk) -> list[str]:
    """Offline: the same root for other custodians or passphrases, opened by two present ones."""
    arguments = desk.arguments
    key = read_root(read_text(Path(arguments.root))).open(_two(desk))
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
    """Offline: show what is to be signed, ask for the word, let two custodians open the root."""
    arguments = desk.arguments
    root_path, output = Path(arguments.root), Path(arguments.output)
    root_file = read_root(read_text(root_path))
    public = ceremony.read_public(read_text(Path(arguments.ring_public)).encode())
    print_now = public.fingerprint()
    if arguments.fingerprint.replace(" ", "") != print_now.replace(" ", ""):
        raise CeremonyRefused(
            f"the public file's fingerprint is {print_now}, not the one brought: do not sign"
        )
    _two_names(desk)
    if output.exists():
        raise CeremonyRefused(f"{output} is there already")
    others = [read_root(read_text(Path(path))).public for path in arguments.other_root]
    records = [_record_of(Path(path)) for path in (root_path, *arguments.other_root)]
    trust = ceremony.drafted_list(
        public,
        desk.now,
        next_days=arguments.next,
        last_sequence=max(arguments.above, *(_newest_signed(record) for record in records)),
    )
    _agree(desk, trust)
    key = root_file.open(_two(desk))
    text = ceremony.signed_file(trust, key, others)
    with records[0].open("a", encoding="ascii") as file:
        file.write(f"{trust.sequence} {trust.made_at.isoformat()} {print_now}\n")
        file.flush()
        os.fsync(file.fileno())
    write_private(output, text.encode())
    return [f"trust list {trust.sequence} is signed by root {_print_of(key.public)} into {output}"]


def _agree(desk: RootDesk, trust: TrustList) -> None:
    """Show the list and wait for the word. Raises ``CeremonyRefused``; then nothing was signed."""
    for line in _told(trust):
        desk.show(line)
    if trust.sequence == 1:
        desk.show("the first list ever: a reader that has held one refuses it (--above N)")
    if not desk.arguments.yes and desk.ask(f"to sign it, write {WORD}: ").strip() != WORD:
        raise CeremonyRefused("nothing was signed")


def _two_names(desk: RootDesk) -> list[str]:
    names: list[str] = desk.arguments.by
    if len(names) != 2 or len(set(names)) != 2:
        raise CeremonyRefused("two custodians open the root: --by A B")
    return names


def _two(desk: RootDesk) -> dict[str, str]:
    return {name: desk.passphrase(name, False) for name in _two_names(desk)}


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
    highest = desk.trust.highest()
    public = ceremony.export_public(ring, desk.now, highest)
    write_private(Path(desk.arguments.file), ceremony.write_public(public))
    return [
        f"{len(public.keys)} keys in {desk.arguments.file}; the highest list so far is {highest}",
        f"fingerprint {public.fingerprint()}",
    ]


def install_trust_list(desk: RootDesk) -> list[str]:
    """Online: check a signed list against the pinned roots and the ring, and serve it.

    With new roots given, they are pinned together with it.
    """
    text, is_forced = read_text(Path(desk.arguments.file)), desk.arguments.force
    with desk.trust.one_editor():
        present = desk.trust.pins()
        pins = [ceremony.read_pin(text) for text in desk.arguments.pin] or present
        if not pins:
            raise CeremonyRefused("no root is pinned yet: keys pin-root")
        ceremony.write_pins(pins, present, force=is_forced)
        blob, trust = ceremony.installed(text, pins, desk.trust.highest(), desk.now)
        gaps = _gaps(desk, trust)
        if gaps and not is_forced:
            raise CeremonyRefused("readers would not know the ring: " + "; ".join(gaps))
        desk.trust.put(pins, blob)
    pinned = _pinned(pins) if desk.arguments.pin else []
    told = [*_told(trust), f"in force: {desk.trust.trust_list}", *pinned]
    return [*told, *(f"warning: {gap}" for gap in gaps)]


def pin_root(desk: RootDesk) -> list[str]:
    """Online: say whose trust lists count; the present root and the next one.

    The root that signed the list in force stays, or nothing would be served.
    """
    pins = [ceremony.read_pin(text) for text in desk.arguments.public]
    with desk.trust.one_editor():
        present = desk.trust.pins()
        ceremony.write_pins(pins, present, force=desk.arguments.force)
        blob = desk.trust.in_force(pins)
        if blob is None and present and desk.trust.in_force(present) is not None:
            raise CeremonyRefused(
                "the root that signed the list in force would not stay pinned: change both at "
                "once, by keys install-trust-list FILE --pin ROOT NEXT"
            )
        desk.trust.put(pins, blob)
    return _pinned(pins)


def _pinned(pins: Sequence[PublicKey]) -> list[str]:
    return [f"pinned {pin.compressed().hex()}, fingerprint {_print_of(pin)}" for pin in pins]


def check_trust(desk: RootDesk) -> list[str]:
    """Online: what about the trust list a person must see to; nothing when all is well."""
    present, pins = desk.trust.present(), desk.trust.pins()
    if present is None or not pins:
        return ["no trust list is in force, or no root is pinned"]
    try:
        trust = ceremony.installed(present, pins, 0, desk.now)[1]
    except CeremonyRefused as fault:
        return [str(fault)]
    found = [f"the trust list lacks: {gap}" for gap in _gaps(desk, trust)]
    if (highest := desk.trust.highest()) > trust.sequence:
        found.append(f"trust list {trust.sequence} is in place, and {highest} was before")
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
