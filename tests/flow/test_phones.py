"""A phone is enrolled, shows its own codes, renews, and is revoked; all over HTTP."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest

from crypto.healthcode.layout import Purpose
from crypto.healthcode.verify import CodeVerifier, Reader
from crypto.sm2 import PrivateKey
from service.healthcode import actions as healthcode
from service.healthcode import rules
from service.kernel.database import connection
from tests.flow.test_scan_codes import record_of
from tests.support.bound_phone import BoundPhone
from tests.support.identity_rig import IdentityRig, Phone, an_identity_rig


@pytest.fixture
async def rig(fresh_database: str) -> AsyncIterator[IdentityRig]:
    async with an_identity_rig(fresh_database) as opened:
        yield opened


async def a_phone(rig: IdentityRig, serial: int) -> BoundPhone:
    """A registered resident's phone, enrolled."""
    phone = BoundPhone(await rig.resident(serial), rig.clock)
    await phone.enrol()
    return phone


async def enrol_refused(phone: BoundPhone, code: str, status: int, **changes: object) -> dict:
    answer = await phone.try_enrol(**changes)
    body = answer.json()
    assert (answer.status_code, body["code"]) == (status, code), body
    return body


async def revoked_ids(rig: IdentityRig, owner: Phone) -> set[tuple[str, int]]:
    """(code id, scope) of what a resident's revocations put before the readers."""
    async with connection(rig.ctx.pool) as conn:
        rows = await conn.fetch(
            "select code_id, scope, code_class, expires_at from revoked_code where record_id = $1",
            await record_of(rig, owner),
        )
    assert all(row["expires_at"] > rig.clock.now() and row["code_class"] == 0 for row in rows)
    return {(row["code_id"].hex(), row["scope"]) for row in rows}


async def test_from_enrolment_to_scan(rig: IdentityRig) -> None:
    phone = BoundPhone(await rig.resident(1), rig.clock)
    given = await phone.enrol(label="我的手机")
    issued_at = datetime.fromisoformat(given["issued_at"])
    expires_at = datetime.fromisoformat(given["expires_at"])
    assert len(bytes.fromhex(given["credential"])) == 124
    assert expires_at - issued_at == timedelta(hours=48)
    assert datetime.fromisoformat(given["renew_after"]) == issued_at + timedelta(hours=24)
    text = phone.show()
    assert len(text) == 295
    body = (await rig.scan(text)).json()
    assert (body["shown"], body["level"], body["bills_visible"]) == ("BOUND", "PRESENT", True)
    assert body["masked_name"] == "测*甲"
    listed = (await phone.owner.ask("GET", "/v1/me/phones")).json()["phones"]
    assert listed == [
        {
            "phone_id": given["phone_id"],
            "label": "我的手机",
            "enrolled_at": "2026-06-30T04:00:00Z",
            "renewed_at": "2026-06-30T04:00:00Z",
            "expires_at": given["expires_at"],
            "state": "ACTIVE",
        }
    ]


async def test_a_label_is_sealed_and_kept_through_a_renewal(rig: IdentityRig) -> None:
    phone = BoundPhone(await rig.resident(3), rig.clock)
    await phone.enrol(label="妈妈的手机")
    await phone.enrol()
    async with connection(rig.ctx.pool) as conn:
        select = "select label from phone where record_id = $1"
        dump = await conn.fetchval(select, await record_of(rig, phone.owner))
    assert "妈妈".encode() not in dump
    listed = (await phone.owner.ask("GET", "/v1/me/phones")).json()["phones"]
    assert [one["label"] for one in listed] == ["妈妈的手机"]


