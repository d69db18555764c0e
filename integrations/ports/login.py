"""Platform login and real-name check as the account feature needs them."""

from typing import Protocol

import msgspec

from integrations.ports.outcomes import Outcome


class PlatformIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """Who the platform says is logged in. The session key never leaves the adapter."""

    subject: str
    union: str | None


class LoginGateway(Protocol):
    """A mini-program platform."""

    code: str

    async def exchange(self, code: str) -> Outcome[PlatformIdentity]:
        """Exchange the client's one-time code. Rejected with ``code-invalid`` or ``too-often``."""


class RealNameGateway(Protocol):
    """A real-name source. No public wire exists for it: the profile spoken is our own, generic."""

    code: str

    async def check(self, name: str, id_no: str, request_no: str) -> Outcome[bool]:
        """Do name and number belong together (two factors)? Reads only.

        Rejected with ``not-on-record`` when the source does not know the number.
        """
