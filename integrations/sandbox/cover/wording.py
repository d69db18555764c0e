"""The twin's own reading of the generic claims profile, written a second time from its README."""

from typing import Annotated

import msgspec

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Fen = Annotated[int, msgspec.Meta(ge=0, le=10**12)]


class TwinContract(msgspec.Struct, frozen=True, kw_only=True):
    """A hospital that may claim."""

    client: str
    secret: str
    institution_code: str

    def __repr__(self) -> str:
        return f"TwinContract({self.client!r})"


class Refused(Exception):
    """A signed answer that is not success."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(code)
        self.code = code
        self.text = text


class Amounts(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The division; the four parts are the total."""

    total_fen: Fen
    fund_fen: Fen
    account_fen: Fen
    own_fen: Fen
    hospital_fen: Fen
    full_own_fen: Fen
    over_limit_fen: Fen
    first_pay_fen: Fen
    in_scope_fen: Fen

    def __post_init__(self) -> None:
        parts = self.fund_fen + self.account_fen + self.own_fen + self.hospital_fen
        if parts != self.total_fen:
            raise ValueError("parts")


class Charge(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One line."""

    catalogue_code: Annotated[str, msgspec.Meta(max_length=64)]
    amount_fen: Fen


class AdjudicateBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """``adjudicate``."""

    claim_no: Text
    authorisation_no: Text
    id_digest: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    visit_type: Annotated[str, msgspec.Meta(max_length=8)]
    visited_on: Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d{2}-\d{2}$")]
    diagnoses: Annotated[list[Text], msgspec.Meta(max_length=100)]
    charges: Annotated[list[Charge], msgspec.Meta(max_length=10_000)]
    amounts: Amounts


class ConfirmBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """``confirm``."""

    claim_no: Text
    settlement_ref: Text
    at_most_fen: Fen
    amounts: Amounts


class ClaimBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """``find`` and ``withdraw``."""

    claim_no: Text


class DayBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """``day``."""

    day: Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d{2}-\d{2}$")]


class Answer(msgspec.Struct, kw_only=True):
    """How a claim stands."""

    claim_no: str
    state: str
    cover_fen: int = 0
    claim_ref: str = ""
    confirmed_at: str = ""
    withdrawn_at: str = ""


class DayLine(msgspec.Struct, kw_only=True):
    """One line of a day."""

    claim_no: str
    state: str
    cover_fen: int


class DayAnswer(msgspec.Struct, kw_only=True):
    """A day's list."""

    day: str
    institution_code: str
    count: int
    cover_fen: int
    claims: list[DayLine]
