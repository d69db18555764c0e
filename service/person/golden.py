"""The golden view of a person: built again whenever its records change, never edited."""

from collections.abc import Sequence

import msgspec

from service.kernel.context import Context
from service.kernel.database import Connection, connection
from service.kernel.problems import NotFound
from service.person import opening, store, store_merging
from service.person.model import Golden, Known
from service.person.model_merging import Linked
from service.person.survivorship import golden_view

RECORDS_MAX = 1000
"""Of one person that the view is made of; persons with more are not joined."""


async def known_of(conn: Connection, ctx: Context, person_id: int) -> list[Known]:
    """The person's records, opened, by number. Raises ``RowTampered``."""
    linked = await linked_of(conn, ctx, person_id)
    return [await opening.known_as(conn, ctx, one.record, one.link) for one in linked]


async def linked_of(conn: Connection, ctx: Context, person_id: int) -> list[Linked]:
    """The person's records with their links, by number, still sealed, their keys at hand."""
    records = await store_merging.list_record_ids(conn, person_id, RECORDS_MAX)
    await ctx.sealer.open_record_keys(conn, records)
    return await store_merging.list_linked(conn, records)


async def build(conn: Connection, ctx: Context, person_id: int) -> Golden | None:
    """Write the view of what the person's records say now; of one without records there is none."""
    records = await known_of(conn, ctx, person_id)
    if not records:
        await store_merging.delete_golden(conn, person_id)
        return None
    return await write(conn, ctx, person_id, records)


async def write(conn: Connection, ctx: Context, person_id: int, records: Sequence[Known]) -> Golden:
    """The view of these, who are all of the person's."""
    view = golden_view(records)
    sealed = ctx.sealer.seal_local("golden", person_id.to_bytes(8), msgspec.json.encode(view))
    await store.upsert_golden(conn, person_id, sealed, ctx.clock.now())
    return view


async def read(ctx: Context, person_id: int) -> Golden:
    """The view of the person, or of whom he is part of. Raises ``NotFound``, ``RowTampered``."""
    async with connection(ctx.pool) as conn:
        return await read_within(conn, ctx, await opening.current_person(conn, person_id))


async def read_within(conn: Connection, ctx: Context, person_id: int) -> Golden:
    """The view of exactly this person. Raises ``NotFound``, ``RowTampered``."""
    sealed = await store.find_golden(conn, person_id)
    if sealed is None:
        raise NotFound
    plain = ctx.sealer.open_local("golden", person_id.to_bytes(8), sealed)
    return msgspec.json.decode(plain, type=Golden)
