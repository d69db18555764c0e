"""Show: one-time codes for clients that cannot sign."""

from crypto.healthcode.issue import OnceRequest, prepare_once
from crypto.healthcode.layout import Kind
from service.account import actions as account
from service.healthcode import cards, issuing, rules
from service.healthcode.model import IssuedOnce, ScanPurpose
from service.kernel.context import Context
from service.kernel.database import connection
from service.kernel.principals import Resident
from service.person import actions as person


async def issue_once(ctx: Context, resident: Resident, purpose: ScanPurpose) -> IssuedOnce:
    """A one-time code for the resident's own record; nothing of it is stored.

    The login is not proved again once the card is read, as for what is kept: a request under way
    when everything was stopped gives one code more at most, over within ``code_life_s``.

    Raises ``RegistrationNeeded``, ``CodeFrozen``, ``CodeNoSuchCard``, ``SignerUnavailable``.
    """
    record_id = account.own_record(resident)
    async with connection(ctx.pool) as conn:
        card = await cards.find_or_make(conn, ctx, record_id)
        owner = await person.person_of(conn, ctx, record_id)
    rules.check_card(card, card.epoch, person_frozen=owner.is_frozen)
    now = ctx.clock.now()
    prepared = prepare_once(
        issuing.issuer(ctx, Kind.ONCE, now),
        OnceRequest(
            index=issuing.index_of(card),
            code_class=issuing.CODE_CLASS,
            purpose=rules.PURPOSES[purpose],
            life_s=ctx.policy.code_life_s,
        ),
        now,
    )
    issued = await issuing.sign_code(ctx, prepared)
    return IssuedOnce(
        text=issued.text,
        issued_at=issued.code.head.issued_at,
        expires_at=issued.code.head.expires_at,
        life_s=ctx.policy.code_life_s,
    )