async def test_the_same_showing_counts_once_and_an_older_one_not_after_a_newer(
    rig: IdentityRig,
) -> None:
    phone = await a_phone(rig, 5)
    older, newer = phone.show(seq=0), phone.show(seq=1)
    key = secrets.token_hex(8)
    first = await rig.scan(newer, key=key)
    assert (await rig.scan(newer, key=key)).content == first.content
    await rig.refused(newer, "code-already-used", 410)
    await rig.refused(newer, "code-already-used", 410, terminal=rig.desk, key=key)
    await rig.refused(older, "code-already-used", 410)
    rig.clock.advance(timedelta(seconds=30))
    assert (await rig.scan(phone.show(), terminal=rig.desk)).status_code == 200


async def test_a_lost_answer_is_found_again_without_the_stored_one(rig: IdentityRig) -> None:
    phone = await a_phone(rig, 7)
    text, key = phone.show(), secrets.token_hex(8)
    first = (await rig.scan(text, key=key)).json()
    async with connection(rig.ctx.pool) as conn:
        await conn.execute("delete from idempotency")
    assert (await rig.scan(text, key=key)).json() == first


async def test_a_code_shown_to_identify_cannot_pay(rig: IdentityRig) -> None:
    phone = await a_phone(rig, 9)
    await rig.refused(phone.show(), "code-purpose-mismatch", 422, purpose="pay")
    assert (await rig.scan(phone.show(Purpose.PAY), purpose="pay")).status_code == 200
    assert (await rig.scan(phone.show(Purpose.PAY, seq=1))).status_code == 200


async def test_an_old_moment_or_one_to_come_is_refused_with_its_seconds(rig: IdentityRig) -> None:
    phone = await a_phone(rig, 11)
    text = phone.show()
    rig.clock.advance(timedelta(seconds=90))
    assert (await rig.refused(text, "code-step-old", 410))["off_by_s"] == 60
    ahead = phone.show()
    rig.clock.advance(timedelta(seconds=-60))
    assert (await rig.refused(ahead, "code-step-ahead", 422))["off_by_s"] == 60


async def test_a_foreign_key_shows_nothing(rig: IdentityRig) -> None:
    phone = await a_phone(rig, 13)
    text = phone.show()
    other = phone.show(seq=1)
    forged = text[:-96] + other[-96:]
    await rig.refused(forged, "code-holder-signature-wrong", 422)


async def test_renewing_retires_the_former_credential(rig: IdentityRig) -> None:
    phone = await a_phone(rig, 15)
    before = phone.show()
    phone_id, requests = phone.phone_id, phone.requests
    rig.clock.advance(timedelta(seconds=30))
    await phone.enrol()
    assert (phone.phone_id, phone.requests) == (phone_id, requests + 1)
    await rig.refused(before, "code-superseded", 410)
    assert (await rig.scan(phone.show())).status_code == 200
    assert await revoked_ids(rig, phone.owner) == set()


async def test_a_repeated_enrolment_gives_the_same_credential(rig: IdentityRig) -> None:
    phone = BoundPhone(await rig.resident(17), rig.clock)
    holder = PrivateKey.generate()
    body = phone.body(await phone.challenge(), holder)
    told = ("phone_id", "credential", "code_id", "issued_at", "expires_at", "renew_after")
    given = set()
    for _ in range(2):
        for answer in await asyncio.gather(*(phone.ask("/v1/me/phones", body) for _ in range(3))):
            assert answer.status_code == 201, answer.text
            given.add(tuple(answer.json()[name] for name in told))
        rig.clock.advance(timedelta(seconds=7))
    assert len(given) == 1
    listed = (await phone.owner.ask("GET", "/v1/me/phones")).json()["phones"]
    assert len(listed) == 1


async def test_a_repeated_renewal_too_even_at_the_bound(rig: IdentityRig) -> None:
    phone = await a_phone(rig, 51)
    await phone.enrol()
    await phone.enrol()
    holder = PrivateKey.generate()
    assert phone.next is not None
    body = phone.body(phone.next, holder)
    first, again = [await phone.ask("/v1/me/phones", body) for _ in range(2)]
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json()["credential"] == again.json()["credential"]
    await enrol_refused(phone, "phone-credentials-used-up", 429)


