"""What a hospital's system tells of its patients: who came, what is learnt later, who died.

It names a patient as itself does; whom the index takes him for it is not told here.
"""

from service.audit.model import Decided
from service.institution import actions as institution
from service.kernel.context import Context
from service.kernel.database import Connection, connection, write
from service.kernel.principals import Application
from service.kernel.problems import NotFound
from service.person import actions, special, store
from service.person.model import Registered, Registration
from service.person.special import Learnt


async def register(ctx: Context, registration: Registration) -> Registered:
    """Register a patient of the registration's institution, who is known there by it.

    Raises what ``actions.register`` raises.
    """

    async def known_there(conn: Connection, registered: Registered) -> None:
        await _make_known(conn, ctx, registration, registered)

    return await actions.register_within(ctx, registration, known_there)


async def register_again(
    ctx: Context,
    application: Application,
    patient: str,
    registration: Registration,
    learnt: Learnt,
    because: str,
) -> Registered:
    """Register what is known now of a patient whom the institution registered itself: about others
    its word does not make two persons one.

    Raises ``NotFound``, and what ``special.register_again`` raises.
    """
    record_id = await institution.find_patient(ctx, application.institution_id, patient)
    async with connection(ctx.pool) as conn:
        record = await store.find_record(conn, record_id)
    if record is None or record.institution_id != application.institution_id:
        raise NotFound("this institution registered no patient with that patient_id")
    ctx.sealer.check_mac("record", record.mac_parts(), record.row_mac)

    async def known_there(conn: Connection, registered: Registered) -> None:
        await _make_known(conn, ctx, registration, registered)

    decided = Decided(application.caller, because)
    return await special.register_again(
        ctx, record_id, registration, learnt, decided, told_by=application, within=known_there
    )


async def report_death(ctx: Context, application: Application, patient: str, because: str) -> None:
    """A patient of the institution died: no code of his resolves any more, anywhere.

    Raises ``NotFound``; ``StateConflict`` where it was reported; ``RowTampered``.
    """
    record_id = await institution.find_patient(ctx, application.institution_id, patient)
    decided = Decided(application.caller, because)
    await special.report_death(ctx, record_id, decided, told_by=application)


async def _make_known(
    conn: Connection, ctx: Context, registration: Registration, registered: Registered
) -> None:
    if registration.institution_id is not None:
        named = institution.patient_write(ctx, registration.institution_id, registered.record_id)
        await write(conn, named.sql, *named.args)
