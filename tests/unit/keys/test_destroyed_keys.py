"""A destroyed key opens nothing: what each kind made is refused once its version is gone."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from crypto import blindindex, envelope
from crypto.errors import BadKey
from crypto.healthcode.index import Index, find_index
from crypto.healthcode.issue import (
    CredentialRequest,
    Moment,
    OnceRequest,
    PrintedRequest,
    issue_credential,
    issue_once,
    issue_printed,
    load_issuer,
    show_bound,
)
from crypto.healthcode.layout import Kind, Purpose, parse
from crypto.healthcode.refusal import Refusal
from crypto.healthcode.text import decode
from crypto.healthcode.verify import CodeVerifier, Reader
from crypto.keyring import KeyKind, KeyRing
from crypto.signer import signing_key
from crypto.sm2 import PrivateKey
from service.account import tokens
from service.healthcode.rules import trust_of
from service.kernel.context import PublicIds
from service.kernel.live_ring import LiveRing
from service.kernel.problems import NotAuthenticated, NotFound, RowTampered
from service.kernel.sealing import Sealer
from service.keys import changes
from service.keys.changes import ChangeRefused
from service.keys.schedule import FIXED
from tests.support.clock import FakeClock

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
AT = NOW + timedelta(minutes=5)
INDEX = Index(record_id=bytes(8), card=0, epoch=0)
FIRST = changes.new_ring(NOW - timedelta(hours=1), 99)


@dataclass
class Made:
    """Something made under version 1; ``opens`` says whether a ring still takes it."""

    opens: Callable[[KeyRing], bool]


def sealer(ring: KeyRing) -> Sealer:
    return Sealer(LiveRing(ring), FakeClock(AT))


def refused(kind: type[Exception], work: Callable[[], object]) -> bool:
    try:
        work()
    except kind:
        return True
    return False


def a_code(kind: Kind) -> Made:
    issuer = load_issuer(FIRST, kind, NOW)
    if kind is Kind.BOUND:
        holder = PrivateKey.generate()
        wanted = CredentialRequest(index=INDEX, code_class=0, holder_key=holder.public)
        credential = issue_credential(issuer, wanted, NOW)
        text, at = show_bound(credential, holder, Moment(at=AT)).text, AT
    elif kind is Kind.ONCE:
        once = OnceRequest(index=INDEX, code_class=0, purpose=Purpose.IDENTIFY, life_s=60)
        text, at = issue_once(issuer, once, NOW).text, NOW
    else:
        printed = PrintedRequest(index=INDEX, code_class=0, life_days=10)
        text, at = issue_printed(issuer, printed, NOW).text, AT

    def opens(ring: KeyRing) -> bool:
        verdict = CodeVerifier(trust_of(ring)).verify(text, Reader(), at)
        assert verdict.holds or verdict.refusal is Refusal.KEY_UNKNOWN
        return verdict.holds

    return Made(opens)


def an_index() -> Made:
    wanted = PrintedRequest(index=INDEX, code_class=0, life_days=10)
    code = parse(decode(issue_printed(load_issuer(FIRST, Kind.PRINTED, NOW), wanted, NOW).text))

    def opens(ring: KeyRing) -> bool:
        roots = [key.material for key in ring.all_accepted(KeyKind.INDEX_ROOT, AT)]
        return find_index(roots, code) == INDEX

    return Made(opens)


def a_column() -> Made:
    local = sealer(FIRST).seal_local("terminal", b"1", b"secret")
    wrapped = envelope.wrap_data_key(FIRST, envelope.new_data_key(), ["data_key", 1], NOW)

    def opens(ring: KeyRing) -> bool:
        lost = refused(RowTampered, lambda: sealer(ring).open_local("terminal", b"1", local))
        gone = refused(
            ValueError, lambda: envelope.unwrap_data_key(ring, wrapped, ["data_key", 1], AT)
        )
        assert lost == gone
        return not lost

    return Made(opens)


def a_blind_index() -> Made:
    stored = blindindex.blind_index_to_store(FIRST, 0, b"kind\0text", NOW)
    return Made(lambda ring: stored in sealer(ring).blind_all("kind", "text"))


def a_row_mac() -> Made:
    mac = sealer(FIRST).row_mac("bill", [1])
    return Made(
        lambda ring: not refused(RowTampered, lambda: sealer(ring).check_mac("bill", [1], mac))
    )


def a_public_id() -> Made:
    text = PublicIds(LiveRing(FIRST), FakeClock(NOW)).text(1, 2)

    def opens(ring: KeyRing) -> bool:
        ids = PublicIds(LiveRing(ring), FakeClock(AT))
        return not refused(NotFound, lambda: ids.parse(text))

    return Made(opens)


def a_token() -> Made:
    seconds = int(NOW.timestamp())
    claims = tokens.Claims(iss=tokens.ISSUER, sub="A", sid="s", iat=seconds, exp=seconds + 3600)
    key = FIRST.current(KeyKind.TOKEN, NOW)
    token = tokens.issue(key, signing_key(key), claims)
    return Made(lambda ring: not refused(NotAuthenticated, lambda: tokens.read(ring, token, AT)))


def a_signature(kind: KeyKind) -> Made:
    signature = PrivateKey.from_bytes(FIRST.current(kind, NOW).material).sign(b"m")

    def opens(ring: KeyRing) -> bool:
        try:
            key = ring.accepted(kind, 1, AT)
        except BadKey:
            keys = [PrivateKey.from_bytes(k.material) for k in ring.keys if k.kind is kind]
            assert not any(one.public.verify(b"m", signature) for one in keys)
            return False
        return PrivateKey.from_bytes(key.material).public.verify(b"m", signature)

    return Made(opens)


MAKERS: dict[KeyKind, Callable[[], Made]] = {
    KeyKind.ISSUER_BOUND: lambda: a_code(Kind.BOUND),
    KeyKind.ISSUER_ONCE: lambda: a_code(Kind.ONCE),
    KeyKind.ISSUER_PRINTED: lambda: a_code(Kind.PRINTED),
    KeyKind.INDEX_ROOT: an_index,
    KeyKind.COLUMN: a_column,
    KeyKind.BLIND_INDEX: a_blind_index,
    KeyKind.ROW_MAC: a_row_mac,
    KeyKind.PUBLIC_ID: a_public_id,
    KeyKind.TOKEN: a_token,
}


@pytest.mark.parametrize("kind", [kind for kind in KeyKind if kind not in FIXED])
def test_what_a_destroyed_key_made_is_refused(kind: KeyKind) -> None:
    made = MAKERS.get(kind, lambda: a_signature(kind))()
    rotated = changes.rotate(FIRST, kind, NOW, NOW + changes.ACTIVATION)
    assert made.opens(FIRST)
    assert made.opens(rotated)
    assert not made.opens(changes.destroy(rotated, kind, 1))


@pytest.mark.parametrize("kind", list(FIXED))
def test_a_kind_that_is_never_rotated_is_never_destroyed(kind: KeyKind) -> None:
    with pytest.raises(ChangeRefused):
        changes.destroy(FIRST, kind, 1)


def test_pseudonyms_stay_through_the_rotation_of_everything_else() -> None:
    ring = FIRST
    before = sealer(ring).pseudonym(1, 2)
    for kind in KeyKind:
        if kind not in FIXED:
            ring = changes.rotate(ring, kind, NOW, NOW + changes.ACTIVATION)
    assert sealer(ring).pseudonym(1, 2) == before


class OneWrapped:
    """A connection to a table with one wrapped data key."""

    def __init__(self, wrapped: bytes) -> None:
        self._wrapped = wrapped

    async def fetchval(self, _sql: str, *_args: object) -> bytes:
        return self._wrapped


async def test_a_process_forgets_what_a_destroyed_key_had_opened() -> None:
    rotated = changes.rotate(FIRST, KeyKind.COLUMN, NOW, NOW + changes.ACTIVATION)
    ring = Swapped(FIRST)
    live = LiveRing.following(ring)
    wrapped = envelope.wrap_data_key(FIRST, envelope.new_data_key(), ["data_key", 7], NOW)
    conn, mine = OneWrapped(wrapped), Sealer(live, FakeClock(AT))
    key = await mine.record_key(conn, 7)  # type: ignore[arg-type]
    ring.put(rotated)
    assert live.refresh()
    assert (await mine.record_key(conn, 7)).secret == key.secret  # type: ignore[arg-type]
    ring.put(changes.destroy(rotated, KeyKind.COLUMN, 1))
    assert live.refresh()
    with pytest.raises(RowTampered):
        await mine.record_key(conn, 7)  # type: ignore[arg-type]


class Swapped:
    """A source whose ring the test replaces."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring

    def put(self, ring: KeyRing) -> None:
        self._ring = ring

    def mark(self) -> object:
        return id(self._ring)

    def load(self) -> KeyRing:
        return self._ring
