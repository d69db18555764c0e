"""The context: what payment and archive access are bound to. Signed, never transmitted."""

from dataclasses import dataclass

from crypto.errors import BadEncoding
from crypto.healthcode.layout import CONTEXT_BIT, Purpose
from crypto.sm3 import sm3


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a till shows: institution 18 bytes, terminal 8, challenge 16, bill id 16, amount."""

    purpose: Purpose
    institution: bytes
    terminal: bytes
    challenge: bytes
    bill_id: bytes
    amount_fen: int

    def context(self) -> bytes:
        """32 bytes: SM3 over the fields, in the order of the specification."""
        sizes = (len(self.institution), len(self.terminal), len(self.challenge), len(self.bill_id))
        if sizes != (18, 8, 16, 16):
            raise BadEncoding("offer fields have fixed sizes")
        if not 0 <= self.amount_fen < 1 << 63:
            raise BadEncoding("the amount is out of range")
        return sm3(
            b"YM1 context\0"
            + bytes((self.purpose | CONTEXT_BIT,))
            + self.institution
            + self.terminal
            + self.challenge
            + self.bill_id
            + self.amount_fen.to_bytes(8, "big")
        )
