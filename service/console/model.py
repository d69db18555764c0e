"""Operators of the console, their roles and rights."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

import msgspec

from crypto.canonical import Value
from service.kernel.principals import Operator


class Role(StrEnum):
    """What somebody is at the console; he may be several."""

    STEWARD = "steward"
    """Rules who is one person, and sees personal data for it."""
    FINANCE = "finance"
    """Sees the work items of money."""
    AUDITOR = "auditor"
    """Sees what is done and by whom, nothing personal, and decides nothing."""
    ADMIN = "admin"
    """Sees who may sign in. Nobody changes that at the console, only by command."""


class Right(StrEnum):
    """What a route asks for."""

    QUEUE = "queue"
    PERSONS = "persons"
    """Personal data, and rulings about it."""
    FIGURES = "figures"
    MONEY = "money"
    OPERATORS = "operators"
    ACTS = "acts"
    """Who did what, and looked at whom."""


class OperatorState(StrEnum):
    """Whether an operator may sign in."""

    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"


def _plain(value: object) -> Value:
    """A column as the MAC covers it."""
    if isinstance(value, list):
        return ",".join(value)
    return value.value if isinstance(value, StrEnum) else value  # type: ignore[return-value]


class OperatorRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row of ``console_operator``. He has one session at most."""

    operator_id: int
    name: str
    roles: list[str]
    """In alphabetical order."""
    state: OperatorState
    password_salt: bytes
    password_hash: bytes
    factor_sealed: bytes
    """The secret of the second factor: 20 bytes, in an envelope bound to the row."""
    factor_step: int
    """The newest 30-second step whose code was used: none up to it counts again."""
    failures: int
    """Refused sign-ins in a row."""
    locked_until: datetime | None
    session_hash: bytes | None
    session_began_at: datetime | None
    session_seen_at: datetime | None
    created_at: datetime
    version: int
    row_mac: bytes

    def mac_parts(self) -> Sequence[Value]:
        """The columns that the row's MAC covers: all but the MAC."""
        return [
            _plain(value)
            for name, value in msgspec.structs.asdict(self).items()
            if name != "row_mac"
        ]

    def principal(self) -> Operator:
        """Who he is to the features."""
        return Operator(operator_id=self.operator_id, name=self.name, roles=frozenset(self.roles))


class Enrolled(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator is handed once; nobody can read it again. ``factor`` is an ``otpauth``
    address, as authenticator apps take it."""

    password: str
    factor: str

    def __repr__(self) -> str:
        return "Enrolled(…)"


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A sign-in as a request proves it, or as it began."""

    operator: Operator
    token: str
    """What the cookie holds."""
    forgery_token: str
    """What each changing request must carry beside the cookie."""
    ends_at: datetime
    """At the latest."""

    def __repr__(self) -> str:
        return f"Session({self.operator.name})"
