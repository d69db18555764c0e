"""Envelopes, wrapped data keys, row MACs, blind indexes, public ids and pseudonyms."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from crypto import envelope
from crypto.blindindex import SIZE, blind_index, blind_index_to_store
from crypto.canonical import Value, encode_parts
from crypto.errors import BadCiphertext, BadEncoding, BadKey
from crypto.keyring import KeyKind, KeyRing
from crypto.pseudonym import institution_pseudonym
from crypto.publicid import PublicIds

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
RING = KeyRing.generate_for_development(NOW)
LATER = NOW + timedelta(days=1)
ROTATED = RING
for kind in (KeyKind.COLUMN, KeyKind.BLIND_INDEX, KeyKind.PUBLIC_ID):
    ROTATED = ROTATED.rotated(kind, LATER, life=timedelta(days=90), overlap=timedelta(hours=1))
PLACE: tuple[Value, ...] = ("record", "name", b"12345678")


def test_a_column_opens_in_its_place_alone() -> None:
    key = envelope.new_data_key()
    sealed = envelope.seal(key, b"invented", PLACE)
    assert len(sealed) == len(b"invented") + envelope.OVERHEAD
    assert envelope.open(key, sealed, PLACE) == b"invented"
    assert envelope.seal(key, b"invented", PLACE) != sealed
    for place in (("record", "name", b"12345679"), ("record", "phone", b"12345678"), (), PLACE[:2]):
        with pytest.raises(BadCiphertext):
            envelope.open(key, sealed, place)
    with pytest.raises(BadCiphertext):
        envelope.open(envelope.new_data_key(), sealed, PLACE)


def test_every_changed_bit_of_an_envelope_is_refused() -> None:
    key = envelope.new_data_key()
    sealed = envelope.seal(key, b"four", PLACE)
    for at in range(len(sealed) * 8):
        broken = bytearray(sealed)
        broken[at // 8] ^= 1 << at % 8
        with pytest.raises(BadCiphertext):
            envelope.open(key, bytes(broken), PLACE)
    for cut in range(len(sealed)):
        with pytest.raises(BadCiphertext):
            envelope.open(key, sealed[:cut], PLACE)


def test_envelopes_are_bounded() -> None:
    key = envelope.new_data_key()
    with pytest.raises(BadEncoding):
        envelope.seal(key, bytes(envelope.PLAINTEXT_MAX + 1), PLACE)
    with pytest.raises(BadCiphertext):
        envelope.open(key, bytes(envelope.PLAINTEXT_MAX + envelope.OVERHEAD + 1), PLACE)
    with pytest.raises(BadKey):
        envelope.seal(b"short", b"x", PLACE)


def test_data_keys_are_wrapped_by_the_current_key_and_outlive_rotation() -> None:
    key = envelope.new_data_key()
    old = envelope.wrap_data_key(RING, key, (b"r",), NOW)
    new = envelope.wrap_data_key(ROTATED, key, (b"r",), LATER)
    assert len(old) == envelope.WRAPPED_SIZE
    assert (envelope.wrapped_under(old), envelope.wrapped_under(new)) == (1, 2)
    for wrapped in (old, new):
        assert envelope.unwrap_data_key(ROTATED, wrapped, (b"r",), LATER) == key
        with pytest.raises(BadCiphertext):
            envelope.unwrap_data_key(ROTATED, wrapped, (b"s",), LATER)
    with pytest.raises(BadCiphertext):
        envelope.unwrap_data_key(RING, new, (b"r",), LATER)
    with pytest.raises(BadCiphertext):
        envelope.unwrap_data_key(ROTATED.without(KeyKind.COLUMN, 1), old, (b"r",), LATER)
    with pytest.raises(BadCiphertext):
        envelope.wrapped_under(old + b"\0")
    with pytest.raises(BadEncoding):
        envelope.wrap_data_key(RING, b"short", (), NOW)


def test_canonical_lists_are_all_different() -> None:
    zone = timezone(timedelta(hours=8))
    lists: list[tuple[Value, ...]] = [
        (),
        (None,),
        ("",),
        (b"",),
        (0,),
        (False,),
        (True,),
        (1,),
        ("1",),
        (b"1",),
        (-1,),
        (255,),
        (256,),
        (-256,),
        ("a", "b"),
        ("ab",),
        ("a", None),
        (None, "a"),
        (NOW,),
        (date(2026, 11, 22),),
        ("2026-11-22",),
        (NOW + timedelta(microseconds=1),),
        (2**70,),
    ]
    assert len({encode_parts(parts) for parts in lists}) == len(lists)
    assert encode_parts((NOW,)) == encode_parts((NOW.astimezone(zone),))


@pytest.mark.parametrize(
    "parts",
    [(1.5,), ([],), (datetime(2026, 1, 1),), (None,) * 256, (bytes(1 << 25),)],  # noqa: DTZ001
)
def test_values_without_a_form_are_refused(parts: tuple[Value, ...]) -> None:
    with pytest.raises(BadEncoding):
        encode_parts(parts)


def test_row_macs_bind_table_values_and_order() -> None:
    key = RING.current(KeyKind.ROW_MAC, NOW).material
    mac = envelope.row_mac(key, "bill", ("a", 1, None))
    assert len(mac) == 32
    assert envelope.is_row_mac(key, "bill", ("a", 1, None), mac)
    changed: list[tuple[str, tuple[Value, ...]]] = [
        ("bills", ("a", 1, None)),
        ("bill", ("a", 1, "")),
        ("bill", (1, "a", None)),
        ("bill", ("a", 2, None)),
        ("bill", ("a", 1)),
    ]
    for table, parts in changed:
        assert not envelope.is_row_mac(key, table, parts, mac)
    assert not envelope.is_row_mac(bytes(32), "bill", ("a", 1, None), mac)
    assert not envelope.is_row_mac(key, "bill", ("a", 1, None), mac[:-1])


def test_blind_indexes_meet_only_in_kind_value_and_version() -> None:
    key = RING.current(KeyKind.BLIND_INDEX, NOW)
    one = blind_index(key, 1, b"13800000000")
    assert len(one) == SIZE
    assert one == blind_index(key, 1, b"13800000000")
    assert one[:2] == b"\1\1"
    others = {blind_index(key, 2, b"13800000000"), blind_index(key, 1, b"13800000001")}
    assert one not in others
    assert one[2:] not in {other[2:] for other in others}


def test_look_ups_cover_every_accepted_version() -> None:
    keys = ROTATED.all_accepted(KeyKind.BLIND_INDEX, LATER)
    found = [blind_index(key, 1, b"x") for key in keys]
    assert [index[0] for index in found] == [2, 1]
    assert blind_index_to_store(RING, 1, b"x", NOW) == found[1]
    assert blind_index_to_store(ROTATED, 1, b"x", LATER) == found[0]


def test_blind_indexes_refuse_other_keys_and_kinds() -> None:
    with pytest.raises(BadEncoding):
        blind_index(RING.current(KeyKind.ROW_MAC, NOW), 1, b"x")
    with pytest.raises(BadEncoding):
        blind_index(RING.current(KeyKind.BLIND_INDEX, NOW), 256, b"x")


def test_public_ids_lead_back_and_have_one_text() -> None:
    ids = PublicIds(RING, "bill")
    text = ids.encode(b"record01", b"local001", NOW)
    assert text[0] == "A"
    assert len(text) == 27
    assert ids.decode(text, NOW) == (b"record01", b"local001")
    last = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    siblings = [text[:-1] + letter for letter in last if letter != text[-1]]
    readable = []
    for sibling in siblings:
        try:
            readable.append(ids.decode(sibling, NOW))
        except BadEncoding:
            continue
    assert len(readable) == 7  # eight of 32 last letters have zero spare bits
    assert (b"record01", b"local001") not in readable


@pytest.mark.parametrize(
    "change",
    [
        str.lower,
        lambda t: t + "0",
        lambda t: t[:-1],
        lambda t: "a" + t[1:],
        lambda t: "Z" + t[1:],
        lambda t: "1" + t[1:],
        lambda t: t[:5] + "I" + t[6:],
        lambda t: t[:5] + "٣" + t[6:],
        lambda t: " " + t[1:],
        lambda _t: "",
    ],
)
def test_public_ids_are_read_strictly(change: object) -> None:
    ids = PublicIds(RING, "bill")
    text = ids.encode(b"record01", b"local001", NOW)
    with pytest.raises(BadEncoding):
        ids.decode(change(text), NOW)  # type: ignore[operator]


def test_public_ids_of_other_kinds_and_versions_differ() -> None:
    pair = (b"record01", b"local001")
    bill, visit = PublicIds(ROTATED, "bill"), PublicIds(ROTATED, "visit")
    assert bill.decode(visit.encode(*pair, NOW), NOW) != pair
    new = bill.encode(*pair, LATER)
    assert new[0] == "B"
    assert bill.decode(new, LATER) == pair
    assert bill.decode(PublicIds(RING, "bill").encode(*pair, NOW), LATER) == pair
    with pytest.raises(BadEncoding):
        bill.encode(b"short", pair[1], NOW)


def test_pseudonyms_are_an_institution_s_own() -> None:
    key = RING.current(KeyKind.INSTITUTION_PSEUDONYM, NOW)
    one = institution_pseudonym(key, b"H1", b"record01")
    assert one == institution_pseudonym(key, b"H1", b"record01")
    assert len({one, institution_pseudonym(key, b"H2", b"record01")}) == 2
    assert one[:1] == b"\1"
    with pytest.raises(BadEncoding):
        institution_pseudonym(key, b"H1", b"short")
    with pytest.raises(BadEncoding):
        institution_pseudonym(RING.current(KeyKind.ROW_MAC, NOW), b"H1", b"record01")
