"""Questions whether two records are one person's: answered by what is decided, asked again when
that is undone. A question names records; who they are is looked up when it is read."""

from collections.abc import Sequence

import msgspec

from service.casework.actions import close_items_of, open_item
from service.casework.model import ItemsOf, NewItem
from service.kernel.context import Context
from service.kernel.database import Connection
from service.person import golden, rulings, store, store_merging
from service.person.model_merging import Review, RulingVerdict

ITEM_KIND = "person"


async def answer(
    conn: Connection,
    ctx: Context,
    some: Sequence[int],
    others: Sequence[int],
    answered_by: int,
    closing: str,
) -> None:
    """Close every open question between the two sides, with its work item."""
    for review in await store_merging.list_questions(conn, some, others):
        closed = msgspec.structs.replace(review, closed_at=ctx.clock.now(), closed_by=answered_by)
        if await store_merging.set_closed(conn, closed):
            items = ItemsOf(record_id=review.record_id, kind=ITEM_KIND, subject_id=review.review_id)
            await close_items_of(conn, ctx, items, closing)


async def ask(
    conn: Connection,
    ctx: Context,
    records: tuple[int, int],
    reason: str,
    decision_id: int,
) -> None:
    """Whether two records are one person's, for a steward; the first one's decision asks."""
    review = Review(
        record_id=records[0],
        review_id=ctx.ids.new(),
        other_record_id=records[1],
        reason=reason,
        closed_at=None,
        closed_by=None,
    )
    await store.insert_review(
        conn,
        record_id=review.record_id,
        review_id=review.review_id,
        other_record_id=review.other_record_id,
        reason=review.reason,
        decision_id=decision_id,
        now=ctx.clock.now(),
    )
    await open_question_item(conn, ctx, review)


async def needs_asking(
    conn: Connection, ctx: Context, person_id: int, other_person_id: int
) -> bool:
    """Whether nobody asked yet if two persons are one, and no steward said that they are two: one
    question, and one answer, is enough for all their records. Raises ``RowTampered``."""
    some = await store_merging.list_record_ids(conn, person_id, golden.RECORDS_MAX)
    others = await store_merging.list_record_ids(conn, other_person_id, golden.RECORDS_MAX)
    if await store_merging.list_questions(conn, some, others):
        return False
    sides = set(some), set(others)
    return not any(
        ruled.verdict is RulingVerdict.DIFFERENT
        and all({ruled.record_id, ruled.other_record_id} & side for side in sides)
        for ruled in await rulings.list_standing(conn, ctx, some)
    )


async def ask_again(conn: Connection, ctx: Context, answered_by: int) -> None:
    """Reopen the questions that one act answered, now that it is undone."""
    for review in await store_merging.list_answered(conn, answered_by):
        opened = msgspec.structs.replace(review, closed_at=None, closed_by=None)
        if await store_merging.set_closed(conn, opened):
            await open_question_item(conn, ctx, opened)


async def open_question_item(conn: Connection, ctx: Context, review: Review) -> None:
    """The work item of an open question."""
    record = await store.find_record(conn, review.record_id)
    await open_item(
        conn,
        ctx,
        NewItem(
            record_id=review.record_id,
            kind=ITEM_KIND,
            subject_id=review.review_id,
            institution_id=record.institution_id if record else None,
            reason=review.reason,
            evidence={
                "record": ctx.public_ids.text(review.record_id, review.record_id),
                "other_record": ctx.public_ids.text(review.other_record_id, review.other_record_id),
            },
        ),
    )
