"""What travels: sign-in, and who is signed in."""

from datetime import datetime
from typing import Annotated, Self

import msgspec

from service.console import rules
from service.console.model import OperatorRow, Session

OperatorName = Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
Password = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
FactorCode = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{6}$(?!\n)")]


class SignInRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Name, password, and the six digits that the authenticator app shows now."""

    name: OperatorName
    password: Password
    code: FactorCode

    def __repr__(self) -> str:
        return "SignInRequest(…)"


class SessionAnswer(msgspec.Struct, kw_only=True):
    """Who is signed in. The session itself lies in the cookie."""

    name: str
    roles: list[str]
    rights: list[str]
    forgery_token: str
    """Goes back in ``Yimatong-Forgery-Token`` with each request that changes something."""
    ends_at: datetime
    """At the latest; 15 minutes without a request end it too."""

    @classmethod
    def of(cls, session: Session) -> Self:
        """As it travels."""
        roles = session.operator.roles
        return cls(
            name=session.operator.name,
            roles=sorted(roles),
            rights=sorted(right.value for right in rules.rights_of(roles)),
            forgery_token=session.forgery_token,
            ends_at=session.ends_at,
        )


class OperatorAnswer(msgspec.Struct, kw_only=True):
    """An operator as the administrator and the auditor see him."""

    name: str
    roles: list[str]
    state: str
    signed_in: bool
    locked_until: datetime | None

    @classmethod
    def of(cls, row: OperatorRow, now: datetime) -> Self:
        """As it travels."""
        is_locked = row.locked_until is not None and now < row.locked_until
        return cls(
            name=row.name,
            roles=row.roles,
            state=row.state.value,
            signed_in=rules.is_signed_in(row, now),
            locked_until=row.locked_until if is_locked else None,
        )


class OperatorsAnswer(msgspec.Struct, kw_only=True):
    """By name."""

    operators: list[OperatorAnswer]
