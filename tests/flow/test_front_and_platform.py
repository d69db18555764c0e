"""The same scans at a hospital's front machine and online: one rule, so one answer."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from crypto.healthcode.layout import Purpose
from crypto.healthcode.refusal import OfferRefusal, Refusal
from crypto.healthcode.trust import sign_trust_list, trust_list_of
from crypto.healthcode.trustfile import write_trust_file
from crypto.keyring import KeyRing
from crypto.sm2 import PrivateKey
from service.front_machine.serving import open_reader
from service.healthcode import offers, rules
from service.healthcode.problems import TillNotTrusted
from tests.support.bound_phone import BoundPhone
from tests.support.front import front_client
from tests.support.identity_rig import IdentityRig, an_identity_rig
from tests.support.readers import CutOffReader
from tests.support.tills import ATill

DESK = "desk"


@pytest.fixture
async def rig(fresh_database: str) -> AsyncIterator[IdentityRig]:
    async with an_identity_rig(fresh_database) as opened:
        yield opened


def in_words_of_the_platform(word: str) -> str:
    """The problem's code for a word of the format."""
    if word in set(OfferRefusal):
        return offers.REFUSALS.get(OfferRefusal(word), TillNotTrusted).code
    return rules.REFUSALS[Refusal(word)].code


class Places:
    """The same terminal with and without a network."""

    def __init__(self, rig: IdentityRig, folder: Path, till: ATill) -> None:
        now = rig.clock.now().replace(microsecond=0)
        root = PrivateKey.generate()
        trust = trust_list_of(
            rig.ctx.ring.snapshot, sequence=1, made_at=now, next_at=now + timedelta(days=30)
        )
        signed = sign_trust_list(trust, root)
        (folder / "trust.json").write_text(write_trust_file(signed, [root.public]))
        terminal = till.till.terminal.hex()
        (folder / "tills.json").write_bytes(msgspec.json.encode({DESK: terminal}))
        self.rig = rig
        self.reader = open_reader(folder, rig.clock)
        self.http = front_client(self.reader, rig.clock)

    async def answers(self, text: str, purpose: str, offer: str | None) -> tuple[str, str]:
        """Offline and online, refused by which problem, or ``taken``."""
        body = {"text": text, "purpose": purpose, "reader": DESK}
        said = self.http.post("/v1/verify", json=body | ({"offer": offer} if offer else {})).json()
        offline = "taken" if said["valid"] else in_words_of_the_platform(said["error"])
        answer = await self.rig.scan(text, purpose=purpose, offer=offer)
        online = "taken" if answer.status_code == 200 else answer.json()["code"]
        return offline, online


async def test_codes_and_offers_are_judged_alike(rig: IdentityRig, tmp_path: Path) -> None:
    phone = BoundPhone(await rig.resident(1), rig.clock)
    await phone.enrol()
    till, elsewhere = ATill(rig, rig.kiosk), ATill(rig, rig.desk)
    places = Places(rig, tmp_path, till)
    own, foreign = till.offer(), elsewhere.offer()
    forged = till.offer(KeyRing.generate_for_development(rig.clock.now()))
    pay, to_pay, identify = Purpose.PAY, till.asked.context(), Purpose.IDENTIFY
    cases: list[tuple[Purpose, bytes | None, str, str | None, str]] = [
        (pay, to_pay, "pay", own, "taken"),
        (pay, to_pay, "identify", own, "offer-elsewhere"),
        (pay, to_pay, "register", own, "offer-elsewhere"),
        (pay, to_pay, "pay", foreign, "offer-elsewhere"),
        (pay, to_pay, "identify", None, "code-purpose-mismatch"),
        (pay, to_pay, "pay", None, "code-purpose-mismatch"),
        (pay, to_pay, "pay", forged, "till-not-trusted"),
        (pay, to_pay, "pay", "YMO1:000", "offer-invalid"),
        (pay, elsewhere.asked.context(), "pay", own, "code-context-mismatch"),
        (pay, None, "pay", own, "code-purpose-mismatch"),
        (pay, None, "pay", None, "taken"),
        (pay, None, "identify", None, "taken"),
        (identify, None, "identify", None, "taken"),
        (identify, None, "identify", own, "offer-elsewhere"),
        (identify, None, "pay", None, "code-purpose-mismatch"),
        (identify, None, "pay", own, "code-purpose-mismatch"),
    ]
    for seq, (purpose, context, wanted, offer, expected) in enumerate(cases):
        text = phone.show(purpose, seq=seq, context=context)
        assert await places.answers(text, wanted, offer) == (expected, expected), cases[seq]
    places.reader.close()


async def test_a_report_of_an_offer_for_something_else_does_not_hold(rig: IdentityRig) -> None:
    phone = BoundPhone(await rig.resident(1), rig.clock)
    await phone.enrol()
    till, reader = ATill(rig, rig.kiosk), CutOffReader(rig.kiosk)
    for seq, purpose in enumerate(("identify", "pay")):
        text = phone.show(Purpose.PAY, seq=seq, context=till.asked.context())
        reader.accept(text, rig.clock.now(), purpose, till.offer())
    said = (await reader.send()).json()
    assert said["refused"] == [{"number": 0, "error": "OFFER_REFUSED"}]
