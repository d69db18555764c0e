"""Revocation lists: exact at any width, small, signed by the right key, never rolled back."""

from array import array
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from crypto.errors import BadEncoding
from crypto.healthcode.index import Index
from crypto.healthcode.issue import (
    CredentialRequest,
    IssuedCode,
    Moment,
    issue_credential,
    load_issuer,
    show_bound,
)
from crypto.healthcode.layout import Head, Kind
from crypto.healthcode.refusal import Level, ListRefusal, ListRefused, Mark, Refusal
from crypto.healthcode.revocation import (
    ListScope,
    RevocationDelta,
    RevocationList,
    apply_delta,
    make_delta,
    make_full,
    open_revocation_chain,
    open_revocation_list,
    sign_revocation_list,
)
from crypto.healthcode.revocation_set import RevocationSet
from crypto.healthcode.rice import COUNT_MAX
from crypto.healthcode.trust import TrustList, Use, trust_list_of
from crypto.healthcode.verify import CodeVerifier, Reader
from crypto.keyring import KeyKind, KeyRing
from crypto.sm2 import PrivateKey
from crypto.sm3 import sm3

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
RING = KeyRing.generate_for_development(NOW)
LIST_KEY = RING.current(KeyKind.CODE_LIST, NOW)
SIGNER = PrivateKey.from_bytes(LIST_KEY.material)
KEY_ID = LIST_KEY.code_key_id or 0


def trust(ring: KeyRing = RING) -> TrustList:
    return trust_list_of(ring, sequence=1, made_at=NOW - DAY, next_at=NOW + DAY)


TRUST = trust()


def ids(count: int, seed: int) -> list[bytes]:
    return [sm3(b"%d of %d" % (number, seed))[:16] for number in range(count)]


def full(code_ids: list[bytes], sequence: int = 1, **changes: object) -> RevocationList:
    fields: dict[str, object] = {
        "scope": ListScope.BOUND,
        "code_class": 1,
        "made_at": NOW + sequence * MINUTE - 2 * MINUTE,
        "next_at": NOW + sequence * MINUTE,
        "innocent": [],
    }
    return make_full(sequence=sequence, code_ids=code_ids, **(fields | changes))  # type: ignore[arg-type]


def signed(listed: RevocationList | RevocationDelta, key_id: int = KEY_ID) -> bytes:
    return sign_revocation_list(listed, key_id, SIGNER)


def refusal(blob: bytes, listed: TrustList = TRUST, at: datetime = NOW, newest: int = 0) -> str:
    with pytest.raises(ListRefused) as caught:
        open_revocation_list(blob, listed, at, newest)
    return caught.value.refusal.value


@pytest.mark.parametrize("count", [0, 1, 2, 174, 5_500])
@pytest.mark.parametrize("width", [48, 64])
def test_a_signed_list_comes_back_whole(count: int, width: int) -> None:
    revoked = ids(count, 7)
    others = ids(500, 8)
    innocent = [revoked[0][:6] + bytes(10)] if width == 64 and revoked else []
    listed = full(revoked, innocent=innocent)
    opened = open_revocation_list(signed(listed), TRUST, NOW, 1)
    assert opened == listed
    assert isinstance(opened, RevocationList)
    assert opened.width == (width if revoked else 48)
    assert all(map(opened.holds, revoked))
    assert not any(map(opened.holds, others + innocent))


@pytest.mark.parametrize(
    ("count", "most"), [(5_500, 30_000), (50_000, 220_000)], ids=["phones lost", "a bad day"]
)
def test_a_full_list_is_small(count: int, most: int) -> None:
    assert len(signed(full(ids(count, 1)))) <= most


def test_a_delta_is_small_even_in_a_bad_five_minutes() -> None:
    revoked = ids(50_000, 2)
    delta = make_delta(full(revoked), full(revoked[87:] + ids(87, 3), 2))
    assert (len(delta.removed), len(delta.added)) == (87, 87)
    assert len(signed(delta)) <= 2_000
    grown = make_delta(full(revoked), full(revoked + ids(174, 3), 2))
    assert len(signed(grown)) <= 2_000