async def test_a_key_seen_before_is_refused_whoever_brings_it(rig: IdentityRig) -> None:
    phone = await a_phone(rig, 19)
    other = BoundPhone(await rig.resident(21), rig.clock)
    for one in (phone, other):
        body = one.body(await one.challenge(), phone.key)
        answer = await one.ask("/v1/me/phones", body)
        assert (answer.status_code, answer.json()["code"]) == (409, "holder-key-seen")


async def test_only_the_holder_of_a_key_enrols_it(rig: IdentityRig) -> None:
    phone = BoundPhone(await rig.resident(23), rig.clock)
    stranger = PrivateKey.generate()
    await enrol_refused(
        phone, "phone-proof-wrong", 422, holder_key=stranger.public.compressed().hex()
    )
    await enrol_refused(phone, "phone-proof-wrong", 422, proof="00" * 64)
    await enrol_refused(phone, "holder-key-invalid", 422, holder_key="02" + "ff" * 32)
    await enrol_refused(phone, "malformed-request", 400, proof="0" * 127)
    for label in ("a\nb", "a\u202eb", "\u200b", "a\u2067b", "\ufeffa", "\U000e0041", "", "a" * 41):
        await enrol_refused(phone, "malformed-request", 400, label=label)


async def test_a_challenge_is_for_one_account_and_for_four_days(rig: IdentityRig) -> None:
    phone, other = await a_phone(rig, 25), BoundPhone(await rig.resident(27), rig.clock)
    other.next = phone.next
    await enrol_refused(other, "phone-challenge-invalid", 422)
    other.next = None
    changed = await other.challenge()
    for at in (0, 14, 31):
        raw = bytearray.fromhex(changed["challenge"])
        raw[at] ^= 1
        other.next = changed | {"challenge": raw.hex()}
        await enrol_refused(other, "phone-challenge-invalid", 422)
    rig.clock.advance(timedelta(hours=96))
    await phone.owner.log_in()
    await enrol_refused(phone, "phone-challenge-expired", 410)


async def test_somebody_elses_phone_is_nobodys(rig: IdentityRig) -> None:
    mine, theirs = await a_phone(rig, 29), await a_phone(rig, 31)
    await enrol_refused(mine, "not-found", 404, phone_id=theirs.phone_id)
    await enrol_refused(mine, "not-found", 404, phone_id="nonsense")
    answer = await mine.owner.ask("DELETE", f"/v1/me/phones/{theirs.phone_id}")
    assert answer.status_code == 404
    assert (await rig.scan(theirs.show())).status_code == 200


async def test_five_phones_and_four_credentials_are_enough(rig: IdentityRig) -> None:
    owner = await rig.resident(33)
    phones = [BoundPhone(owner, rig.clock) for _ in range(6)]
    for phone in phones[:5]:
        await phone.enrol()
    await enrol_refused(phones[5], "phone-limit-reached", 409)
    await owner.ask("DELETE", f"/v1/me/phones/{phones[0].phone_id}")
    await phones[5].enrol()
    for _ in range(3):
        await phones[1].enrol()
    refused = await enrol_refused(phones[1], "phone-credentials-used-up", 429)
    assert refused["retry_after_s"] == 48 * 3600
    rig.clock.advance(timedelta(hours=48))
    await owner.log_in()
    await phones[1].enrol()


