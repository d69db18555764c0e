"""What the verbs of ``yimatong keys`` do with the ring. Each gives the lines to say."""

import argparse
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

import msgspec

from crypto import keybackup
from crypto.keyring import ACCEPTED_EARLY, ISSUER_KINDS, SIGNING_KINDS, Key, KeyKind, KeyRing
from crypto.passphrase import LOG2_N
from crypto.signer import public_key_of
from crypto.sm2 import PublicKey
from service.kernel.clock import CLOCKS_APART
from service.keys import changes
from service.keys.changes import ChangeRefused
from service.keys.journal import (
    is_newly_cut,
    known,
    minute,
    refuse_without_journal,
    stopped,
)
from service.keys.keystore_editing import Entry, KeystoreEditor
from service.keys.private_files import write_private
from service.keys.schedule import FIXED, IN_ROWS, PERIODS, is_listed

Needed = Callable[[KeyKind, int], dict[str, int]]
"""Rows that need a version, by table."""


BACKED_UP = frozenset({"init", "rotate", "close", "cut-off"})
"""What a backup must follow."""


class Desk(msgspec.Struct, frozen=True, kw_only=True):
    """What a verb works with."""

    arguments: argparse.Namespace
    editor: KeystoreEditor
    now: datetime
    passphrase: Callable[[str, bool], str]
    """Asks for a passphrase under a name; True: a new one."""
    needed: Needed
    log2_n: int = LOG2_N


def list_keys(desk: Desk) -> list[str]:
    """Every version, its state and its windows; never its material."""
    ring = desk.editor.file.load()
    rows = [_row_of(desk, ring, key) for key in ring.keys]
    if desk.arguments.json:
        return [msgspec.json.encode(row).decode() for row in rows]
    lines = []
    for key, row in zip(ring.keys, rows, strict=True):
        text = f"{key.kind:<22} {key.version:>3}  {row['state']:<10} "
        text += f"from {minute(key.use_from)} until {minute(key.use_until)}  accepted "
        text += "until destroyed" if key.accept_until is None else minute(key.accept_until)
        if key.code_key_id is not None:
            text += f"  id {key.code_key_id:04x}"
        if key.cut_off is not None:
            text += f"  void before {minute(key.cut_off)}"
        if "rows" in row:
            text += f"  rows {row['rows']}"
        lines.append(text)
    return lines


def _row_of(desk: Desk, ring: KeyRing, key: Key) -> dict[str, object]:
    row: dict[str, object] = {
        "kind": key.kind.value,
        "version": key.version,
        "state": changes.state_of(ring, key, desk.now).value,
        "use_from": key.use_from,
        "use_until": key.use_until,
        "accept_until": key.accept_until,
        "code_key_id": key.code_key_id,
        "cut_off": key.cut_off,
    }
    if key.kind in SIGNING_KINDS:
        row["public"] = public_key_of(key).compressed().hex()
    if desk.arguments.rows and key.kind in IN_ROWS:
        row["rows"] = sum(desk.needed(key.kind, key.version).values())
    return row


def init(desk: Desk) -> list[str]:
    """Make the ring of a new installation."""
    ring = changes.new_ring(desk.now, desk.arguments.province)
    desk.editor.create(ring, [Entry(at=desk.now, action="init")])
    return [
        f"{len(ring.keys)} keys made in {desk.editor.file.path}",
        "next: back up the keys; export them and have the root sign the first trust list",
    ]


def rotate(desk: Desk) -> list[str]:
    """One kind, or every kind whose time has come."""
    arguments = desk.arguments
    if arguments.due == (arguments.kind is not None):
        raise ChangeRefused("say which kind, or --due")
    wanted: list[tuple[KeyKind, datetime]] = []

    def all_rotated(before: KeyRing) -> KeyRing:
        # Asked of the ring under the lock: another who rotates what is due leaves nothing to do.
        wanted[:] = changes.due(before, desk.now) if arguments.due else [_asked(desk)]
        for kind, start in wanted:
            before = changes.rotate(before, kind, desk.now, start, _in_card(arguments))
        return before

    ring = desk.editor.change(
        all_rotated, lambda after: [_made_entry(desk, _newest(after, kind)) for kind, _ in wanted]
    )
    if not wanted:
        return ["no kind is due"]
    lines = [_rotated_line(ring, kind) for kind, _ in wanted]
    if any(is_listed(kind) for kind, _ in wanted):
        lines.append(
            "before that the root must sign a new trust list, or readers without a network refuse "
            "the new key: keys export-public"
        )
    if any(kind is KeyKind.TRANSPORT for kind, _ in wanted):
        lines.append("hospitals' systems must ask for platform-keys before that")
    return [*lines, "the last backup lacks the new keys: keys backup"]


def _in_card(arguments: argparse.Namespace) -> bytes | None:
    """The public half of a card's key. Raises ``BadKey``, ``ChangeRefused``."""
    if arguments.public is None:
        return None
    if arguments.due or KeyKind(arguments.kind) not in SIGNING_KINDS:
        raise ChangeRefused("--public names the key of one kind that signs")
    public = PublicKey.from_bytes(bytes.fromhex(arguments.public), allow_compressed=True)
    return public.compressed()


