"""From the platform's answers to lists in place: each is verified before anything is replaced."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from enum import IntEnum

import msgspec

from crypto.certificates import Certificate, CertificateRefused, Crl, read_crl
from crypto.certificates.revocation import CRL_MAX
from crypto.errors import CryptoError
from crypto.healthcode.refusal import ListRefusal, ListRefused
from crypto.healthcode.revocation import LIST_MAX, ListScope
from crypto.healthcode.trust import CLOCK_TOLERANCE, TrustList, open_trust_list
from crypto.healthcode.trustfile import split_trust_file, write_trust_file
from crypto.sm2 import PublicKey
from service.fetch_lists.download import Downloader, TooLong, Unreachable
from service.fetch_lists.folder import Folder, HeldPlace, find_held
from service.reader.lists import TRUST_FILE_MAX, Place, open_revocations

CHAIN_MAX = 12
"""So many deltas behind a full list, an hour's; then the full one is taken again."""
FULL_EVERY = timedelta(days=1)
"""By when the full list was made: a reader opens it and every delta behind it at each change."""
REVOKED_LATE_BY = timedelta(minutes=5)
"""So long past its next date a revocation list may be held: a round of fetching, and caches."""
_SERVED = "served"


class Outcome(IntEnum):
    """What became of a list. The values are exit statuses."""

    NEW = 0
    UNCHANGED = 3
    REFUSED = 4
    UNREACHABLE = 5
    STALE = 6

    @property
    def is_good(self) -> bool:
        """True if there is nothing to see to."""
        return self in {Outcome.NEW, Outcome.UNCHANGED}


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one list."""

    name: str
    outcome: Outcome
    said: str

    def line(self) -> str:
        """For a log."""
        return f"{self.name}: {self.outcome.name.lower()}, {self.said}"


class NotTaken(Exception):
    """A served list that is refused; the message is its word."""


Took = tuple[Outcome, str]


class Fetcher:
    """One run. ``roots`` are the pinned ones."""

    def __init__(
        self, source: Downloader, folder: Folder, roots: Sequence[PublicKey], now: datetime
    ) -> None:
        self._source = source
        self._folder = folder
        self._roots = roots
        self._now = now

    async def trust(self) -> Told:
        """Take the newest trust list; the file that is written names the pinned roots alone."""
        return await _told("trust", self._take_trust)

    async def revoked(self, classes: Sequence[int]) -> list[Told]:
        """Take the newest revocation lists of these classes, by the trust list held now."""
        places: list[Place] = [(int(scope), one) for scope in ListScope for one in classes]
        trust = self._folder.held_trust()
        if trust is None:
            return []
        held = find_held(self._folder, places, trust, self._now)
        told = []
        for place in places:
            name = f"revoked {ListScope(place[0]).name.lower()} {place[1]}"
            take = _Revoked(self._source, self._folder, trust, self._now, place, held[place])
            told.append(await _told(name, take.take))
        return told

    async def certificates(self, roots: Sequence[Certificate]) -> Told:
        """Take the newest list of revoked certificates that one of these roots signed."""
        return await _told("certificates", lambda: self._take_crl(roots))

    async def _take_trust(self) -> Took:
        held, newest = self._folder.held_trust(), self._folder.newest_trust()
        sequence = 0 if held is None else held.sequence
        tag = self._folder.tag("trust", sequence)
        got = await self._source.get("v1/lists/trust", size_max=TRUST_FILE_MAX, etag=tag)
        if got.content is None and held is not None:
            return _judged(Outcome.UNCHANGED, _in_force(held), held.next_at, self._now)
        named, blob = split_trust_file((got.content or b"").decode("ascii"))
        trust = open_trust_list(blob, self._roots, newest)
        if (stale := trust.staleness(self._now)) is not None:
            raise NotTaken(stale.value)
        text = write_trust_file(blob, self._roots)
        said = _in_force(trust) + self._other_roots(named)
        outcome = Outcome.UNCHANGED
        if text != self._folder.trust_text():
            self._folder.put_trust(text)
            outcome = Outcome.NEW
        self._folder.keep_tag("trust", trust.sequence, got.etag)
        return _judged(outcome, said, trust.next_at, self._now)

    def _other_roots(self, named: Sequence[PublicKey]) -> str:
        ours = {root.compressed() for root in self._roots}
        if {root.compressed() for root in named} <= ours:
            return ""
        return "; the platform names roots that are not pinned here: get its trust file by hand"

    async def _take_crl(self, roots: Sequence[Certificate]) -> Took:
        held = self._folder.held_crl()
        number = -1 if held is None else held.number or 0
        tag = self._folder.tag("certificates", number)
        path = "v1/lists/certificates.crl"
        got = await self._source.get(path, size_max=CRL_MAX, etag=tag)
        if got.content is None:
            next_at = None if held is None else held.next_at
            return _judged(Outcome.UNCHANGED, f"number {number}", next_at, self._now)
        crl = read_crl(got.content)
        _check_crl(crl, roots, self._now)
        fresh = crl.number or 0
        if held is not None and held.issuer_key_id == crl.issuer_key_id and fresh < number:
            raise NotTaken("CRL_ROLLED_BACK")
        outcome = Outcome.UNCHANGED
        if held is None or held.encoded != crl.encoded:
            self._folder.put_crl(crl.encoded)
            outcome = Outcome.NEW
        self._folder.keep_tag("certificates", fresh, got.etag)
        return outcome, f"number {fresh}"


class _Revoked:
    """Takes the list of one scope and class: a delta where one fits, else the full list."""

    def __init__(
        self,
        source: Downloader,
        folder: Folder,
        trust: TrustList,
        now: datetime,
        place: Place,
        held: HeldPlace,
    ) -> None:
        self._source = source
        self._folder = folder
        self._trust = trust
        self._now = now
        self._place = place
        self._held = held
        self._name = f"{ListScope(place[0]).name.lower()}/{place[1]}"

    async def take(self) -> Took:
        """Whoever cannot use a delta takes the full list."""
        if not self._may_add():
            return await self._take(0)
        try:
            return await self._take(self._held.sequence)
        except (NotTaken, TooLong) as refused:
            if str(refused) == ListRefusal.LIST_ROLLED_BACK.value:
                raise
            return await self._take(0)

    def _may_add(self) -> bool:
        """Whether one more delta may stand behind the full list that is held."""
        begun = self._held.begun
        if begun is None or self._now - begun >= FULL_EVERY:
            return False
        return len(self._held.blobs) <= CHAIN_MAX

    async def _take(self, since: int) -> Took:
        sequence, next_at = self._held.sequence, self._held.next_at
        got = await self._source.get(
            f"v1/lists/revoked/{self._name}" + (f"?since={since}" if since else ""),
            size_max=LIST_MAX,
            etag=self._folder.tag(self._name, sequence),
        )
        if got.content is None:
            return self._judged(Outcome.UNCHANGED, sequence, next_at)
        blobs = {**(self._held.blobs if since else {}), _SERVED: got.content}
        opened = open_revocations(blobs, self._trust, self._now)
        if (word := opened.faults.get(_SERVED)) is not None:
            raise NotTaken(word)
        served = opened.sequences.get(self._place, {}).get(_SERVED)
        if served is None:
            raise NotTaken("OTHER_LIST")
        if served < max(sequence, self._folder.newest_revoked(self._place)):
            raise NotTaken(ListRefusal.LIST_ROLLED_BACK.value)
        outcome = Outcome.UNCHANGED
        if served > sequence:
            listed, leads = opened.found[self._place]
            next_at, is_full = listed.next_at, leads == [_SERVED]
            self._folder.put_revoked(self._place, served, got.content, is_full=is_full)
            outcome = Outcome.NEW
        self._folder.keep_tag(self._name, served, got.etag)
        return self._judged(outcome, served, next_at)

    def _judged(self, outcome: Outcome, sequence: int, next_at: datetime | None) -> Took:
        until = None if next_at is None else next_at + REVOKED_LATE_BY
        return _judged(outcome, f"sequence {sequence}", until, self._now)


async def _told(name: str, take: Callable[[], Awaitable[Took]]) -> Told:
    try:
        outcome, said = await take()
    except Unreachable as fault:
        outcome, said = Outcome.UNREACHABLE, str(fault)
    except TooLong:
        outcome, said = Outcome.REFUSED, "LIST_TOO_LONG"
    except NotTaken as fault:
        outcome, said = Outcome.REFUSED, str(fault)
    except ListRefused as fault:
        outcome, said = Outcome.REFUSED, fault.refusal.value
    except CertificateRefused as fault:
        outcome, said = Outcome.REFUSED, f"CRL_{fault.refusal.value}"
    except (CryptoError, UnicodeDecodeError):
        outcome, said = Outcome.REFUSED, ListRefusal.LIST_MALFORMED.value
    return Told(name=name, outcome=outcome, said=said)


def _judged(outcome: Outcome, said: str, until: datetime | None, now: datetime) -> Took:
    """What is held now, new or not, is no good news past its time: whoever stands between may
    withhold newer lists, or hand out old ones late."""
    if until is not None and now < until:
        return outcome, said
    due = "not known" if until is None else f"{until.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    return Outcome.STALE, f"{said}; no newer one is there, and it was good until {due}"


def _in_force(trust: TrustList) -> str:
    return f"sequence {trust.sequence}, next due {trust.next_at:%Y-%m-%d}"


def _check_crl(crl: Crl, roots: Sequence[Certificate], now: datetime) -> None:
    """A list counts that a known root signed, in its time, with nothing we do not understand."""
    if crl.unknown_critical:
        raise NotTaken("CRL_UNKNOWN_CRITICAL")
    signers = [root for root in roots if root.subject == crl.issuer]
    if not any(crl.is_signed_by(root.public) for root in signers):
        raise NotTaken("CRL_SIGNATURE")
    if crl.made_at > now + CLOCK_TOLERANCE:
        raise NotTaken("CRL_NOT_YET_VALID")
    if crl.next_at is None or now >= crl.next_at:
        raise NotTaken("CRL_EXPIRED")
