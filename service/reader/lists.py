"""The lists a reader judges by: opened from files, never rolled back, the last good one kept.

A file that is broken, foreign or older than what was held is refused with its word; the list held
before stays in force and its age is said. With a state folder that holds through a restart. A list
whose key a newer trust list stops, or gives its id to another, is no longer in force, be it the one
that is held.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import msgspec

from crypto.errors import CryptoError
from crypto.healthcode.refusal import ListRefusal, ListRefused
from crypto.healthcode.revocation import (
    LIST_MAX,
    RevocationDelta,
    RevocationList,
    apply_delta,
    open_revocation_list,
)
from crypto.healthcode.revocation_set import RevocationSet
from crypto.healthcode.rootfile import fingerprint
from crypto.healthcode.trust import TrustedKey, TrustList
from crypto.healthcode.trustfile import read_trust_file, split_trust_file
from service.reader.files import read_bounded, write_durably

TRUST_FILE_MAX = 3 << 20
FILES_MAX = 1024
_STOPPED = frozenset({ListRefusal.KEY_CLOSED, ListRefusal.KEY_UNKNOWN, ListRefusal.KEY_NOT_FOR_USE})
_NEWEST, _TRUST, _REVOKED = "newest.json", "trust.json", "revoked-"

Place = tuple[int, int]
"""Scope and class of a revocation list."""


class Newest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The highest sequences taken; ``revoked`` by ``scope-class``."""

    trust: int = 0
    revoked: dict[str, int] = {}


@dataclass(slots=True, kw_only=True)
class HeldLists:
    """What is in force. ``roots``: fingerprints of those that the trust file in force names.
    ``faults``: what was refused at the last look, file name to word."""

    trust: TrustList
    roots: tuple[str, ...] = ()
    revoked: RevocationSet
    faults: dict[str, str] = field(default_factory=dict)


def _word(fault: Exception) -> str:
    return fault.refusal.value if isinstance(fault, ListRefused) else "LIST_MALFORMED"


def open_trust(text: bytes, newest: int) -> TrustList:
    """The trust list of a trust file. ``CryptoError`` or ``ValueError`` if it is not one."""
    return read_trust_file(text.decode("utf-8"), newest)


def roots_of(text: bytes) -> tuple[str, ...]:
    """Fingerprints of the roots that a trust file names. ``CryptoError`` or ``ValueError``."""
    roots, _ = split_trust_file(text.decode("utf-8"))
    return tuple(fingerprint([root.compressed()]) for root in roots)


@dataclass(slots=True)
class OpenedRevocations:
    """What a set of files leads to."""

    found: dict[Place, tuple[RevocationList, list[str]]] = field(default_factory=dict)
    """The newest list of each scope and class, and the files that led to it, in order."""
    faults: dict[str, str] = field(default_factory=dict)
    sequences: dict[Place, dict[str, int]] = field(default_factory=dict)
    """Of every genuine file."""
    begun: dict[Place, datetime] = field(default_factory=dict)
    """When the full list was made that the found one rests on."""


def open_revocations(
    blobs: Mapping[str, bytes], trust: TrustList, now: datetime
) -> OpenedRevocations:
    """Open full lists and deltas and follow the deltas as far as they lead."""
    opened = OpenedRevocations()
    deltas: list[tuple[str, RevocationDelta]] = []
    for name, blob in blobs.items():
        try:
            listed = open_revocation_list(blob, trust, now)
        except CryptoError as fault:
            opened.faults[name] = _word(fault)
            continue
        place = _place(listed)
        opened.sequences.setdefault(place, {})[name] = listed.sequence
        if isinstance(listed, RevocationDelta):
            deltas.append((name, listed))
        elif place not in opened.found or opened.found[place][0].sequence < listed.sequence:
            opened.found[place] = (listed, [name])
            opened.begun[place] = listed.made_at
    for name, delta in sorted(deltas, key=lambda one: one[1].sequence):
        _follow(opened, name, delta)
    return opened