async def test_a_phone_whose_credential_is_over_holds_no_place(rig: IdentityRig) -> None:
    owner = await rig.resident(53)
    lost = [BoundPhone(owner, rig.clock) for _ in range(5)]
    for phone in lost:
        await phone.enrol()
        rig.clock.advance(timedelta(minutes=1))
    sixth = BoundPhone(owner, rig.clock)
    rig.clock.advance(timedelta(hours=48) - timedelta(minutes=6))
    await owner.log_in()
    await enrol_refused(sixth, "phone-limit-reached", 409)
    rig.clock.advance(timedelta(minutes=2))
    await sixth.enrol()
    assert (await rig.scan(sixth.show())).status_code == 200
    # The place of the first was taken, the one whose code is longest over.
    await enrol_refused(lost[0], "phone-replaced", 410)
    listed = (await owner.ask("GET", "/v1/me/phones")).json()["phones"]
    assert [(one["phone_id"], one["state"]) for one in listed] == [
        (phone.phone_id, "ACTIVE") for phone in (sixth, *reversed(lost[1:]))
    ] + [(lost[0].phone_id, "REPLACED")]
    # The others have theirs still: who comes back renews, whoever else expired.
    rig.clock.advance(timedelta(hours=1))
    await lost[1].enrol()
    assert lost[1].phone_id == listed[4]["phone_id"]
    anew = BoundPhone(owner, rig.clock)
    await anew.enrol()
    await enrol_refused(lost[2], "phone-replaced", 410)


async def test_two_that_want_the_same_place_do_not_both_get_it(rig: IdentityRig) -> None:
    owner = await rig.resident(55)
    for _ in range(5):
        await BoundPhone(owner, rig.clock).enrol()
    rig.clock.advance(timedelta(hours=48))
    await owner.log_in()
    anew = [BoundPhone(owner, rig.clock) for _ in range(4)]
    for phone in anew:
        phone.next = await phone.challenge()
    answers = await asyncio.gather(*(phone.try_enrol() for phone in anew))
    assert {answer.status_code for answer in answers} <= {201, 409}
    async with connection(rig.ctx.pool) as conn:
        slots = await conn.fetch(
            "select slot from phone where record_id = $1 and state = 'ACTIVE'",
            await record_of(rig, owner),
        )
    assert sorted(row["slot"] for row in slots) == [0, 1, 2, 3, 4]
    for phone, answer in zip(anew, answers, strict=True):
        if answer.status_code == 201:
            assert (await rig.scan(phone.show())).status_code == 200


async def test_a_revoked_phone_shows_nothing_and_may_not_renew(rig: IdentityRig) -> None:
    phone = BoundPhone(await rig.resident(35), rig.clock)
    first, second = await phone.enrol(), await phone.enrol()
    kept = BoundPhone(phone.owner, rig.clock)
    await kept.enrol()
    path = f"/v1/me/phones/{phone.phone_id}"
    for _ in range(2):
        assert (await phone.owner.ask("DELETE", path)).status_code == 204
    await rig.refused(phone.show(), "code-revoked", 410)
    await enrol_refused(phone, "phone-revoked", 410)
    assert (await rig.scan(kept.show())).status_code == 200
    # The retired credential too: a reader without network would take it still.
    assert await revoked_ids(rig, phone.owner) == {(first["code_id"], 1), (second["code_id"], 1)}
    states = {
        one["phone_id"]: one["state"]
        for one in (await phone.owner.ask("GET", "/v1/me/phones")).json()["phones"]
    }
    assert states == {phone.phone_id: "REVOKED", kept.phone_id: "ACTIVE"}


async def test_revoking_all_voids_every_kind(rig: IdentityRig) -> None:
    phone = await a_phone(rig, 37)
    other = BoundPhone(phone.owner, rig.clock)
    await other.enrol()
    printed = await phone.owner.ask("POST", "/v1/me/printed-codes", {"symbol": False})
    once = await phone.owner.code()
    assert (await phone.owner.ask("DELETE", "/v1/me/phones")).status_code == 204
    for text in (phone.show(), other.show(), printed.json()["text"]):
        await rig.refused(text, "code-revoked", 410)
    await rig.refused(once, "code-superseded", 410)
    assert sorted(scope for _, scope in await revoked_ids(rig, phone.owner)) == [1, 1, 2]
    await enrol_refused(phone, "phone-revoked", 410)
    anew = BoundPhone(phone.owner, rig.clock)
    await anew.enrol()
    assert (await rig.scan(anew.show())).status_code == 200


