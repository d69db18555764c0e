"""Register people, say who a record is today; also the door to the index for other features."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import timedelta

from service.kernel.clock import business_day
from service.kernel.context import Context
from service.kernel.database import (
    UNAVAILABLE,
    Connection,
    claiming,
    connection,
    retry_serialization,
    transaction,
)
from service.kernel.joined_reads import Cells, Read, row_of
from service.kernel.masked import Masked
from service.kernel.problems import NotFound
from service.person import (
    blinding,
    intake,
    meeting,
    opening,
    rules,
    store,
    store_matching,
    store_merging,
)
from service.person.facts import facts_of, traits_in
from service.person.freezing import freeze, unfreeze
from service.person.golden import read as golden
from service.person.model import (
    Facts,
    Link,
    Person,
    Record,
    RecordView,
    Registered,
    Registration,
)
from service.person.problems import RegistrationBusy

__all__ = [
    "find_or_register",
    "freeze",
    "golden",
    "link_read",
    "list_records",
    "list_records_at",
    "person_behind",
    "person_of",
    "read",
    "record_read",
    "register",
    "register_within",
    "type_of",
    "unfreeze",
    "view_of",
]

CLAIM_LIFE = timedelta(seconds=10)
CLAIM_TRIES = 100
CLAIM_PAUSE_S = 0.05


async def register(ctx: Context, registration: Registration) -> Registered:
    """Store a registration as a new record and link it to its person, old or new.

    A resident's own raises ``NameInvalid``, ``IdNumberInvalid``, ``IdTypeUnsupported`` and
    ``PhoneInvalid``; a hospital's is taken as it stands, but for a name that could do harm
    (``NameInvalid``) and texts that are too long (``MalformedRequest``). Raises
    ``RegistrationBusy``.
    """
    return await register_within(ctx, registration, _nothing_more)


async def register_within(
    ctx: Context, registration: Registration, within: intake.Within
) -> Registered:
    """``register``, with the caller's own writes in the same transaction."""
    today = business_day(ctx.clock.now())
    facts = facts_of(registration, today, ctx.policy.test_provinces)
    return await _under_claim(
        ctx, registration, lambda conn: intake.take_in(conn, ctx, registration, facts, within)
    )


async def find_or_register(ctx: Context, registration: Registration) -> Registered:
    """The record with this number and name, the resident's own first; else a new one.

    Whom a number is to find must have one: raises what ``type_of`` raises, ``RegistrationBusy``.
    """
    facts = type_of(ctx, registration)

    async def work(conn: Connection) -> Registered:
        known = rules.found_by_number(facts, await meeting.same_number(conn, ctx, facts))
        if known is not None:
            return Registered(record_id=known.record_id, person_id=known.person_id)
        return await intake.take_in(conn, ctx, registration, facts, _nothing_more)

    return await _under_claim(ctx, registration, work)


def type_of(ctx: Context, registration: Registration) -> Facts:
    """The facts of who must be proved, by name and citizen's number.

    Raises ``NameInvalid``, ``IdNumberInvalid``, ``IdTypeUnsupported``, ``PhoneInvalid``.
    """
    today = business_day(ctx.clock.now())
    return rules.type_registration(registration, today, ctx.policy.test_provinces)


async def read(ctx: Context, record_id: int) -> RecordView:
    """One record and its person today. Raises ``NotFound``, ``RowTampered``."""
    async with connection(ctx.pool) as conn:
        found = await store.find_record_and_link(conn, record_id)
        if found is None:
            raise NotFound
        return await _view(conn, ctx, *found)


def record_read(record_id: int) -> Read:
    """What ``view_of`` needs of a record, to be read together with other rows of it."""
    return store.record_and_link_read(record_id)


async def view_of(conn: Connection, ctx: Context, found: Sequence[Cells]) -> RecordView:
    """``read``, of what ``record_read`` gave. Raises ``NotFound``, ``RowTampered``."""
    if not found:
        raise NotFound
    return await _view(conn, ctx, *store.record_and_link(found[0]))