def _asked(desk: Desk) -> tuple[KeyKind, datetime]:
    kind = KeyKind(desk.arguments.kind)
    return kind, desk.arguments.start or changes.default_start(kind, desk.now)


def _rotated_line(ring: KeyRing, kind: KeyKind) -> str:
    key = _newest(ring, kind)
    return f"{kind} {key.version} is in use from {key.use_from.isoformat()}"


def _made_entry(desk: Desk, key: Key) -> Entry:
    return Entry(
        at=desk.now,
        action="rotate",
        kind=key.kind.value,
        version=key.version,
        code_key_id=key.code_key_id,
    )


def _newest(ring: KeyRing, kind: KeyKind) -> Key:
    return max((key for key in ring.keys if key.kind is kind), key=lambda key: key.version)


def close(desk: Desk) -> list[str]:
    """Refuse what was made at or after an instant."""
    kind, version, at = KeyKind(desk.arguments.kind), desk.arguments.version, desk.arguments.after
    desk.editor.change(
        lambda ring: changes.close(ring, kind, version, at, desk.now),
        lambda _: [
            Entry(at=desk.now, action="close", kind=kind.value, version=version, instant=at)
        ],
    )
    return [f"{kind} {version} protects nothing from {at.isoformat()} on", *_told_of(kind)]


def cut_off(desk: Desk) -> list[str]:
    """Void what was issued before an instant."""
    kind, version, at = KeyKind(desk.arguments.kind), desk.arguments.version, desk.arguments.before
    desk.editor.change(
        lambda ring: changes.cut_off(ring, kind, version, at, desk.now),
        lambda _: [
            Entry(at=desk.now, action="cut-off", kind=kind.value, version=version, instant=at)
        ],
    )
    return [f"{kind} {version}: void before {at.isoformat()}", *_told_of(kind)]


def _told_of(kind: KeyKind) -> list[str]:
    return [*_tell_readers(kind), "the last backup does not know it: keys backup"]


def _tell_readers(kind: KeyKind) -> list[str]:
    if not is_listed(kind):
        return []
    return ["readers without a network learn of it by the next trust list: keys export-public"]


def destroy(desk: Desk) -> list[str]:
    """Make a version unrecoverable. Refused while something needs it, unless forced in words."""
    kind, version = KeyKind(desk.arguments.kind), desk.arguments.version
    ring = desk.editor.file.load()
    _check_word(desk, kind, version)
    if desk.arguments.force is None:
        _check_needed(desk, ring, kind, version)

    def without(before: KeyRing) -> KeyRing:
        after = changes.destroy(before, kind, version)
        if desk.arguments.force is None:
            changes.refuse_gap_without(before, kind, version, desk.now)
        return after

    desk.editor.overwrite_and_change(
        without,
        lambda _: [
            Entry(
                at=desk.now,
                action="destroy",
                kind=kind.value,
                version=version,
                word=desk.arguments.force,
            )
        ],
    )
    lines = [f"{kind} {version} is destroyed; running processes forget it within 2 s"]
    if (at := _last_backup(desk)) is not None:
        lines.append(f"backups hold it still, the last of {minute(at)}: destroy those, back up")
    return [*lines, "then change the master key: keys change-master; and start processes again"]


def _check_word(desk: Desk, kind: KeyKind, version: int) -> None:
    word, needed = desk.arguments.force, f"destroy {kind} {version}"
    if word is not None and word != needed:
        raise ChangeRefused(f'to force it, write --force "{needed}"')


def _check_needed(desk: Desk, ring: KeyRing, kind: KeyKind, version: int) -> None:
    key = next((k for k in ring.keys if (k.kind, k.version) == (kind, version)), None)
    if key is None:
        raise ChangeRefused(f"there is no version {version} of {kind}")
    if kind in FIXED:
        raise ChangeRefused(f"{kind} is never destroyed: {FIXED[kind]}")
    if key.is_usable(desk.now):
        raise ChangeRefused(f"{kind} {version} is in use until {key.use_until.isoformat()}")
    if key.is_usable(desk.now - CLOCKS_APART):
        raise ChangeRefused("a host whose clock is behind may still use it: wait five minutes")
    _check_counts(desk, key)
    if kind in (KeyKind.PUBLIC_ID, KeyKind.AUDIT, KeyKind.RECEIPT):
        raise ChangeRefused(f"others hold what {kind} {version} made: {PERIODS[kind].why}")
    if kind in IN_ROWS and (rows := desk.needed(kind, version)):
        told = ", ".join(f"{table} {count}" for table, count in sorted(rows.items()))
        raise ChangeRefused(f"rows need {kind} {version}: {told}")


def _check_counts(desk: Desk, key: Key) -> None:
    until = changes.counts_until(key)
    if until is None or desk.now < key.use_from - ACCEPTED_EARLY:
        return
    if desk.now < until:
        raise ChangeRefused(
            f"what {key.kind} {key.version} made counts until {until.isoformat()}: "
            f"{PERIODS[key.kind].why}"
        )
    if desk.now < until + CLOCKS_APART:
        raise ChangeRefused("a host whose clock is behind still takes it: wait five minutes")