async def test_revoking_all_ends_the_logins_of_the_other_phones(rig: IdentityRig) -> None:
    lost = await a_phone(rig, 57)
    finder = Phone(rig.client, lost.owner.subject)
    await finder.log_in()
    assert (await finder.ask("DELETE", "/v1/me/phones")).status_code == 204
    assert (await lost.owner.ask("GET", "/v1/me")).status_code == 401
    assert (await lost.owner.ask("POST", "/v1/me/phones/challenge", {})).status_code == 401
    assert (await finder.ask("GET", "/v1/me")).status_code == 200


async def test_voiding_from_inside_does_the_same(rig: IdentityRig) -> None:
    phone = await a_phone(rig, 39)
    await healthcode.void_codes(rig.ctx, await record_of(rig, phone.owner))
    await rig.refused(phone.show(), "code-revoked", 410)
    assert len(await revoked_ids(rig, phone.owner)) == 1


async def test_who_has_nothing_revokes_nothing(rig: IdentityRig) -> None:
    owner = await rig.resident(41)
    assert (await owner.ask("DELETE", "/v1/me/phones")).status_code == 204
    assert (await owner.ask("GET", "/v1/me/phones")).json() == {"phones": []}
    stranger = Phone(rig.client, secrets.token_hex(8))
    await stranger.log_in()
    await enrol_refused(BoundPhone(stranger, rig.clock), "registration-needed", 409)


async def test_a_frozen_card_shows_nothing_and_enrols_nothing(rig: IdentityRig) -> None:
    phone = await a_phone(rig, 43)
    record_id = await record_of(rig, phone.owner)
    await healthcode.freeze(rig.ctx, record_id)
    await rig.refused(phone.show(), "code-frozen", 403)
    await enrol_refused(phone, "code-frozen", 403)
    await healthcode.unfreeze(rig.ctx, record_id)
    assert (await rig.scan(phone.show())).status_code == 200


async def test_a_day_of_showing_costs_the_server_one_request(rig: IdentityRig) -> None:
    """Enrolled yesterday, opened today: one renewal, then 2,880 codes without the server.

    Every showing asks whether to renew; one in twenty-four is made and verified.
    """
    phone = await a_phone(rig, 45)
    rig.clock.advance(timedelta(hours=24))
    await phone.owner.log_in()
    phone.requests = 0
    verifier = CodeVerifier(rules.trust_of(rig.ctx.ring))
    for showing in range(2880):
        assert phone.renew_after is not None
        if rig.clock.now() >= phone.renew_after:
            await phone.enrol()
        if showing % 24 == 0:
            verdict = verifier.verify(phone.show(), Reader(), rig.clock.now())
            assert verdict.refusal is None
        rig.clock.advance(timedelta(seconds=30))
    assert phone.requests == 1


@pytest.mark.parametrize(
    "change",
    [
        "update holder_credential set state = 'LIVE' where record_id = $1",
        "update holder_credential set expires_at = issued_at where record_id = $1",
    ],
)
async def test_a_row_changed_from_outside_is_noticed(rig: IdentityRig, change: str) -> None:
    phone = await a_phone(rig, 47)
    await phone.owner.ask("DELETE", f"/v1/me/phones/{phone.phone_id}")
    async with connection(rig.ctx.pool) as conn:
        await conn.execute(change, await record_of(rig, phone.owner))
    before = await rig.counts()
    answer = await rig.scan(phone.show())
    assert (answer.status_code, answer.json()["code"]) == (500, "internal-error")
    assert await rig.counts() == before


async def test_a_phone_row_changed_from_outside_does_not_renew(rig: IdentityRig) -> None:
    phone = await a_phone(rig, 49)
    await phone.owner.ask("DELETE", f"/v1/me/phones/{phone.phone_id}")
    async with connection(rig.ctx.pool) as conn:
        change = "update phone set state = 'ACTIVE' where record_id = $1"
        await conn.execute(change, await record_of(rig, phone.owner))
    answer = await phone.try_enrol()
    assert (answer.status_code, answer.json()["code"]) == (500, "internal-error")