def test_an_hour_of_a_bad_day_fits_two_kilobytes_a_step_but_not_in_one() -> None:
    """50,000 listed and 69 more every two minutes: 0.1 % of 50 million in one day."""
    revoked = ids(50_000, 2)
    lists = [full(revoked + ids(69 * at, 3), 1 + at) for at in range(31)]
    steps = [signed(make_delta(*two)) for two in pairwise(lists)]
    assert max(map(len, steps)) <= 1_000
    five_minutes = signed(make_delta(lists[0], lists[3]))
    assert len(five_minutes) <= 2_000
    assert 2_000 < len(signed(make_delta(lists[0], lists[30]))) <= 15_000


def test_an_innocent_code_id_with_the_same_beginning_widens_the_list() -> None:
    revoked = ids(100, 4)
    neighbour = revoked[3][:6] + b"another id"
    narrow = full(revoked)
    assert narrow.width == 48
    assert narrow.holds(neighbour)
    wide = full(revoked, innocent=iter([neighbour]))
    assert wide.width == 64
    assert not wide.holds(neighbour)
    assert wide.holds(revoked[3])
    with pytest.raises(BadEncoding):
        full(revoked, innocent=[revoked[3][:8] + bytes(8)])
    with pytest.raises(BadEncoding):
        make_delta(narrow, replace(wide, sequence=2))


def test_two_revoked_ids_with_one_beginning_are_one_entry() -> None:
    listed = full([b"123456" + bytes(10), b"123456" + bytes(9) + b"\1"])
    assert listed.entries == array("Q", [int.from_bytes(b"123456", "big")])


def test_a_delta_leads_to_the_very_list() -> None:
    revoked = ids(1_000, 5)
    old, new = full(revoked), full(revoked[40:] + ids(60, 6), 4)
    delta = open_revocation_list(signed(make_delta(old, new)), TRUST, NOW + 3 * MINUTE)
    assert isinstance(delta, RevocationDelta)
    assert apply_delta(old, delta) == new
    blobs = [signed(old), signed(make_delta(old, new))]
    assert open_revocation_chain(blobs, TRUST, NOW + 3 * MINUTE, 4) == new
    nothing = make_delta(new, replace(new, sequence=5))
    assert apply_delta(new, nothing).entries == new.entries


@pytest.mark.parametrize(
    "base",
    [
        {"sequence": 2},
        {"code_class": 2},
        {"scope": ListScope.PRINTED},
        {"width": 64},
        {"entries": array("Q", [1, 2, 3])},
        {"entries": array("Q")},
    ],
)
def test_a_delta_upon_a_wrong_base_is_noticed(base: dict[str, object]) -> None:
    revoked = ids(50, 9)
    old, new = full(revoked), full(revoked[1:] + ids(1, 10), 3)
    with pytest.raises(ListRefused) as caught:
        apply_delta(replace(old, **base), make_delta(old, new))
    assert caught.value.refusal is ListRefusal.LIST_WRONG_BASE


@pytest.mark.parametrize(
    "changes",
    [
        {"removed": array("Q", [50])},
        {"removed": array("Q")},
        {"added": array("Q")},
        {"digest": bytes(32)},
    ],
)
def test_a_delta_that_does_not_lead_there_is_noticed(changes: dict[str, object]) -> None:
    revoked = ids(50, 9)
    old, new = full(revoked), full(revoked[1:] + ids(1, 10), 3)
    with pytest.raises(ListRefused):
        apply_delta(old, replace(make_delta(old, new), **changes))  # type: ignore[arg-type]


def test_a_delta_never_makes_a_double_entry() -> None:
    old = full(ids(3, 9))
    double = array("Q", sorted([*old.entries, old.entries[0]]))
    delta = replace(
        make_delta(old, replace(old, sequence=2)),
        added=old.entries[:1],
        digest=replace(old, sequence=2, entries=double).digest(),
    )
    with pytest.raises(ListRefused):
        apply_delta(old, delta)


