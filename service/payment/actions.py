"""The verbs of payment."""

from collections.abc import Mapping

from integrations.ports import payments as port
from service.kernel.context import Context
from service.kernel.database import Connection
from service.payment.model import NewAttempt, PaymentAttempt, Presentation, Refund

LATE_PAYMENT = "late-payment"


async def create(conn: Connection, ctx: Context, new: NewAttempt) -> PaymentAttempt:
    """Store an attempt (CREATED) and its trade number in the caller's transaction.

    Raises ``PaymentInProgress`` while another attempt for the same purpose of the settlement lives
    or is paid, ``PaymentWayUnknown``.
    """
    raise NotImplementedError


async def place(ctx: Context, record_id: int, attempt_id: int) -> PaymentAttempt:
    """Place the order at the provider. Gives the attempt as it stands afterwards:
    AWAITING_PAYER, FAILED, still CREATED (outcome unknown: the poller goes on), or PAID."""
    raise NotImplementedError


async def present(ctx: Context, record_id: int, attempt_id: int) -> Presentation:
    """What the payer's device needs now. Raises ``PaymentNotReady`` unless AWAITING_PAYER."""
    raise NotImplementedError


async def read(ctx: Context, record_id: int, attempt_id: int) -> PaymentAttempt:
    """Raises ``NotFound``."""
    raise NotImplementedError


async def ask(ctx: Context, record_id: int, attempt_id: int) -> PaymentAttempt:
    """Ask the provider on a client's demand, at most once in 30 s for one order."""
    raise NotImplementedError


async def list_attempts(
    conn: Connection, ctx: Context, record_id: int, settlement_id: int
) -> list[PaymentAttempt]:
    """All attempts of a settlement, newest first."""
    raise NotImplementedError


async def list_refunds(
    conn: Connection, ctx: Context, record_id: int, settlement_id: int
) -> list[Refund]:
    """All refunds of a settlement, newest first."""
    raise NotImplementedError


async def apply_payment(ctx: Context, provider: str, told: port.Payment) -> None:
    """The one door for what a provider says of a trade; a repeat changes nothing.

    Raises ``NotFound`` for a trade number that is not ours.
    """
    raise NotImplementedError


async def close(ctx: Context, record_id: int, attempt_id: int) -> PaymentAttempt:
    """Close an unpaid attempt, then ask. Gives CLOSED, PAID (the payer was faster), or CLOSING
    (not known yet: the poller goes on; the topic ``payment.closed`` or ``payment.paid`` tells)."""
    raise NotImplementedError


async def refund(
    conn: Connection, ctx: Context, record_id: int, attempt_id: int, amount_fen: int, cause: str
) -> Refund:
    """Promise money back in the caller's transaction; the job sends it. One cause, one refund.

    Raises ``PaymentNotRefundable`` (not paid, or more than is left).
    """
    raise NotImplementedError


async def apply_refund(ctx: Context, provider: str, told: port.Refund) -> None:
    """The one door for what a provider says of a refund; a repeat changes nothing.

    Raises ``NotFound`` for a refund number that is not ours.
    """
    raise NotImplementedError


async def take_notice(
    ctx: Context, provider: str, account_name: str, headers: Mapping[str, str], body: bytes
) -> port.NoticeAnswer:
    """Verify a notice over its raw bytes, apply it once, and give the provider's answer."""
    raise NotImplementedError
