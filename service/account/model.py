"""Accounts and what belongs to them."""

from datetime import datetime
from enum import StrEnum

import msgspec


class Level(StrEnum):
    """How sure it is who the account's holder is."""

    LOGIN = "LOGIN"
    DECLARED = "DECLARED"
    TWO_FACTOR = "TWO_FACTOR"
    """Name and ID number were confirmed by the real-name source."""


class AccountState(StrEnum):
    """Whether the account may be used."""

    ACTIVE = "ACTIVE"
    BLOCKED = "BLOCKED"


class Relation(StrEnum):
    """What a record is to an account."""

    SELF = "SELF"


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """A row of ``account``."""

    account_id: int
    level: Level
    state: AccountState
    created_at: datetime
    row_mac: bytes

    def mac_parts(self) -> list[int | str | datetime]:
        """The columns that the row's MAC covers."""
        return [self.account_id, self.level.value, self.state.value, self.created_at]


class AccountRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A row of ``account_record``: which record an account may act for."""

    account_id: int
    record_id: int
    relation: Relation
    from_at: datetime
    to_at: datetime | None
    row_mac: bytes

    def mac_parts(self) -> list[int | str | datetime | None]:
        """The columns that the row's MAC covers."""
        return [self.account_id, self.record_id, self.relation.value, self.from_at, self.to_at]


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A row of ``account_session``."""

    account_id: int
    session_id: str
    created_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    stopped: bool
    """By another device of the person's."""


class LoggedIn(msgspec.Struct, frozen=True, kw_only=True):
    """What a login gives."""

    token: str
    expires_in_s: int
    registered: bool

    def __repr__(self) -> str:
        return "LoggedIn(…)"


class RealName(msgspec.Struct, frozen=True, kw_only=True):
    """What a resident says of himself, as typed."""

    name: str
    id_type: str
    id_no: str
    phone: str | None

    def __repr__(self) -> str:
        return "RealName(…)"


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where an account stands; ``record_id`` is None before registration."""

    level: Level
    record_id: int | None
