"""A terminal that makes offers."""

import secrets
from datetime import timedelta

from crypto.healthcode.context import Offer
from crypto.healthcode.layout import Purpose
from crypto.healthcode.offer import Till, make_offer, make_till_certificate
from crypto.keyring import KeyKind, KeyRing
from crypto.sm2 import PrivateKey
from tests.support.callers import TerminalCaller
from tests.support.identity_rig import IdentityRig


class ATill:
    """A terminal with a till key that the platform vouches for."""

    def __init__(self, rig: IdentityRig, terminal: TerminalCaller) -> None:
        _, terminal_id = rig.ctx.public_ids.parse(terminal.caller_id)
        self.rig = rig
        self.key = PrivateKey.generate()
        self.till = Till(
            institution=rig.hospital.code.encode().ljust(18, b"\0"),
            terminal=terminal_id.to_bytes(8),
            public=self.key.public,
            name="测试医院",
        )
        self.asked = Offer(
            purpose=Purpose.PAY,
            institution=self.till.institution,
            terminal=self.till.terminal,
            challenge=secrets.token_bytes(16),
            bill_id=bytes(range(16)),
            amount_fen=12_345,
        )

    def offer(self, ring: KeyRing | None = None) -> str:
        now = self.rig.clock.now().replace(microsecond=0)
        voucher = (ring or self.rig.ctx.ring).current(KeyKind.TILL, now)
        certificate = make_till_certificate(
            self.till,
            key_id=voucher.code_key_id or 0,
            signer=PrivateKey.from_bytes(voucher.material),
            issued_at=now,
            valid_until=now + timedelta(days=1),
        )
        return make_offer(self.asked, certificate, self.key, now)
