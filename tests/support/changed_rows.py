"""Revocations on their way to readers, and rows changed by SQL on the way."""

import secrets
from datetime import timedelta

from crypto.healthcode.revocation import RevocationList, open_revocation_list
from service.casework import actions as casework
from service.casework.model import WorkItem
from service.healthcode import rules
from service.kernel.database import connection
from tests.support.bound_phone import BoundPhone
from tests.support.identity_rig import IdentityRig
from tests.support.readers import fetch_list, make_lists

STEP = timedelta(minutes=5)


async def a_lost_phone(rig: IdentityRig) -> bytes:
    """A phone that was enrolled and revoked; its code id."""
    phone = BoundPhone(await rig.resident(secrets.randbelow(300) * 2 + 1), rig.clock)
    await phone.enrol()
    assert (await phone.owner.ask("DELETE", f"/v1/me/phones/{phone.phone_id}")).is_success
    return bytes.fromhex(phone.code_id)


async def newest_list(rig: IdentityRig, place: str = "bound/0") -> RevocationList:
    rig.clock.advance(STEP)
    await make_lists(rig.ctx)
    trust = rules.trust_of(rig.ctx.ring.snapshot)
    blob = await fetch_list(rig.client, place=place)
    listed = open_revocation_list(blob, trust, rig.clock.now())
    assert isinstance(listed, RevocationList)
    return listed


async def sql(rig: IdentityRig, statement: str, *args: object) -> None:
    async with connection(rig.ctx.pool) as conn:
        assert not (await conn.execute(statement, *args)).endswith(" 0")


async def tampered(rig: IdentityRig) -> list[WorkItem]:
    """The work items of rows that were changed, each with its alarm."""
    found = [one for one in await casework.list_open(rig.ctx, 20) if one.reason == "row-tampered"]
    alarms = rig.ctx.metrics.text().decode()
    assert (f'yimatong_alarms_total{{kind="row-tampered"}} {len(found)}.0' in alarms) == bool(found)
    return found
