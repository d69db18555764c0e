"""What travels: terminal activation."""

from typing import Annotated

import msgspec


class ActivationRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The code that staff type once at a new terminal."""

    activation_code: Annotated[str, msgspec.Meta(min_length=16, max_length=24)]


class ActivationAnswer(msgspec.Struct, kw_only=True):
    """The terminal's identity and key; ``key`` is base64 of 32 bytes and is told only here."""

    terminal_id: str
    key: str
    institution_name: str
    public_place: bool