def test_a_delta_adds_nothing_that_its_base_holds() -> None:
    old = full(ids(3, 9))
    same = replace(old, sequence=2)
    for removed in (array("Q"), array("Q", [0])):
        delta = replace(make_delta(old, same), removed=removed, added=old.entries[:1])
        with pytest.raises(ListRefused) as caught:
            apply_delta(old, delta)
        assert caught.value.refusal is ListRefusal.LIST_WRONG_BASE


def test_a_delta_is_not_older_than_its_base_and_its_list_not_longer_than_any() -> None:
    old, new = full(ids(3, 9)), full(ids(4, 9), 2)
    delta = make_delta(old, new)
    assert apply_delta(old, replace(delta, made_at=old.made_at)).entries == new.entries
    longest = replace(old, entries=array("Q", range(1, COUNT_MAX + 1)))
    one_more = replace(
        delta,
        removed=array("Q"),
        added=array("Q", [0]),
        digest=replace(new, entries=array("Q", range(COUNT_MAX + 1))).digest(),
    )
    for base, step in (
        (old, replace(delta, made_at=old.made_at - MINUTE)),
        (longest, one_more),
    ):
        with pytest.raises(ListRefused) as caught:
            apply_delta(base, step)
        assert caught.value.refusal is ListRefusal.LIST_WRONG_BASE


def test_a_restarted_reader_opens_the_full_list_behind_its_newest_sequence() -> None:
    old, new = full(ids(5, 1)), full(ids(6, 1), 2)
    blobs = [signed(old), signed(make_delta(old, new))]
    assert open_revocation_chain(blobs, TRUST, NOW + MINUTE, new.sequence) == new


def test_a_chain_begins_with_a_full_list_and_ends_no_earlier_than_seen() -> None:
    old, new = full(ids(5, 1)), full(ids(6, 1), 2)
    delta = signed(make_delta(old, new))
    for blobs, newest, word in (
        ([delta], 0, "LIST_WRONG_BASE"),
        ([], 0, "LIST_MALFORMED"),
        ([signed(old)], 2, "LIST_ROLLED_BACK"),
        ([signed(old), delta], 3, "LIST_ROLLED_BACK"),
        ([signed(new), delta], 0, "LIST_WRONG_BASE"),
    ):
        with pytest.raises(ListRefused) as caught:
            open_revocation_chain(blobs, TRUST, NOW + MINUTE, newest)
        assert caught.value.refusal.value == word


def test_every_reason_not_to_take_a_list_has_its_word() -> None:
    blob = signed(full(ids(3, 1)))
    till = RING.current(KeyKind.TILL, NOW).code_key_id or 0
    cut = trust(RING.cut_off_before(KeyKind.CODE_LIST, 1, NOW))
    closed = trust(RING.closed_after(KeyKind.CODE_LIST, 1, NOW - MINUTE))
    elsewhere = replace(TRUST.keys[KEY_ID], classes=frozenset({2}))
    other_class = replace(TRUST, keys={KEY_ID: elsewhere})
    assert refusal(b"") == "LIST_MALFORMED"
    assert refusal(bytes(1 << 23) + blob) == "LIST_MALFORMED"
    assert refusal(b"\2" + blob[1:]) == "LIST_UNSUPPORTED"
    assert refusal(blob, at=NOW - 2 * DAY) == "CLOCK_UNSURE"
    assert refusal(blob, at=NOW - 2 * MINUTE) == "CLOCK_UNSURE"
    assert refusal(blob, at=NOW + 8 * DAY) == "TRUST_LIST_EXPIRED"
    assert refusal(signed(full([]), 0x1234)) == "KEY_UNKNOWN"
    assert refusal(signed(full([]), till)) == "KEY_NOT_FOR_USE"
    assert refusal(blob, other_class) == "KEY_NOT_FOR_USE"
    assert refusal(blob, cut) == "KEY_CLOSED"
    assert refusal(blob, closed) == "KEY_CLOSED"
    assert refusal(blob[:-1] + bytes((blob[-1] ^ 1,))) == "LIST_SIGNATURE"
    assert refusal(blob, newest=2) == "LIST_ROLLED_BACK"


