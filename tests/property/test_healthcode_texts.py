"""Any change to a one-time code is refused: every bit, every letter, every careless carrier."""

from datetime import UTC, datetime, timedelta
from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from crypto.errors import BadEncoding
from crypto.healthcode import text as code_text
from crypto.healthcode.index import Index, find_index
from crypto.healthcode.issue import OnceRequest, issue_once, load_issuer
from crypto.healthcode.layout import Kind, Purpose, parse
from crypto.healthcode.refusal import CodeRefused, Refusal
from crypto.healthcode.trust import TrustedKey, TrustList, Use
from crypto.healthcode.verify import CodeVerifier, Reader
from crypto.keyring import KeyRing

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
DAY = timedelta(days=1)
ISSUER = load_issuer(KeyRing.generate_for_development(NOW), Kind.ONCE, NOW)
ANY = Reader()


@cache
def verifier() -> CodeVerifier:
    """Trusts the key for every kind, so that only the signature stands between."""
    key = TrustedKey(
        key_id=ISSUER.key_id,
        public=ISSUER.signer.public,
        uses=frozenset(map(Use, Kind)),
        classes=frozenset(),
        sign_from=NOW - 3650 * DAY,
        sign_until=NOW + 3650 * DAY,
        verify_until=NOW + 3650 * DAY,
    )
    return CodeVerifier(TrustList.of(sequence=1, made_at=NOW - DAY, next_at=NOW + DAY, keys=[key]))


def a_code() -> str:
    index = Index(record_id=b"record01", card=1, epoch=1)
    return issue_once(ISSUER, OnceRequest(index=index, code_class=1), NOW).text


def refusal(text: str) -> Refusal | None:
    return verifier().verify(text, ANY, NOW).refusal


def test_every_bit_flip_is_refused() -> None:
    text = a_code()
    raw = code_text.decode(text)
    assert refusal(text) is None
    accepted = []
    for bit in range(len(raw) * 8):
        changed = bytearray(raw)
        changed[bit // 8] ^= 1 << bit % 8
        if refusal(code_text.encode(bytes(changed))) is None:
            accepted.append(bit)
    assert accepted == []


def test_every_letter_substitution_is_refused() -> None:
    text = a_code()
    accepted = []
    for at in range(len(text)):
        for letter in code_text.ALPHABET:
            changed = text[:at] + letter + text[at + 1 :]
            if changed != text and refusal(changed) is None:
                accepted.append((at, letter))
    assert accepted == []


def test_careless_carriers_are_refused_or_change_nothing() -> None:
    text = a_code()
    for changed in (text[:-1], text[1:], text + " ", f" {text}", text.lower(), text + text[-1]):
        assert refusal(changed) is Refusal.CODE_MALFORMED
    assert text == text.strip() == " ".join(text.split())


def test_neighbours_swapped_are_refused() -> None:
    text = a_code()
    for at in range(len(text) - 1):
        changed = text[:at] + text[at + 1] + text[at] + text[at + 2 :]
        if changed != text:
            assert refusal(changed) is not None


@given(st.binary(min_size=1, max_size=204))
def test_every_bytes_have_one_text(raw: bytes) -> None:
    text = code_text.encode(raw)
    assert code_text.decode(text) == raw
    assert len(text) <= code_text.TEXT_MAX


@given(st.text(alphabet=code_text.ALPHABET + " %+/a￥", max_size=320))
def test_a_text_that_decodes_is_the_canonical_one(body: str) -> None:
    try:
        raw = code_text.decode("YM1:" + body)
    except BadEncoding:
        return
    assert code_text.encode(raw) == "YM1:" + body


@given(st.text(max_size=400))
def test_hostile_texts_are_refused_not_crashed_on(text: str) -> None:
    assert refusal(text) is not None
    assert refusal("YM1:" + text) is not None


@given(st.binary(max_size=204))
def test_parsed_bytes_write_back_the_same(raw: bytes) -> None:
    for start in (b"", b"\1\1", b"\1\2", b"\1\3"):
        try:
            code = parse(start + raw)
        except CodeRefused:
            continue
        assert code.to_bytes() == start + raw


@given(st.sampled_from([(1, 194), (2, 100), (3, 99)]), st.data())
def test_any_bytes_of_the_right_length_are_judged(
    shape: tuple[int, int], data: st.DataObject
) -> None:
    kind, size = shape
    raw = bytes((1, kind)) + data.draw(st.binary(min_size=size - 2, max_size=size - 2))
    assert refusal(code_text.encode(raw)) is not None


@settings(max_examples=30, deadline=None)
@given(
    st.binary(min_size=8, max_size=8),
    st.integers(0, 65535),
    st.integers(0, 65535),
    st.integers(0, 255),
    st.sampled_from(list(Purpose)),
    st.integers(1, 120),
)
def test_whatever_is_issued_verifies_and_leads_back(
    record_id: bytes, card: int, epoch: int, code_class: int, purpose: Purpose, life_s: int
) -> None:
    index = Index(record_id=record_id, card=card, epoch=epoch)
    request = OnceRequest(index=index, code_class=code_class, purpose=purpose, life_s=life_s)
    issued = issue_once(ISSUER, request, NOW)
    verdict = verifier().verify(issued.text, Reader(wanted=purpose), NOW)
    assert verdict.holds
    assert find_index([ISSUER.index_root], issued.code) == index
