"""Write events down, say where they go, list and replay them."""

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum

import msgspec

from integrations.ports.events_out import UrlRefused
from service.casework import actions as casework
from service.casework.model import ItemsOf
from service.institution import actions as institution
from service.kernel import outbox
from service.kernel.context import Context
from service.kernel.database import Connection, connection, transaction
from service.kernel.logs import get_logger
from service.kernel.principals import Application
from service.kernel.problems import NotFound
from service.notice import store
from service.notice.model import Endpoint, EndpointHealth, EventRow, GivenUp, Told, ToldFacts
from service.notice.problems import NoticeEndpointRefused
from service.notice.schemas import EventType, PersonEvent, PersonEventType, SettlementEvent
from service.notice.states import EventState
from service.person import actions as person

LIST_MAX = 200
NOT_TAKEN = "event-not-taken"
"""The reason of a work item about an event that was given up."""
REPLAYED_MAX = 100_000
_ENDPOINT = "notice_endpoint"
_EVENT = "institution_event"

_log = get_logger("notice")


async def write_down(ctx: Context, told: outbox.Event) -> None:
    """The institution's event of what a settlement told; again changes nothing."""
    facts = msgspec.convert(told.body, ToldFacts)

    def body(event_id: str, institution_code: str) -> SettlementEvent:
        return SettlementEvent(
            event_id=event_id,
            type=EventType(told.topic),
            sequence=facts.sequence,
            occurred_at=facts.occurred_at,
            institution_code=institution_code,
            settlement_id=ctx.public_ids.text(told.record_id, told.subject_id),
            bill_no=facts.bill_no,
            total_fen=facts.total_fen,
            fund_fen=facts.fund_fen,
            account_fen=facts.account_fen,
            cash_fen=facts.cash_fen,
            hospital_fen=facts.hospital_fen,
            bill_version=facts.bill_version,
            kind=facts.kind,
            stay_no=facts.stay_no,
            cover_fen=facts.cover_fen,
        )

    await _write(ctx, told, facts, body)


async def write_down_person(ctx: Context, told: outbox.Event) -> None:
    """The institution's event of a record of its own that came to another person; again changes
    nothing. It names the institution's own patients alone, as they are when it is written."""
    facts = msgspec.convert(told.body, Told)
    others = await person.list_records_at(ctx, told.record_id, facts.institution_id)

    def patient(record_id: int) -> str:
        return ctx.sealer.pseudonym(facts.institution_id, record_id).hex()

    def body(event_id: str, institution_code: str) -> PersonEvent:
        return PersonEvent(
            event_id=event_id,
            type=PersonEventType(told.topic),
            sequence=facts.sequence,
            occurred_at=facts.occurred_at,
            institution_code=institution_code,
            patient_id=patient(told.record_id),
            same_person=sorted(patient(one) for one in others if one != told.record_id),
        )

    await _write(ctx, told, facts, body)


async def _write(
    ctx: Context,
    told: outbox.Event,
    facts: Told,
    body: Callable[[str, str], SettlementEvent | PersonEvent],
) -> None:
    """``body`` takes the event's public id and the institution's code."""
    hospital = await institution.get_institution(ctx, facts.institution_id)
    key = (facts.institution_id, told.subject_id, facts.version)
    async with connection(ctx.pool) as conn:
        telling = await store.find_telling(conn, *key)
    if telling.is_told:
        return
    event_id = ctx.ids.new()
    async with transaction(ctx.pool) as conn:
        row = EventRow(
            institution_id=facts.institution_id,
            event_id=event_id,
            event_no=await store.take_number(conn, facts.institution_id),
            record_id=told.record_id,
            settlement_id=told.subject_id,
            version=facts.version,
            sequence=facts.sequence,
            topic=told.topic,
            body=msgspec.json.encode(
                body(ctx.public_ids.text(facts.institution_id, event_id), hospital.code)
            ),
            occurred_at=facts.occurred_at,
            created_at=ctx.clock.now(),
            row_mac=b"",
            state=EventState.DUE if telling.has_endpoint else EventState.KEPT,
            tries=0,
        )
        mac = ctx.sealer.row_mac(_EVENT, row.mac_parts())
        await store.insert_event(conn, msgspec.structs.replace(row, row_mac=mac))


async def set_endpoint(ctx: Context, application: Application, url: str) -> Endpoint:
    """From now on events go to ``url``. Raises ``NoticeEndpointRefused``."""
    try:
        await ctx.courier.check(url)
    except UrlRefused as refused:
        raise NoticeEndpointRefused(reason=refused.why) from None
    row = Endpoint(
        institution_id=application.institution_id,
        url=url,
        application_id=application.application_id,
        set_at=ctx.clock.now(),
        row_mac=b"",
    )
    row = msgspec.structs.replace(row, row_mac=ctx.sealer.row_mac(_ENDPOINT, row.mac_parts()))
    async with transaction(ctx.pool) as conn:
        await store.put_endpoint(conn, row)
    _log.info("notice.endpoint_set", institution_id=row.institution_id)
    return row


