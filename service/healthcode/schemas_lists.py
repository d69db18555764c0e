"""What travels between readers and the platform: till certificates and reported showings."""

from datetime import datetime
from enum import Enum
from typing import Annotated

import msgspec

from crypto.healthcode.layout import Purpose
from crypto.healthcode.shown_log import OFFER_MAX, TEXT_MAX
from service.healthcode.model_lists import (
    ReportedShowing,
    ShownReport,
    TakenReport,
    TillCertified,
)

ENTRIES_MAX = 200
NUMBER_MAX = 1 << 62

Hex16 = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{32}\Z")]
Hex32 = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
Hex33 = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{66}\Z")]


class ShownPurpose(Enum):
    """Every purpose of the format: a reader logs more than terminals scan for online."""

    IDENTIFY = "identify"
    REGISTER = "register"
    PAY = "pay"
    OPEN_ARCHIVE = "open_archive"
    COLLECT = "collect"
    CONSENT = "consent"


class TillRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The till's own SM2 public key, compressed."""

    public_key: Hex33


class TillAnswer(msgspec.Struct, kw_only=True):
    """The certificate to put into offers, in hexadecimal."""

    certificate: str
    valid_until: datetime

    @classmethod
    def of(cls, certified: TillCertified) -> "TillAnswer":
        """From the action's answer."""
        return cls(certificate=certified.certificate.hex(), valid_until=certified.valid_until)


class ShownEntryBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A code that was accepted without a network, exactly as read, and when by the reader's clock.

    ``offer`` is the text of the offer that the code was bound to, if any.
    """

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=TEXT_MAX)]
    scanned_at: Annotated[datetime, msgspec.Meta(tz=True)]
    purpose: ShownPurpose
    offer: Annotated[str, msgspec.Meta(min_length=1, max_length=OFFER_MAX)] | None = None


class ShownCodesBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A piece of a reader's log. Entries count from 0.

    ``previous`` is the head before the entry numbered ``first``; before entry 0, 32 zero bytes.
    """

    log: Hex16
    first: Annotated[int, msgspec.Meta(ge=0, le=NUMBER_MAX)]
    previous: Hex32
    entries: Annotated[list[ShownEntryBody], msgspec.Meta(min_length=1, max_length=ENTRIES_MAX)]

    def report(self) -> ShownReport:
        """In the words of the rows."""
        return ShownReport(
            log_id=bytes.fromhex(self.log),
            first=self.first,
            previous=bytes.fromhex(self.previous),
            entries=[
                ReportedShowing(
                    text=entry.text,
                    scanned_at=entry.scanned_at,
                    purpose=Purpose[entry.purpose.name],
                    offer=entry.offer,
                )
                for entry in self.entries
            ],
        )


class RefusedEntry(msgspec.Struct, kw_only=True):
    """An entry that does not hold here: the health-code format's word, or one of the reports' own.

    Own words: ``SCANNED_AHEAD``, ``SCANNED_TOO_LONG_AGO``, ``OFFER_REFUSED``.
    """

    number: int
    error: str


class ShownCodesAnswer(msgspec.Struct, kw_only=True):
    """The log stands behind these entries now: ``head`` is the next call's ``previous``, and its
    ``first`` is this call's plus ``taken``."""

    taken: int
    head: str
    work_items: int
    refused: list[RefusedEntry]

    @classmethod
    def of(cls, taken: TakenReport) -> "ShownCodesAnswer":
        """From the action's answer."""
        return cls(
            taken=taken.taken,
            head=taken.head.hex(),
            work_items=taken.work_items,
            refused=[
                RefusedEntry(number=entry.number, error=entry.error) for entry in taken.refused
            ],
        )
