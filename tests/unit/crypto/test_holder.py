"""The reference holder: rising showings, its clock, its nonces, and what it never signs."""

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import islice

import pytest

from crypto import curve
from crypto.errors import BadEncoding, CryptoError
from crypto.healthcode.context import Offer
from crypto.healthcode.holder import (
    Holder,
    HolderRefused,
    Reason,
    clock_offset_s,
    enrol_proof,
)
from crypto.healthcode.layout import BoundCode, Purpose, enrol_message
from crypto.healthcode.trust import open_trust_list
from crypto.healthcode.verify import CodeVerifier, Reader
from crypto.hedged import HedgedSigner, candidates, first_below, mixed_key, nonce
from crypto.signing import Signer
from crypto.sm2 import PrivateKey
from tests.unit.crypto.health_code_holder_vectors import LIFE_MIN, credential
from tests.unit.crypto.health_code_parts import HOLDER, NOW, ROOT, s, trust_list

TILL = Offer(
    purpose=Purpose.PAY,
    institution=b"H99000100001".ljust(18, b"\0"),
    terminal=b"TERM0001",
    challenge=bytes(range(16)),
    bill_id=bytes(range(16, 32)),
    amount_fen=100,
)


def verifier() -> CodeVerifier:
    listed = bytes.fromhex(trust_list(NOW - timedelta(hours=3), NOW + timedelta(days=3)))
    return CodeVerifier(open_trust_list(listed, [ROOT.public]))


def reason_of(show: Callable[[], object]) -> Reason:
    with pytest.raises(HolderRefused) as refused:
        show()
    return refused.value.reason


def test_a_reader_accepts_every_showing_and_each_rises() -> None:
    holder, reader = Holder(HOLDER, credential()), verifier()
    last = -1
    for seconds in (0, 1, 29, 30, 31, 3600, LIFE_MIN * 60 - 1):
        shown = holder.show(s(seconds))
        assert reader.verify(shown.issued.text, Reader(), s(seconds)).holds
        assert isinstance(shown.issued.code, BoundCode)
        assert shown.issued.code.rise == shown.last_rise == holder.last_rise > last
        last = shown.last_rise


def test_two_hundred_and_fifty_six_showings_a_step_then_the_next() -> None:
    step = int(NOW.timestamp()) // 30
    holder = Holder(HOLDER, credential(), last_rise=step * 256 + 253)
    assert [holder.show(s(1)).last_rise & 255 for _ in range(2)] == [254, 255]
    assert reason_of(lambda: holder.show(s(29))) is Reason.SEQ_SPENT
    assert holder.show(s(30)).last_rise == (step + 1) * 256


def test_a_clock_set_back_shows_nothing_again() -> None:
    holder = Holder(HOLDER, credential())
    holder.show(s(600))
    assert reason_of(lambda: holder.show(s(569))) is Reason.CLOCK_BEHIND
    assert holder.show(s(600)).last_rise & 255 == 1


def test_the_servers_clock_rules() -> None:
    slow_phone = NOW - timedelta(hours=5)
    offset = clock_offset_s(slow_phone, slow_phone + timedelta(seconds=2), s(1))
    assert offset == 5 * 3600
    holder = Holder(HOLDER, credential(), offset)
    shown = holder.show(slow_phone + timedelta(seconds=40))
    assert verifier().verify(shown.issued.text, Reader(), s(40)).holds


@pytest.mark.parametrize("trip_s", [-1, 21])
def test_a_round_trip_that_tells_no_time_is_refused(trip_s: int) -> None:
    refusal = reason_of(lambda: clock_offset_s(NOW, s(trip_s), NOW))
    assert refusal is Reason.CLOCK_UNSURE


