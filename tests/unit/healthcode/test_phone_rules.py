"""Phones and kept codes: who may renew, what counts, and challenges without a store."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from crypto.healthcode.holder import enrol_proof
from crypto.keyring import KeyKind, KeyRing
from crypto.sm2 import PrivateKey
from service.healthcode import enrolment, problems, rules
from service.healthcode.model import EnrolRequest, IssuedState, PhoneRow, PhoneState, Shown
from service.kernel.context import Context
from service.kernel.ids import RandomIds
from service.kernel.live_ring import LiveRing
from service.kernel.problems import NotFound, Problem
from service.kernel.sealing import Sealer
from tests.support.clock import FakeClock
from tests.support.fakes_identity import NOON


def phone(state: PhoneState = PhoneState.ACTIVE) -> PhoneRow:
    return PhoneRow(
        record_id=1,
        phone_id=2,
        account_id=3,
        slot=4,
        label=None,
        code_id=bytes(16),
        state=state,
        enrolled_at=NOON,
        renewed_at=NOON,
        expires_at=NOON,
        session_id=None,
        row_mac=b"",
    )


@pytest.mark.parametrize(
    ("shown", "state", "problem"),
    [
        (Shown.BOUND, IssuedState.REVOKED, problems.CodeRevoked),
        (Shown.BOUND, IssuedState.RETIRED, problems.CodeSuperseded),
        (Shown.BOUND, None, problems.CodeNoSuchCard),
        (Shown.PRINTED, IssuedState.REVOKED, problems.CodeRevoked),
        (Shown.PRINTED, None, problems.CodeNoSuchCard),
    ],
)
def test_a_kept_code_counts_by_its_row(
    shown: Shown, state: IssuedState | None, problem: type[Problem]
) -> None:
    with pytest.raises(problem):
        rules.check_issued(shown, state)


@pytest.mark.parametrize(
    ("shown", "state"),
    [
        (Shown.BOUND, IssuedState.LIVE),
        (Shown.PRINTED, IssuedState.LIVE),
        (Shown.ONE_TIME, None),
        (Shown.INSURANCE_CREDENTIAL, None),
    ],
)
def test_a_live_code_and_a_kind_that_is_not_kept_count(
    shown: Shown, state: IssuedState | None
) -> None:
    rules.check_issued(shown, state)


@pytest.mark.parametrize(
    ("taken", "over", "free"),
    [
        ([], [], 0),
        ([0, 1, 3], [], 2),
        ([4, 3, 2, 1], [], 0),
        ([0], [1, 2], 3),
        ([0, 2, 4], [3, 1], 3),
        ([], [4, 3, 2, 1, 0], 4),
    ],
)
def test_the_lowest_empty_place_then_that_of_the_phone_that_is_longest_over(
    taken: list[int], over: list[int], free: int
) -> None:
    assert rules.free_slot(taken, over) == free


def test_no_place_is_free() -> None:
    with pytest.raises(problems.PhoneLimitReached):
        rules.free_slot([0, 1, 2, 3, 4], [])


def test_a_renewed_phone_keeps_its_place() -> None:
    three = [NOON + timedelta(hours=hours) for hours in (1, 2, 3)]
    assert rules.slot_of_renewed(phone(), three, NOON) == 4


@pytest.mark.parametrize(
    ("row", "unexpired", "problem"),
    [
        (None, 0, NotFound),
        (phone(PhoneState.REVOKED), 0, problems.PhoneRevoked),
        (phone(PhoneState.REPLACED), 0, problems.PhoneReplaced),
        (phone(), 4, problems.PhoneCredentialsUsedUp),
    ],
)
def test_a_phone_that_may_not_renew(
    row: PhoneRow | None, unexpired: int, problem: type[Problem]
) -> None:
    expiries = [NOON + timedelta(hours=1 + hours) for hours in range(unexpired)]
    with pytest.raises(problem) as raised:
        rules.slot_of_renewed(row, expiries, NOON)
    if unexpired:
        assert cast("Any", raised.value).extensions["retry_after_s"] == 3600


class Issuer:
    """As much of a context as challenges need, over a ring that a test may change."""

    def __init__(self) -> None:
        self.clock = FakeClock(NOON)
        self.use(KeyRing.generate_for_development(NOON))

    def use(self, ring: KeyRing) -> None:
        self.ring = ring
        self.ctx = cast(
            "Context",
            SimpleNamespace(
                clock=self.clock, ids=RandomIds(), sealer=Sealer(LiveRing(ring), self.clock)
            ),
        )


def asked(given: enrolment.Challenge, key: PrivateKey) -> EnrolRequest:
    return EnrolRequest(
        challenge=given.challenge,
        holder_key=key.public.compressed(),
        proof=enrol_proof(key, given.challenge, given.account),
        phone_id=None,
        label=None,
    )


def test_a_challenge_has_the_sizes_of_the_format_and_never_repeats() -> None:
    issuer = Issuer()
    one, two = (enrolment.new_challenge(issuer.ctx, 7) for _ in range(2))
    assert (len(one.challenge), len(one.account), len(one.entropy)) == (32, 16, 32)
    assert one.challenge != two.challenge
    assert one.entropy != two.entropy
    assert one.account == two.account != enrolment.new_challenge(issuer.ctx, 8).account


def test_a_challenge_outlives_a_rotation_of_its_key() -> None:
    issuer, key = Issuer(), PrivateKey.generate()
    request = asked(enrolment.new_challenge(issuer.ctx, 7), key)
    for _ in range(2):
        rotated = issuer.ring.rotated(
            KeyKind.BLIND_INDEX, NOON, life=timedelta(days=90), overlap=timedelta()
        )
        issuer.use(rotated)
        issuer.clock.advance(timedelta(seconds=1))
        assert enrolment.prove(issuer.ctx, 7, request).compressed() == request.holder_key


def test_a_challenge_ends() -> None:
    issuer, key = Issuer(), PrivateKey.generate()
    given = enrolment.new_challenge(issuer.ctx, 7)
    issuer.clock.advance(timedelta(hours=96) - timedelta(seconds=1))
    enrolment.prove(issuer.ctx, 7, asked(given, key))
    issuer.clock.advance(timedelta(seconds=1))
    with pytest.raises(problems.PhoneChallengeExpired):
        enrolment.prove(issuer.ctx, 7, asked(given, key))


@pytest.mark.parametrize("bit", range(0, 256, 5))
def test_a_changed_challenge_is_nobodys(bit: int) -> None:
    issuer, key = Issuer(), PrivateKey.generate()
    given = enrolment.new_challenge(issuer.ctx, 7)
    raw = bytearray(given.challenge)
    raw[bit // 8] ^= 1 << bit % 8
    changed = enrolment.Challenge(
        challenge=bytes(raw),
        account=given.account,
        entropy=given.entropy,
        expires_at=given.expires_at,
    )
    with pytest.raises(problems.PhoneChallengeInvalid):
        enrolment.prove(issuer.ctx, 7, asked(changed, key))
