"""Fixed fields of signed binary forms: reading them one after the other, writing instants.

Every form that uses this (trust list, revocation list, offer) is checked to its last byte.
"""

from datetime import UTC, datetime

from crypto.errors import BadEncoding

_SECONDS_MAX = 0xFFFFFFFF


def seconds(instant: datetime | None) -> bytes:
    """An aware instant as 4 bytes, seconds since 1970 (whole part); None is 0."""
    value = 0 if instant is None else int(instant.timestamp())
    if not 0 <= value <= _SECONDS_MAX:
        raise BadEncoding("an instant is outside 1970 to 2106")
    return value.to_bytes(4, "big")


class Fields:
    """Reads fixed fields from the front; ``BadEncoding`` where the bytes end too early."""

    def __init__(self, blob: bytes) -> None:
        self._blob = blob
        self._at = 0

    def take(self, size: int) -> bytes:
        """The next ``size`` bytes."""
        piece = self._blob[self._at : self._at + size]
        if len(piece) != size:
            raise BadEncoding("the bytes end before the form does")
        self._at += size
        return piece

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(len(self._blob) - self._at)

    def whole(self, size: int) -> int:
        """The next ``size`` bytes as an unsigned number."""
        return int.from_bytes(self.take(size), "big")

    def instant(self) -> datetime:
        """The next 4 bytes as an instant."""
        return datetime.fromtimestamp(self.whole(4), UTC)

    def is_done(self) -> bool:
        """True if nothing is left."""
        return self._at == len(self._blob)