def backup(desk: Desk) -> list[str]:
    """Seal the ring under a passphrase, into a new file."""
    ring = desk.editor.file.load()
    path = Path(desk.arguments.file)
    blob = keybackup.seal_backup(ring, desk.passphrase("backup", True), log2_n=desk.log2_n)
    write_private(path, blob)
    desk.editor.note(Entry(at=desk.now, action="backup"))
    return [f"{len(ring.keys)} keys in {path}; keep file and passphrase in two places"]


def restore(desk: Desk) -> list[str]:
    """Put a backup in place; void every code issued before now unless the epochs are kept."""
    arguments, editor = desk.arguments, desk.editor
    blob = Path(arguments.file).read_bytes()
    kept = keybackup.open_backup(blob, desk.passphrase("backup", False))
    journal = editor.journal(Path(arguments.journal) if arguments.journal else None)
    told = known(journal)
    if not arguments.without_journal:
        refuse_without_journal(kept, journal, told)
    ring = changes.after_restore(kept, desk.now, told, epochs_kept=arguments.database_intact)
    entries = [Entry(at=desk.now, action="restore")]
    if arguments.journal:
        entries = [*journal, *entries]
    had = {(key.kind, key.version) for key in kept.keys}
    entries += [_made_entry(desk, key) for key in ring.keys if (key.kind, key.version) not in had]
    entries += [_cut_entry(desk, key) for key in ring.keys if is_newly_cut(key, told)]
    editor.put_back(ring, entries, replace=arguments.replace)
    lines = [f"{len(ring.keys)} keys are back in {editor.file.path}", *stopped(kept, ring)]
    if arguments.database_intact:
        lines.append(_kept_codes(ring))
    else:
        lines.append("every code issued before now is void: phones renew, print again")
    return [*lines, *_tell_readers(KeyKind.ISSUER_BOUND), "start all processes again"]


def _kept_codes(ring: KeyRing) -> str:
    """What stays good where the database was said to be intact."""
    cut = [key for key in ring.keys if key.kind in ISSUER_KINDS and key.cut_off]
    if not cut:
        return "codes issued before stay good: the database was said to be intact"
    named = ", ".join(
        f"{key.kind} {key.version} before {minute(key.cut_off)}" for key in cut if key.cut_off
    )
    told = f"these codes stay void, cut off by hand or by an earlier restore: {named}; "
    return f"{told}no option takes a cut-off back; all others stay good"


def _cut_entry(desk: Desk, key: Key) -> Entry:
    return Entry(
        at=desk.now,
        action="cut-off",
        kind=key.kind.value,
        version=key.version,
        instant=key.cut_off,
    )


def write_serving(desk: Desk) -> list[str]:
    """The serving keystore anew; every other verb that changes keys writes it by itself."""
    if desk.editor.serving is None:
        raise ChangeRefused("no signer is named: every process reads the keystore itself")
    desk.editor.publish()
    return [f"the ring without the signer's private keys is in {desk.editor.serving.file.path}"]


def change_master(desk: Desk) -> list[str]:
    """A fresh master key; running processes follow."""
    desk.editor.change_master(Entry(at=desk.now, action="change-master"))
    return [f"the keystore is under a new master key, in {desk.editor.file.master_file}"]


def _last_backup(desk: Desk) -> datetime | None:
    times = [entry.at for entry in desk.editor.journal() if entry.action == "backup"]
    return max(times, default=None)


def check(desk: Desk) -> list[str]:
    """What a person must see to; nothing when all is well."""
    ring = desk.editor.file.load()
    found = [f"{kind}: {days:.0f} days left" for kind, days in changes.short(ring, desk.now)]
    made = [e.at for e in desk.editor.journal() if e.action in BACKED_UP]
    backed_up = _last_backup(desk)
    if made and (backed_up is None or backed_up < max(made)):
        found.append("the newest keys, closings and cut-offs are in no backup")
    if _is_older_than(ring, desk):
        found.append(
            "the keystore does not know what its journal says was closed, cut off or destroyed: an "
            "older file was put there by hand; put the newest backup back with keys restore"
        )
    serving = desk.editor.serving
    if serving is not None and not serving.is_of(ring):
        found.append("the serving keystore is not this ring's: keys write-serving")
    return found


def _is_older_than(ring: KeyRing, desk: Desk) -> bool:
    """Whether the journal stops what the ring has open; its numbers do not count here."""
    told = msgspec.structs.replace(known(desk.editor.journal()), newest={})
    return changes.after_restore(ring, desk.now, told, epochs_kept=True).keys != ring.keys


VERBS: Mapping[str, Callable[[Desk], list[str]]] = {
    "list": list_keys,
    "init": init,
    "rotate": rotate,
    "close": close,
    "cut-off": cut_off,
    "destroy": destroy,
    "backup": backup,
    "restore": restore,
    "write-serving": write_serving,
    "change-master": change_master,
}
"""By their words on the command line."""