async def get_endpoint(ctx: Context, institution_id: int) -> tuple[Endpoint, EndpointHealth]:
    """Raises ``NotFound``, ``RowTampered``."""
    async with connection(ctx.pool) as conn:
        row = await read_endpoint(conn, ctx, institution_id)
        health = await store.find_health(conn, institution_id)
    if row is None or health is None:
        raise NotFound
    return row, health


async def read_endpoint(conn: Connection, ctx: Context, institution_id: int) -> Endpoint | None:
    """The endpoint, proved. Raises ``RowTampered``."""
    row = await store.find_endpoint(conn, institution_id)
    if row is not None:
        ctx.sealer.check_mac(_ENDPOINT, row.mac_parts(), row.row_mac)
    return row


async def delete_endpoint(ctx: Context, institution_id: int) -> None:
    """Send nothing any more; what was not taken can be pulled. Raises ``NotFound``."""
    async with transaction(ctx.pool) as conn:
        await _close_items(conn, ctx, institution_id, "kept")
        if not await store.delete_endpoint(conn, institution_id):
            raise NotFound
    _log.info("notice.endpoint_deleted", institution_id=institution_id)


async def list_events(
    ctx: Context, institution_id: int, after: str | None, limit: int
) -> list[SettlementEvent]:
    """Settlements' events behind ``after``, in the order in which they were written.

    Raises ``NotFound`` when ``after`` is no event of the institution, ``RowTampered``.
    """
    rows = await _list_rows(ctx, institution_id, after, EventType, limit)
    return [msgspec.json.decode(row.body, type=SettlementEvent) for row in rows]


async def list_person_events(
    ctx: Context, institution_id: int, after: str | None, limit: int
) -> list[PersonEvent]:
    """Patients' events behind ``after``; else as ``list_events``."""
    rows = await _list_rows(ctx, institution_id, after, PersonEventType, limit)
    return [msgspec.json.decode(row.body, type=PersonEvent) for row in rows]


async def _list_rows(
    ctx: Context, institution_id: int, after: str | None, types: type[StrEnum], limit: int
) -> list[EventRow]:
    async with connection(ctx.pool) as conn:
        event_no = (await _find(conn, ctx, institution_id, after)).event_no if after else 0
        topics = [one.value for one in types]
        rows = await store.list_after(conn, institution_id, event_no, topics, min(limit, LIST_MAX))
    return [check(ctx, row) for row in rows]


async def _find(conn: Connection, ctx: Context, institution_id: int, text: str) -> EventRow:
    owner, event_id = ctx.public_ids.parse(text)
    row = await store.find_event(conn, owner, event_id) if owner == institution_id else None
    if row is None:
        raise NotFound("the institution has no such event")
    return row


def check(ctx: Context, row: EventRow) -> EventRow:
    """The row, proved to be what this program wrote. Raises ``RowTampered``."""
    ctx.sealer.check_mac(_EVENT, row.mac_parts(), row.row_mac)
    return row


async def list_given_up(ctx: Context, institution_id: int, limit: int) -> list[GivenUp]:
    """What is not sent any more until it is replayed, oldest first."""
    async with connection(ctx.pool) as conn:
        return await store.list_given_up(
            conn, institution_id, event_id=None, since=None, limit=limit
        )


async def _close_items(
    conn: Connection,
    ctx: Context,
    institution_id: int,
    closing: str,
    *,
    event_id: int | None = None,
    since: datetime | None = None,
) -> None:
    """Those events are not given up any more."""
    for one in await store.list_given_up(
        conn, institution_id, event_id=event_id, since=since, limit=REPLAYED_MAX
    ):
        items = ItemsOf(
            record_id=one.record_id, kind="event", subject_id=one.event_id, reasons=(NOT_TAKEN,)
        )
        await casework.close_items_of(conn, ctx, items, closing)


async def replay(
    ctx: Context, institution_id: int, *, event: str | None, since: datetime | None
) -> int:
    """Make events due again, under their own ids; gives how many.

    The one ``event``, or all ``since``. Raises ``NotFound`` without an endpoint or such an event.
    """
    now = ctx.clock.now()
    async with transaction(ctx.pool) as conn:
        if await read_endpoint(conn, ctx, institution_id) is None:
            raise NotFound("the institution has no notice endpoint")
        if event is not None:
            row = await _find(conn, ctx, institution_id, event)
            await _close_items(conn, ctx, institution_id, "replayed", event_id=row.event_id)
            count = await store.replay_one(conn, institution_id, row.event_id, now)
        elif since is not None:
            await _close_items(conn, ctx, institution_id, "replayed", since=since)
            count = await store.replay_since(conn, institution_id, since, now)
        else:
            raise ValueError("an event, or since when")
        await store.end_pause(conn, institution_id, now)
    _log.info("notice.replayed", institution_id=institution_id, count=count)
    return count