def test_lists_that_cannot_be_are_not_made() -> None:
    good = full(ids(3, 1))
    for broken in (
        replace(good, sequence=0),
        replace(good, sequence=1 << 32),
        replace(good, next_at=good.made_at),
        replace(good, code_class=256),
        replace(good, entries=array("Q", [2, 1])),
    ):
        with pytest.raises(BadEncoding):
            signed(broken)
    with pytest.raises(BadEncoding):
        signed(good, 0x10000)
    with pytest.raises(BadEncoding):
        full([b"short"])
    for later in (replace(good, scope=ListScope.PRINTED, sequence=2), good):
        with pytest.raises(BadEncoding):
            make_delta(good, later)


def a_code(code_class: int = 1) -> IssuedCode:
    holder = PrivateKey.generate()
    request = CredentialRequest(
        index=Index(record_id=bytes(8), card=0, epoch=0),
        code_class=code_class,
        holder_key=holder.public,
    )
    credential = issue_credential(load_issuer(RING, Kind.BOUND, NOW), request, NOW)
    return show_bound(credential, holder, Moment(at=NOW))


def test_a_verdict_says_as_of_when_a_code_was_not_revoked() -> None:
    verifier, code = CodeVerifier(TRUST), a_code()
    mine = full([code.code_id])
    clear = full(ids(20, 1), 2)
    assert verifier.verify(code.text, Reader(), NOW, RevocationSet([mine])).refusal is (
        Refusal.REVOKED
    )
    verdict = verifier.verify(code.text, Reader(), NOW, RevocationSet([clear]))
    assert verdict.not_revoked_as_of == clear.made_at == NOW
    assert (verdict.level, verdict.marks) == (Level.PRESENT, ())
    for nothing in (None, RevocationSet(), RevocationSet([replace(clear, code_class=2)])):
        verdict = verifier.verify(code.text, Reader(), NOW, nothing)
        assert verdict.not_revoked_as_of is None
        assert (verdict.level, verdict.marks) == (Level.IDENTIFIED, (Mark.LIST_OLD,))
    printed = RevocationSet([replace(mine, scope=ListScope.PRINTED)])
    assert verifier.verify(code.text, Reader(), NOW, printed).holds


def test_a_clock_before_the_newest_list_is_not_trusted() -> None:
    verifier, code = CodeVerifier(TRUST), a_code()
    ahead = RevocationSet([full([], 2, scope=ListScope.PRINTED, made_at=NOW + 31 * MINUTE / 60)])
    at_edge = RevocationSet([full([], 2, made_at=NOW + MINUTE / 2)])
    assert verifier.verify(code.text, Reader(), NOW, ahead).refusal is Refusal.CLOCK_UNSURE
    assert verifier.verify(code.text, Reader(), NOW, at_edge).holds


def test_the_newer_of_class_and_province_answers() -> None:
    head = Head(kind=Kind.BOUND, key_id=1, code_class=1, issued=0, life=1)
    own, whole = full([], 1), full([], 2, code_class=0)
    assert RevocationSet([own, whole]).covering(head) is whole
    assert RevocationSet([own]).covering(head) is own
    assert RevocationSet([whole]).covering(head._replace(code_class=9)) is whole
    assert RevocationSet([whole]).covering(head._replace(kind=Kind.ONCE)) is None
    assert RevocationSet([whole]).covering(head._replace(kind=Kind.PRINTED)) is None
    at_once = replace(whole, made_at=own.made_at)
    assert RevocationSet([own, at_once]).covering(head) is own
    assert RevocationSet([at_once, own]).covering(head) is own
    newer = full([], 3)
    assert RevocationSet([own, whole]).with_list(newer).covering(head) is newer
    assert RevocationSet([own, whole]).newest_made_at == whole.made_at
    with pytest.raises(ListRefused) as caught:
        RevocationSet([newer]).with_list(own)
    assert caught.value.refusal is ListRefusal.LIST_ROLLED_BACK
    assert RevocationSet([newer]).with_list(whole).lists == (newer, whole)


def test_the_list_key_is_trusted_for_lists_alone() -> None:
    assert TRUST.keys[KEY_ID].uses == {Use.REVOCATION_LIST}
