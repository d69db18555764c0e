"""Who is calling, once it is proved. Features get one of these, never a header."""

import msgspec


class Application(msgspec.Struct, frozen=True, kw_only=True):
    """A hospital's system, proved by its SM2 signature over the request."""

    institution_id: int
    application_id: int
    scopes: frozenset[str]

    @property
    def caller(self) -> str:
        """A key for limits and idempotency."""
        return f"application:{self.application_id}"


class Terminal(msgspec.Struct, frozen=True, kw_only=True):
    """A kiosk or desk scanner, proved by HMAC-SM3 over the request."""

    institution_id: int
    terminal_id: int
    public_place: bool
    """A kiosk in the open: names are masked, bills need a dynamic code or a second factor."""

    @property
    def caller(self) -> str:
        """A key for limits and idempotency."""
        return f"terminal:{self.terminal_id}"


class Resident(msgspec.Struct, frozen=True, kw_only=True):
    """A person at the phone, proved by our SM2-signed token."""

    account_id: int
    session_id: str
    record_id: int | None
    """The resident's own record; None before registration."""

    @property
    def caller(self) -> str:
        """A key for limits and idempotency."""
        return f"account:{self.account_id}"


class Operator(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody of the platform's own staff, proved by the session of his sign-in."""

    operator_id: int
    name: str
    """By which he signs in; it stands in decisions and in the audit log."""
    roles: frozenset[str]

    @property
    def caller(self) -> str:
        """A key for limits and idempotency."""
        return f"operator:{self.operator_id}"