async def _view(conn: Connection, ctx: Context, record: Record, link: Link) -> RecordView:
    known = await opening.known_as(conn, ctx, record, link)
    person = opening.checked_person(ctx, await store.find_person(conn, known.person_id))
    facts = known.facts
    return RecordView(
        record_id=known.record_id,
        person_id=known.person_id,
        name=Masked(facts.name),
        id_type=facts.id_type,
        id_no=Masked(facts.id_no or ""),
        sex=facts.sex,
        birth_date=facts.birth_date,
        phone=Masked(facts.phone) if facts.phone else None,
        frozen=person.is_frozen,
    )


async def person_of(conn: Connection, ctx: Context, record_id: int) -> Person:
    """The person a record belongs to now. Raises ``NotFound``, ``RowTampered``."""
    link = await opening.open_link(conn, ctx, record_id)
    return opening.checked_person(ctx, await store.find_person(conn, link.person_id))


def link_read(record_id: int) -> Read:
    """What ``person_behind`` needs of a record, to be read together with other rows of it."""
    return store.open_link_read(record_id)


async def person_behind(conn: Connection, ctx: Context, found: Sequence[Cells]) -> Person:
    """``person_of``, of what ``link_read`` gave. Raises ``NotFound``, ``RowTampered``."""
    if not found:
        raise NotFound
    link = row_of(Link, found[0])
    ctx.sealer.check_mac("link", link.mac_parts(), link.row_mac)
    return opening.checked_person(ctx, await store.find_person(conn, link.person_id))


async def list_records(ctx: Context, record_id: int) -> list[int]:
    """Every record of the person that ``record_id`` belongs to, at most 200, itself included."""
    async with connection(ctx.pool) as conn:
        link = await opening.open_link(conn, ctx, record_id)
        return await store.list_person_records(conn, link.person_id, intake.RECORDS_MAX)


async def list_records_at(ctx: Context, record_id: int, institution_id: int) -> list[int]:
    """Those records of the person that ``record_id`` belongs to, itself among them, that one
    institution registered. Raises ``NotFound``, ``RowTampered``."""
    async with connection(ctx.pool) as conn:
        link = await opening.open_link(conn, ctx, record_id)
        found = await store.list_person_records(conn, link.person_id, intake.RECORDS_MAX)
        linked = await store_merging.list_linked(conn, found)
    return [one.record.record_id for one in linked if one.record.institution_id == institution_id]


async def _nothing_more(_conn: Connection, _registered: Registered) -> None:
    return None


async def _under_claim(
    ctx: Context, registration: Registration, work: Callable[[Connection], Awaitable[Registered]]
) -> Registered:
    """Run ``work`` in a transaction while holding the strongest keys, so that two desks queue up.

    Around a rotation a key is held under every version that some process may be storing, so that
    desks with different versions queue up too. The hold is given up by the transaction itself:
    whoever lost it meanwhile commits nothing.
    """
    traits = traits_in(registration, business_day(ctx.clock.now()), key="")
    keys = blinding.to_claim(ctx, traits)
    if not keys:
        return await retry_serialization(lambda: _in_transaction(ctx, work))
    token = ctx.ids.token()

    async def held(conn: Connection) -> Registered:
        done = await work(conn)
        if not await store_matching.release_claim(conn, keys, token):
            raise RegistrationBusy(retry_after_s=1)
        return done

    try:
        await _claim(ctx, keys, token)
        return await retry_serialization(lambda: _in_transaction(ctx, held))
    except BaseException:
        with suppress(*UNAVAILABLE):  # the hold ends by itself
            async with claiming(ctx.pool) as conn:
                await store_matching.release_claim(conn, keys, token)
        raise


async def _in_transaction(
    ctx: Context, work: Callable[[Connection], Awaitable[Registered]]
) -> Registered:
    async with transaction(ctx.pool) as conn:
        return await work(conn)


async def _claim(ctx: Context, keys: list[bytes], token: bytes) -> None:
    for _ in range(CLAIM_TRIES):
        now = ctx.clock.now()
        async with claiming(ctx.pool) as conn:
            if await store_matching.claim(conn, keys, token, now, now + CLAIM_LIFE):
                return
        await asyncio.sleep(CLAIM_PAUSE_S)
    raise RegistrationBusy(retry_after_s=1)