def _follow(opened: OpenedRevocations, name: str, delta: RevocationDelta) -> None:
    held = opened.found.get(_place(delta))
    if held is not None and delta.sequence <= held[0].sequence:
        return
    try:
        if held is None:
            raise ListRefused(ListRefusal.LIST_WRONG_BASE)
        opened.found[_place(delta)] = (apply_delta(held[0], delta), [*held[1], name])
    except CryptoError as fault:
        opened.faults[name] = _word(fault)


def _place(listed: RevocationList | RevocationDelta) -> Place:
    return int(listed.scope), listed.code_class


def place_name(place: Place) -> str:
    """``scope-class``."""
    return f"{place[0]}-{place[1]}"


def open_files(trust_file: Path, revoked_files: Iterable[Path], now: datetime) -> HeldLists:
    """Without a state: every file must be good. ``OSError``, ``CryptoError``, ``ValueError``."""
    trust = open_trust(read_bounded(trust_file, TRUST_FILE_MAX), 0)
    blobs = {str(path): read_bounded(path, LIST_MAX) for path in revoked_files}
    opened = open_revocations(blobs, trust, now)
    for name, word in opened.faults.items():
        is_json = blobs[name].lstrip()[:1] == b"{"
        raise ValueError(f"{name}: {'JSON is no revocation list' if is_json else word}")
    return HeldLists(trust=trust, revoked=RevocationSet(one for one, _ in opened.found.values()))