def test_life_is_judged_by_the_servers_clock() -> None:
    life = LIFE_MIN * 60
    holder = Holder(HOLDER, credential(), 10.0)
    assert reason_of(lambda: holder.show(s(life - 10))) is Reason.EXPIRED
    assert reason_of(lambda: holder.show(s(-41))) is Reason.NOT_YET_VALID
    assert not holder.wants_renewal(s(life // 2 - 11))
    assert holder.wants_renewal(s(life // 2 - 10))


def test_a_credential_of_another_key_is_refused() -> None:
    assert reason_of(lambda: Holder(PrivateKey.generate(), credential())) is Reason.NOT_MINE


def test_a_code_bound_to_an_offer_pays_at_that_till_only() -> None:
    holder, reader = Holder(HOLDER, credential()), verifier()
    text = holder.show(s(1), Purpose.PAY, TILL).issued.text
    due = Reader(wanted=Purpose.PAY, context=TILL.context(), context_required=True)
    assert reader.verify(text, due, s(2)).holds
    dearer = Offer(**{name: getattr(TILL, name) for name in TILL.__slots__} | {"amount_fen": 101})
    other = Reader(wanted=Purpose.PAY, context=dearer.context(), context_required=True)
    assert reader.verify(text, other, s(2)).refusal == "CONTEXT_MISMATCH"
    assert reason_of(lambda: holder.show(s(3), Purpose.IDENTIFY, TILL)) is Reason.OTHER_PURPOSE


def test_an_offer_that_ended_while_it_was_read_is_not_signed() -> None:
    holder = Holder(HOLDER, credential(), 5.0)

    def shown(seconds: int) -> object:
        return holder.show(s(seconds), Purpose.PAY, TILL, offer_expires_at=s(60))

    shown(84)
    assert reason_of(lambda: shown(85)) is Reason.OFFER_EXPIRED
    assert holder.show(s(86), Purpose.PAY, TILL).last_rise == holder.last_rise


def test_a_phone_that_never_heard_the_server_shows_nothing() -> None:
    holder = Holder(HOLDER, credential(), None)
    assert reason_of(lambda: holder.show(s(0))) is Reason.CLOCK_UNSURE
    assert reason_of(lambda: holder.wants_renewal(s(0))) is Reason.CLOCK_UNSURE


class Faulty:
    """A signer that once in a while is hit by a fault."""

    def __init__(self, key: PrivateKey) -> None:
        self.public = key.public
        self._key = key

    def sign(self, message: bytes) -> bytes:
        good = self._key.sign(message)
        return good[:-1] + bytes((good[-1] ^ 1,))


def test_a_faulty_signature_is_never_shown_and_its_place_is_spent() -> None:
    holder = Holder(HOLDER, credential(), signer_of=Faulty)
    with pytest.raises(CryptoError, match="not released"):
        holder.show(s(1))
    assert holder.last_rise == int(NOW.timestamp()) // 30 * 256


def test_the_proof_is_over_challenge_account_and_key() -> None:
    challenge, account = bytes(32), bytes(range(16))
    proof = enrol_proof(HOLDER, challenge, account)
    message = enrol_message(challenge, account, HOLDER.public.compressed())
    assert HOLDER.public.verify(message, proof)
    assert proof != enrol_proof(HOLDER, challenge, account)


def test_one_digest_never_gets_one_nonce_twice() -> None:
    drawn = iter([bytes(32), bytes(32), b"\1" * 32])
    signer: Signer = HedgedSigner(HOLDER, random_bytes=lambda _size: next(drawn))
    first, second, third = (signer.sign(message) for message in (b"a", b"b", b"b"))
    # A dead random source: another digest still gives another nonce; fresh bytes give another.
    halves = {signature[:32] for signature in (first, second, third)}
    assert len(halves) == 3


def test_rejection_takes_the_next_output_and_never_a_remainder() -> None:
    given = (HOLDER.to_bytes(), bytes(32), bytes(32))
    outputs = [int.from_bytes(out, "big") for out in islice(candidates(*given), 40)]
    limit = sorted(outputs)[1]
    assert first_below(candidates(*given), limit) == min(outputs)
    zeros = iter([bytes(32), curve.N.to_bytes(32, "big"), (curve.N - 1).to_bytes(32, "big")])
    assert first_below(zeros, curve.N) == curve.N - 1
    assert nonce(*given) == outputs[0]


@pytest.mark.parametrize("sizes", [(31, 32, 32), (32, 33, 32), (32, 32, 0)])
def test_short_material_is_refused(sizes: tuple[int, int, int]) -> None:
    key, digest, fresh = (bytes(size) for size in sizes)
    with pytest.raises(BadEncoding):
        nonce(key, digest, fresh)


def test_a_key_needs_both_halves_whole() -> None:
    assert mixed_key(bytes(32), bytes(32)).public != mixed_key(bytes(32), b"\1" * 32).public
    with pytest.raises(BadEncoding):
        mixed_key(bytes(16), bytes(32))


def test_naive_times_are_not_taken_for_utc() -> None:
    with pytest.raises((TypeError, ValueError)):
        clock_offset_s(datetime(2026, 11, 22), s(1), s(1))  # noqa: DTZ001 - the mistake itself
