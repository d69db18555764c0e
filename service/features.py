"""The features in their order, gathered for the application and the worker. No logic."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from litestar import Router

from service.account import rekeying as account_rekeying
from service.account import routes as account_routes
from service.bill import jobs as bill_jobs
from service.bill import routes as bill_routes
from service.bill import store_rekeying as bill_rekeying
from service.console import routes as console_routes
from service.console import routes_persons as console_person_routes
from service.console import routes_work as console_work_routes
from service.console import store_rekeying as console_rekeying
from service.credential import rekeying as credential_rekeying
from service.credential import routes as credential_routes
from service.healthcode import actions as healthcode
from service.healthcode import jobs as healthcode_jobs
from service.healthcode import rekeying as healthcode_rekeying
from service.healthcode import routes as healthcode_routes
from service.healthcode import routes_lists as healthcode_list_routes
from service.healthcode import routes_phones as healthcode_phone_routes
from service.institution import actions as institution
from service.institution import rekeying as institution_rekeying
from service.institution import routes as institution_routes
from service.kernel import rekeying as kernel_rekeying
from service.kernel.claims import ClaimSource
from service.kernel.context import Context
from service.kernel.outbox import Event
from service.kernel.rekeying import KeyedRows
from service.keys.reminder import remind
from service.ledger import closing as ledger_closing
from service.ledger import jobs as ledger_jobs
from service.ledger import routes as ledger_routes
from service.ledger import store_rekeying as ledger_rekeying
from service.notice import jobs as notice_jobs
from service.notice import routes as notice_routes
from service.notice import store_rekeying as notice_rekeying
from service.payment import actions as payment
from service.payment import jobs as payment_jobs
from service.payment import routes as payment_routes
from service.payment import store_rekeying as payment_rekeying
from service.person import rekeying as person_rekeying
from service.person import routes as person_routes
from service.receipt import jobs as receipt_jobs
from service.receipt import store_rekeying as receipt_rekeying
from service.rekeying import jobs as rekeying_jobs
from service.settlement import jobs as settlement_jobs
from service.settlement import routes as settlement_routes
from service.settlement import routes_terminal as settlement_terminal_routes
from service.settlement import store_rekeying as settlement_rekeying
from service.settlement.asks import routes as ask_routes
from service.settlement.corrections import routes as correction_routes
from service.settlement.counter import routes as settlement_counter_routes
from service.settlement.insurance import routes as centre_routes
from service.settlement.pay_links import routes as pay_link_routes
from service.settlement.stays import routes as stay_routes
from service.shift import jobs as shift_jobs
from service.shift import routes as shift_routes
from service.shift import store_rekeying as shift_rekeying

Handler = Callable[[Context, Event], Awaitable[None]]

SWEEPS: Sequence[Callable[[Context], Awaitable[int]]] = (
    institution.forget_nonces,
    healthcode.forget_uses,
    healthcode.forget_shown,
    healthcode.forget_codes,
    ledger_closing.ask_overdue,
    payment.forget_notices,
    healthcode.watch_trust,
    remind,
)
"""What is forgotten, or asked of people, once in a while by any worker."""

KEYED_ROWS: Sequence[KeyedRows] = (
    *kernel_rekeying.KEYED_ROWS,
    *institution_rekeying.KEYED_ROWS,
    *person_rekeying.KEYED_ROWS,
    *account_rekeying.KEYED_ROWS,
    *credential_rekeying.KEYED_ROWS,
    *healthcode_rekeying.KEYED_ROWS,
    *ledger_rekeying.KEYED_ROWS,
    *bill_rekeying.KEYED_ROWS,
    *payment_rekeying.KEYED_ROWS,
    *receipt_rekeying.KEYED_ROWS,
    *shift_rekeying.KEYED_ROWS,
    *settlement_rekeying.KEYED_ROWS,
    *notice_rekeying.KEYED_ROWS,
    *console_rekeying.KEYED_ROWS,
)
"""Every table that holds something under a key of the ring, with how its rows are re-keyed."""


def routers() -> Sequence[Router]:
    """Every feature's HTTP."""
    return [
        institution_routes.router,
        person_routes.router,
        account_routes.router,
        credential_routes.router,
        ledger_routes.router,
        bill_routes.router,
        payment_routes.router,
        healthcode_routes.router,
        healthcode_list_routes.router,
        healthcode_phone_routes.router,
        shift_routes.router,
        settlement_routes.router,
        ask_routes.router,
        stay_routes.router,
        settlement_terminal_routes.router,
        correction_routes.router,
        pay_link_routes.router,
        centre_routes.router,
        settlement_counter_routes.router,
        notice_routes.router,
        console_routes.router,
        console_person_routes.router,
        console_work_routes.router,
    ]


def handlers() -> dict[str, Handler]:
    """Topic to handler, over all features."""
    gathered: dict[str, list[Handler]] = {}
    listening = (
        shift_jobs.HANDLERS,
        settlement_jobs.HANDLERS,
        receipt_jobs.HANDLERS,
        notice_jobs.HANDLERS,
    )
    for feature in listening:
        for topic, handler in feature.items():
            gathered.setdefault(topic, []).append(handler)
    return {topic: _all_of(found) for topic, found in gathered.items()}


def _all_of(found: Sequence[Handler]) -> Handler:
    """One after another; after a fault all come again, which changes nothing for the first ones."""

    async def handle(ctx: Context, event: Event) -> None:
        for handler in found:
            await handler(ctx, event)

    return handle


def sources(ctx: Context) -> list[ClaimSource[Any]]:
    """All due work."""
    return [
        *healthcode_jobs.sources(ctx),
        *ledger_jobs.sources(ctx),
        *bill_jobs.sources(ctx),
        *payment_jobs.sources(ctx),
        *receipt_jobs.sources(ctx),
        *shift_jobs.sources(ctx),
        *settlement_jobs.sources(ctx),
        *notice_jobs.sources(ctx),
        rekeying_jobs.source(ctx, KEYED_ROWS),
    ]
