"""What travels between a resident's phone and us: challenges, credentials, printed codes.

Bytes are written in lower-case hexadecimal.
"""

from datetime import datetime
from typing import Annotated

import msgspec

from crypto.healthcode.offer import hides_something
from service.healthcode.enrolment import Challenge
from service.healthcode.model import Enrolled, IssuedPrinted, Phone, PrintedRow
from service.kernel.context import Context

Hex32 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
Hex33 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{66}\Z")]
Hex64 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{128}\Z")]
PublicId = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Label = Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
LifeDays = Annotated[int, msgspec.Meta(ge=1, le=1827)]


class ChallengeRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Nothing: the challenge is the caller's own."""


class ChallengeAnswer(msgspec.Struct, kw_only=True):
    """What to sign (``challenge``, ``account``) and 32 bytes to stir into the phone's randomness.

    ``server_time`` tells the phone how far its clock is off.
    """

    challenge: str
    account: str
    entropy: str
    expires_at: datetime
    server_time: datetime

    @classmethod
    def of(cls, challenge: Challenge, now: datetime) -> "ChallengeAnswer":
        """In the words of the wire."""
        return cls(
            challenge=challenge.challenge.hex(),
            account=challenge.account.hex(),
            entropy=challenge.entropy.hex(),
            expires_at=challenge.expires_at,
            server_time=now,
        )


class PhoneRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A new key with its proof; ``phone_id`` renews that phone instead of adding one.

    ``label`` tells the phone from others in its owner's list. As in a till's name, no character is
    taken that does not show or that turns the reading order.
    """

    challenge: Hex32
    holder_key: Hex33
    proof: Hex64
    phone_id: PublicId | None = None
    label: Label | None = None

    def __post_init__(self) -> None:
        """``ValueError`` for a label with hidden characters."""
        if self.label is not None and hides_something(self.label):
            raise ValueError("a label holds visible characters only")


class PhoneAnswer(msgspec.Struct, kw_only=True):
    """A credential, when to renew it, and the challenge to renew it with."""

    phone_id: str
    credential: str
    code_id: str
    issued_at: datetime
    expires_at: datetime
    renew_after: datetime
    server_time: datetime
    next: ChallengeAnswer

    @classmethod
    def of(
        cls, ctx: Context, enrolled: Enrolled, challenge: Challenge, now: datetime
    ) -> "PhoneAnswer":
        """From the action's answer and a fresh challenge."""
        return cls(
            phone_id=ctx.public_ids.text(enrolled.record_id, enrolled.phone_id),
            credential=enrolled.credential.hex(),
            code_id=enrolled.code_id.hex(),
            issued_at=enrolled.issued_at,
            expires_at=enrolled.expires_at,
            renew_after=enrolled.issued_at + (enrolled.expires_at - enrolled.issued_at) / 2,
            server_time=now,
            next=ChallengeAnswer.of(challenge, now),
        )


class ListedPhone(msgspec.Struct, kw_only=True):
    """A phone that shows, or showed, codes of the resident."""

    phone_id: str
    label: str | None
    enrolled_at: datetime
    renewed_at: datetime
    expires_at: datetime
    state: str

    @classmethod
    def of(cls, ctx: Context, phone: Phone) -> "ListedPhone":
        """In the words of the wire."""
        return cls(
            phone_id=ctx.public_ids.text(phone.record_id, phone.phone_id),
            label=phone.label,
            enrolled_at=phone.enrolled_at,
            renewed_at=phone.renewed_at,
            expires_at=phone.expires_at,
            state=phone.state.value,
        )


class PhoneList(msgspec.Struct, kw_only=True):
    """Active ones first, then newest first; revoked ones are told too."""

    phones: list[ListedPhone]


class PrintedRequestBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """``symbol`` asks for the QR drawn as SVG, which is not done unasked; ``life_days`` is two
    years unless told."""

    symbol: bool = False
    life_days: LifeDays = 730


class PrintedAnswer(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A code to print. Its text is told this once."""

    printed_code_id: str
    text: str
    issued_at: datetime
    expires_at: datetime
    svg: str | None = None

    @classmethod
    def of(cls, ctx: Context, issued: IssuedPrinted, svg: str | None) -> "PrintedAnswer":
        """From the action's answer."""
        row = issued.row
        return cls(
            printed_code_id=ctx.public_ids.text(row.record_id, row.printed_code_id),
            text=issued.text,
            issued_at=row.issued_at,
            expires_at=row.expires_at,
            svg=svg,
        )


class ListedPrinted(msgspec.Struct, kw_only=True):
    """A printed code that is, or was, out."""

    printed_code_id: str
    issued_at: datetime
    expires_at: datetime
    state: str

    @classmethod
    def of(cls, ctx: Context, row: PrintedRow) -> "ListedPrinted":
        """In the words of the wire."""
        return cls(
            printed_code_id=ctx.public_ids.text(row.record_id, row.printed_code_id),
            issued_at=row.issued_at,
            expires_at=row.expires_at,
            state=row.state.value,
        )


class PrintedList(msgspec.Struct, kw_only=True):
    """Newest first; revoked ones are told too."""

    printed_codes: list[ListedPrinted]
