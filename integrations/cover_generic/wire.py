"""The messages of the generic claims profile. Amounts are integer fen, days of China."""

from typing import Annotated

import msgspec

Number = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Fen = Annotated[int, msgspec.Meta(ge=0, le=10**12)]
CLAIMS_MAX = 100_000
"""Of one day's answer."""


class Amounts(msgspec.Struct, frozen=True, kw_only=True):
    """How the basic insurance divided the bill."""

    total_fen: Fen
    fund_fen: Fen
    account_fen: Fen
    own_fen: Fen
    hospital_fen: Fen
    full_own_fen: Fen
    over_limit_fen: Fen
    first_pay_fen: Fen
    in_scope_fen: Fen


class Charge(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the bill."""

    catalogue_code: str
    amount_fen: Fen


class AdjudicateBody(msgspec.Struct, frozen=True, kw_only=True):
    """``/claims/adjudicate``. ``id_digest``: HMAC-SM3 of the ID number under the shared secret."""

    claim_no: str
    authorisation_no: str
    id_digest: str
    visit_type: str
    visited_on: str
    diagnoses: list[str]
    charges: list[Charge]
    amounts: Amounts


class ConfirmBody(msgspec.Struct, frozen=True, kw_only=True):
    """``/claims/confirm``."""

    claim_no: str
    settlement_ref: str
    at_most_fen: int
    amounts: Amounts


class ClaimBody(msgspec.Struct, frozen=True, kw_only=True):
    """``/claims/find`` and ``/claims/withdraw``."""

    claim_no: str


class DayBody(msgspec.Struct, frozen=True, kw_only=True):
    """``/claims/day``."""

    day: str


class ClaimAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """How a claim stands: OFFERED, CONFIRMED, WITHDRAWN or, of ``find``, NONE."""

    claim_no: Number
    state: Annotated[str, msgspec.Meta(max_length=32)]
    cover_fen: Fen = 0
    claim_ref: Annotated[str, msgspec.Meta(max_length=64)] = ""
    confirmed_at: Annotated[str, msgspec.Meta(max_length=40)] = ""
    withdrawn_at: Annotated[str, msgspec.Meta(max_length=40)] = ""


class DayLine(msgspec.Struct, frozen=True, kw_only=True):
    """A claim on the day's list; CONFIRMED or WITHDRAWN."""

    claim_no: Number
    state: Annotated[str, msgspec.Meta(max_length=32)]
    cover_fen: Fen


class DayAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """``/claims/day``: the whole list; ``count`` and ``cover_fen`` are its sums."""

    day: Annotated[str, msgspec.Meta(max_length=10)]
    institution_code: Number
    count: Annotated[int, msgspec.Meta(ge=0)]
    cover_fen: int
    """Granted less withdrawn."""
    claims: Annotated[list[DayLine], msgspec.Meta(max_length=CLAIMS_MAX)]


class ErrorAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The answer with status 4xx."""

    code: Annotated[str, msgspec.Meta(max_length=64)]
    text: Annotated[str, msgspec.Meta(max_length=256)] = ""
