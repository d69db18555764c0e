"""What travels: terminal activation, and the keys that sign our answers."""

from datetime import datetime
from typing import Annotated

import msgspec

from crypto.keyring import Key
from crypto.sm2 import PublicKey


class ActivationRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The code that staff type once at a new terminal."""

    activation_code: Annotated[str, msgspec.Meta(min_length=16, max_length=24)]


class ActivationAnswer(msgspec.Struct, kw_only=True):
    """The terminal's identity and key; ``key`` is base64 of 32 bytes and is told only here."""

    terminal_id: str
    key: str
    institution_name: str
    public_place: bool


class PlatformKey(msgspec.Struct, kw_only=True):
    """A key that signs answers from ``use_from``; ``public_key`` is 65 bytes in hexadecimal."""

    key_id: str
    public_key: str
    use_from: datetime
    use_until: datetime

    @classmethod
    def of(cls, key: Key, public: PublicKey) -> "PlatformKey":
        """The public half, under the name that stands in ``Yimatong-Key``."""
        return cls(
            key_id=f"transport-{key.version}",
            public_key=public.to_bytes().hex(),
            use_from=key.use_from,
            use_until=key.use_until,
        )


class PlatformKeysAnswer(msgspec.Struct, kw_only=True):
    """Every key that may stand under an answer, the next one before its time too."""

    keys: list[PlatformKey]
