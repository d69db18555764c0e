"""The hospital's door for events: verify as docs/integration.md says, take each event once.

Commits faults on demand, so that a platform's repeats can be seen.
"""

import base64
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec

from integrations.sandbox.hospital.signing import Signer

WINDOW = timedelta(minutes=5)
_PART = re.compile(r'(id|timestamp|nonce|signature)="([A-Za-z0-9+/=_-]{1,200})"', re.ASCII)


class EventFault(StrEnum):
    """What the door does to the next event, once."""

    REFUSE = "refuse"
    """Answer 500 and take nothing."""
    SLOW = "slow"
    """Take nothing and answer too late."""
    DROP_ANSWER = "drop-answer"
    """Take it, and answer too late."""


class EventForged(Exception):
    """Not from the platform, or not for this door; the message is a fixed word."""


class Arrived(msgspec.Struct, frozen=True, kw_only=True):
    """A request as it came: ``target`` as on the wire, header names in lower case."""

    host: str
    target: str
    headers: Mapping[str, str]
    body: bytes


def subject_of(event: Mapping[str, Any]) -> str:
    """The settlement or patient that an event is about. Raises ``KeyError`` for neither."""
    return str(event["settlement_id"] if "settlement_id" in event else event["patient_id"])


class EventDesk:
    """Knows which events were taken, and how far each settlement or patient is."""

    def __init__(self, signer: Signer, clock: Callable[[], datetime]) -> None:
        self._signer = signer
        self._clock = clock
        self.taken: dict[str, dict[str, Any]] = {}
        self.repeats = 0
        self.reached: dict[str, int] = {}
        self.faults: list[EventFault] = []
        self.refused: list[str] = []

    def take(self, arrived: Arrived) -> None:
        """Verify and remember; a repeat changes nothing. Raises ``EventForged``."""
        self._verify(arrived)
        event = msgspec.json.decode(arrived.body, type=dict[str, Any])
        if event["event_id"] != arrived.headers.get("idempotency-key"):
            raise EventForged("another event")
        if event["event_id"] in self.taken:
            self.repeats += 1
            return
        subject = subject_of(event)
        reached = self.reached.get(subject)
        if reached is not None and event["sequence"] != reached + 1:
            raise EventForged("out of order")
        self.reached[subject] = event["sequence"]
        self.taken[event["event_id"]] = event

    def _verify(self, arrived: Arrived) -> None:
        scheme, _, rest = arrived.headers.get("authorization", "").partition(" ")
        found = [_PART.fullmatch(part) for part in rest.split(",")]
        parts = {match[1]: match[2] for match in found if match is not None}
        if scheme != "YIMATONG-SM2-SM3" or len(found) != 4 or len(parts) != 4:
            raise EventForged("not signed")
        at = parts["timestamp"]
        if not at.isdecimal() or abs(int(at) - self._clock().timestamp()) > WINDOW.total_seconds():
            raise EventForged("not of now")
        lines = [parts["id"], "POST", arrived.host, arrived.target, at, parts["nonce"]]
        lines.append(arrived.headers.get("idempotency-key", ""))
        text = "".join(f"{line}\n" for line in lines).encode() + arrived.body + b"\n"
        try:
            raw = base64.b64decode(parts["signature"], validate=True)
        except ValueError:
            raise EventForged("not signed") from None
        if not self._signer.platform_signed(text, raw):
            raise EventForged("signature wrong")
