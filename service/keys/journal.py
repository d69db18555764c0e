"""What the journal tells: what happened to keys since, or before, a backup was made."""

from collections.abc import Sequence
from datetime import datetime

from crypto.keyring import Key, KeyRing
from service.keys.changes import ChangeRefused, Known
from service.keys.keystore_editing import Entry


def known(journal: Sequence[Entry]) -> Known:
    """The journal in few words."""
    newest: dict[str, int] = {}
    for entry in journal:
        if entry.kind is not None and entry.version is not None:
            newest[entry.kind] = max(newest.get(entry.kind, 1), entry.version)
    return Known(
        destroyed=frozenset(
            (entry.kind, entry.version)
            for entry in journal
            if entry.action == "destroy" and entry.kind is not None and entry.version is not None
        ),
        closed={of: min(times) for of, times in _instants(journal, "close").items()},
        cut_off={of: max(times) for of, times in _instants(journal, "cut-off").items()},
        newest=newest,
        code_key_id=max((entry.code_key_id or 0 for entry in journal), default=0),
    )


def _instants(journal: Sequence[Entry], action: str) -> dict[tuple[str, int], list[datetime]]:
    """When versions were stopped by that action; a line without its instant counts as of then."""
    found: dict[tuple[str, int], list[datetime]] = {}
    for entry in journal:
        if entry.action == action and entry.kind is not None and entry.version is not None:
            found.setdefault((entry.kind, entry.version), []).append(entry.instant or entry.at)
    return found


def refuse_without_journal(kept: KeyRing, journal: Sequence[Entry], known: Known) -> None:
    """Only a journal that goes on behind the backup tells what was undone by putting it back."""
    told = "--without-journal puts the backup back as it is: what was closed, cut off or destroyed "
    told += "since then works again"
    if not journal:
        raise ChangeRefused(f"there is no journal here: name a copy with --journal; {told}")
    for key in kept.keys:
        if key.version > known.newest.get(key.kind, 1):
            raise ChangeRefused(
                f"the journal ends before {key.kind} {key.version} was made, which the backup "
                f"holds: name a newer copy with --journal; {told}"
            )


def stopped(kept: KeyRing, ring: KeyRing) -> list[str]:
    """What the backup did not know to be closed or cut off, in words."""
    before = {(key.kind, key.version): key for key in kept.keys}
    lines = []
    for key in ring.keys:
        was = before.get((key.kind, key.version), key)
        if key.use_until != was.use_until:
            lines.append(f"{key.kind} {key.version} protects nothing from {minute(key.use_until)}")
        if key.cut_off is not None and key.cut_off != was.cut_off:
            lines.append(f"{key.kind} {key.version} is cut off: void before {minute(key.cut_off)}")
    return lines


def is_newly_cut(key: Key, known: Known) -> bool:
    """Whether the journal does not say this cut-off yet."""
    return key.cut_off is not None and key.cut_off != known.cut_off.get((key.kind, key.version))


def minute(at: datetime) -> str:
    """A time for people."""
    return at.strftime("%Y-%m-%dT%H:%MZ")