class ListKeeper:
    """Takes lists from files and keeps the newest good ones in the state folder."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._newest = read_newest(state / _NEWEST)
        self._held: HeldLists | None = None
        self.roots = self._kept_roots()
        """Those in force; before the first look those that were in force when it was kept."""

    def _kept_roots(self) -> tuple[str, ...]:
        try:
            return roots_of(read_bounded(self._state / _TRUST, TRUST_FILE_MAX))
        except (OSError, CryptoError, ValueError):
            return ()

    def refresh(self, trust_file: Path, revoked_files: Iterable[Path], now: datetime) -> HeldLists:
        """Look at the files and the kept copies; what is newest and good is in force.

        ``CryptoError``, ``OSError`` or ``ValueError`` only when no good trust list is there, nor
        was one before: nothing can be judged without.
        """
        former: Mapping[int, TrustedKey] = {} if self._held is None else self._held.trust.keys
        trust, faults = self._refresh_trust(trust_file)
        blobs: dict[str, bytes] = {}
        kept = sorted(self._state.glob(f"{_REVOKED}*"))
        for path in [*kept, *list(revoked_files)[:FILES_MAX]]:
            try:
                blobs[str(path)] = read_bounded(path, LIST_MAX)
            except (OSError, ValueError):
                faults[path.name] = "LIST_UNREADABLE"
        opened = open_revocations(blobs, trust, now)
        ours = {str(path) for path in kept}
        refused = opened.faults | self._rolled_back(opened, ours)
        faults |= {Path(name).name: word for name, word in refused.items() if name not in ours}
        stopped = _STOPPED
        if _of_another_platform(former, trust.keys):
            # Each copy was genuine when it was kept.
            stopped |= {ListRefusal.LIST_SIGNATURE}
        revoked = self._keep(opened, blobs, kept, _void_places(kept, opened.faults, stopped))
        self._held = HeldLists(trust=trust, roots=self.roots, revoked=revoked, faults=faults)
        return self._held

    def _rolled_back(self, opened: OpenedRevocations, ours: Collection[str]) -> dict[str, str]:
        """Files of a place that all together are older than what was taken before."""
        out: dict[str, str] = {}
        for place, by_name in opened.sequences.items():
            newest = self._newest.revoked.get(place_name(place), 0)
            given = {name: number for name, number in by_name.items() if name not in ours}
            if given and max(given.values()) < newest:
                out |= dict.fromkeys(given, ListRefusal.LIST_ROLLED_BACK.value)
            if place in opened.found and opened.found[place][0].sequence < newest:
                del opened.found[place]
        return out

    def _refresh_trust(self, trust_file: Path) -> tuple[TrustList, dict[str, str]]:
        kept = self._state / _TRUST
        try:
            text = read_bounded(trust_file, TRUST_FILE_MAX)
            trust, roots = open_trust(text, self._newest.trust), roots_of(text)
        except (OSError, CryptoError, ValueError) as fault:
            word = "LIST_UNREADABLE" if isinstance(fault, OSError) else _word(fault)
            if self._held is not None:
                return self._held.trust, {trust_file.name: word}
            if not kept.exists():
                raise
            text = read_bounded(kept, TRUST_FILE_MAX)
            return open_trust(text, self._newest.trust), {trust_file.name: word}
        is_new = trust.sequence != self._newest.trust or roots != self.roots
        self.roots = roots
        if self._held is None or is_new:
            write_durably(kept, text)
            self._newest.trust = trust.sequence
            self._write_newest()
        return trust, {}

    def _keep(
        self,
        opened: OpenedRevocations,
        blobs: Mapping[str, bytes],
        kept: Collection[Path],
        void: Collection[Place],
    ) -> RevocationSet:
        """Copies first, then the numbers, then the old copies go: a crash leaves a good state."""
        before = {} if self._held is None else _by_place(self._held.revoked)
        before = {place: listed for place, listed in before.items() if place not in void}
        wanted: set[Path] = set()
        for place, (listed, names) in opened.found.items():
            for at, name in enumerate(names):
                path = self._state / f"{_REVOKED}{place_name(place)}-{listed.sequence}-{at:04}"
                wanted.add(path)
                if not path.exists():
                    write_durably(path, blobs[name])
            self._newest.revoked[place_name(place)] = listed.sequence
            before[place] = listed
        stale = [p for p in kept if p not in wanted and _place_of(p.name) in opened.found]
        if stale or not wanted.issubset(kept):
            self._write_newest()
        for path in stale:
            path.unlink(missing_ok=True)
        return RevocationSet(before.values())

    def _write_newest(self) -> None:
        write_durably(self._state / _NEWEST, msgspec.json.encode(self._newest))


def _by_place(revoked: RevocationSet) -> dict[Place, RevocationList]:
    return {_place(listed): listed for listed in revoked.lists}


def _of_another_platform(former: Mapping[int, TrustedKey], keys: Mapping[int, TrustedKey]) -> bool:
    """Whether an id stands for another key than before; one platform never uses an id again."""
    return any(former[name].public != keys[name].public for name in former.keys() & keys.keys())


def _void_places(
    kept: Collection[Path], faults: Mapping[str, str], stopped: Collection[str]
) -> set[Place]:
    """Where the last copy that was kept is by a key that the trust list has stopped since."""
    last: dict[Place, Path] = {}
    for path in sorted(kept, key=_order):
        place = _place_of(path.name)
        if place is not None:
            last[place] = path
    return {place for place, path in last.items() if faults.get(str(path)) in stopped}


def _order(kept: Path) -> tuple[int, str]:
    number = kept.name.split("-")[-2:][0]
    return int(number) if number.isdecimal() else 0, kept.name


def _place_of(name: str) -> Place | None:
    parts = name.removeprefix(_REVOKED).split("-")
    if len(parts) != 4 or not (parts[0].isdecimal() and parts[1].isdecimal()):
        return None
    return int(parts[0]), int(parts[1])


def read_newest(path: Path) -> Newest:
    """What was kept. ``ValueError`` for a spoilt file: a reader that forgot its numbers could be
    rolled back."""
    try:
        return msgspec.json.decode(read_bounded(path, 1 << 20), type=Newest)
    except FileNotFoundError:
        return Newest()
    except msgspec.DecodeError:
        raise ValueError(f"{path.name} is spoilt: take the lists anew into a fresh state") from None
