"""Recognise texts, ask the insurance bureau who somebody is, link, and tell what is linked."""

import asyncio
from collections.abc import Sequence
from typing import assert_never

import msgspec

from integrations.ports.insurance import (
    CallId,
    CredentialScan,
    DecodedCredential,
    Enrolment,
    InsuranceGateway,
    InsuredPerson,
    PersonQuery,
)
from integrations.ports.outcomes import Accepted, NotSent, Rejected, Unknown
from integrations.ports.partners import PartnerUnknown, PerformedByHospital
from service.audit.actions import append
from service.audit.model import AuditEntry
from service.casework.actions import open_item
from service.casework.model import NewItem
from service.credential import rules, store
from service.credential.model import (
    CodeKind,
    Credential,
    CredentialState,
    InsuranceStatus,
    InsuranceView,
    InsuredIdentity,
    Recognised,
    ResolvedCredential,
    SealedInsurance,
)
from service.credential.problems import InsuranceCredentialRefused, InsuranceOwnerUnavailable
from service.institution.actions import get_institution, take_message_no
from service.institution.model import Institution
from service.kernel.context import Context
from service.kernel.database import Connection, connection, transaction
from service.kernel.joined_reads import Cells, Read, row_of
from service.person import actions as person
from service.person.model import CITIZEN_ID, RecordView, Registration, Source

INSURANCE = "INSURANCE"
CREDENTIALS_MAX = 20
PATIENCE_S = 3.0
"""How long somebody at a kiosk waits for a bureau before the scan goes on without it."""


def recognise(text: str) -> Recognised:
    """What a scanned text is, repaired as far as its kind allows."""
    return rules.classify(text)


def classify(text: str) -> CodeKind:
    """What a scanned text is."""
    return rules.classify(text).kind


async def insurance_of(ctx: Context, record_id: int, institution_id: int | None) -> InsuranceView:
    """What is known of the record's insurance; asks the owner when it was not asked lately.

    Without an institution there is no line to a bureau: then only what is stored is told. Never
    fails because of the owner: it says ``OWNER_DOWN`` and what was last known.
    """
    async with connection(ctx.pool) as conn:
        rows = await _linked(conn, ctx, record_id)
    return await _asked_if_stale(ctx, record_id, institution_id, rows)


def insurance_read(record_id: int) -> Read:
    """What ``insurance_known_by`` needs, to be read together with other rows of the record."""
    return store.linked_read(record_id, INSURANCE, CREDENTIALS_MAX)


async def insurance_known_by(
    ctx: Context, record_id: int, institution_id: int, found: Sequence[Cells]
) -> InsuranceView:
    """``insurance_of``, of what ``insurance_read`` gave."""
    rows = [row_of(Credential, cells) for cells in found]
    return await _asked_if_stale(ctx, record_id, institution_id, _checked(ctx, rows))


async def _asked_if_stale(
    ctx: Context, record_id: int, institution_id: int | None, linked: list[Credential]
) -> InsuranceView:
    row = rules.preferred(linked)
    if row is not None and (institution_id is None or rules.is_fresh(row, ctx.clock.now())):
        return rules.view_of(InsuranceStatus.LINKED, row)
    if institution_id is None:
        return rules.view_of(InsuranceStatus.NOT_LINKED, None)
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await link_by_number(ctx, record_id, institution_id)
    except TimeoutError:
        return await _last_known(ctx, record_id, InsuranceStatus.OWNER_DOWN)


async def link_by_number(ctx: Context, record_id: int, institution_id: int) -> InsuranceView:
    """Ask the bureau by name and ID number, through one institution's line, and link the answer."""
    view = await person.read(ctx, record_id)
    id_no = view.citizen_no.reveal()
    if not id_no:
        return rules.view_of(InsuranceStatus.NOT_LINKED, None)
    query = PersonQuery(token=None, id_no=id_no, name=view.name.reveal())
    institution = await get_institution(ctx, institution_id)
    return await _ask_and_link(ctx, view, institution, query)


async def resolve_insurance(
    ctx: Context, institution_id: int, text: str, purpose: str
) -> ResolvedCredential:
    """Whose e-credential this is; registers a person unknown here, for the bureau vouches for him.

    Raises ``InsuranceCredentialRefused``, ``InsuranceOwnerUnavailable`` and, when the bureau's own
    name or number cannot be a person's, the problems of ``person.register``.
    """
    institution = await get_institution(ctx, institution_id)
    decoded = await _decode(ctx, institution, text, purpose)
    registered = await person.find_or_register(
        ctx,
        Registration(
            source=Source.READER,
            institution_id=institution_id,
            name=decoded.name,
            id_type=CITIZEN_ID,
            id_no=decoded.id_no,
            phone=None,
        ),
    )
    view = await person.read(ctx, registered.record_id)
    id_no, name = view.citizen_no.reveal(), view.name.reveal()
    query = PersonQuery(token=decoded.token, id_no=id_no, name=name)
    insurance = await _ask_and_link(ctx, view, institution, query)
    return ResolvedCredential(record_id=registered.record_id, insurance=insurance)


async def insured_person(
    ctx: Context, record_id: int, known: RecordView | None = None
) -> InsuredIdentity | None:
    """The enrolment a settlement uses, or None when none is linked. ``known``: the record's view,
    where the caller has read it."""
    async with connection(ctx.pool) as conn:
        row = rules.preferred(await _linked(conn, ctx, record_id))
        if row is None:
            return None
        key = await ctx.sealer.record_key(conn, record_id)
    plain = ctx.sealer.open(key, "credential", "sealed", row.credential_id, row.sealed)
    view = known or await person.read(ctx, record_id)
    return InsuredIdentity(
        person_no=msgspec.json.decode(plain, type=SealedInsurance).person_no,
        insurance_type=row.insurance_type,
        region=row.region,
        id_no=view.id_no,
        name=view.name,
    )


def _gateway(ctx: Context, institution: Institution) -> InsuranceGateway | None:
    try:
        return ctx.partners.insurance(institution.code)
    except PartnerUnknown:
        return None


async def _call(ctx: Context, place: Institution) -> CallId:
    async with connection(ctx.pool) as conn:
        number = await take_message_no(conn, ctx, place.code)
    return CallId(message_no=number, at=ctx.clock.now())


async def _decode(
    ctx: Context, institution: Institution, text: str, purpose: str
) -> DecodedCredential:
    gateway = _gateway(ctx, institution)
    if gateway is None:
        raise InsuranceOwnerUnavailable
    scan = CredentialScan(text=text, purpose=rules.scan_purpose(purpose))
    outcome = await gateway.decode_credential(scan, await _call(ctx, institution))
    _note(ctx, gateway, "decode_credential", outcome)
    match outcome:
        case Accepted(decoded):
            return decoded
        case Rejected():
            raise InsuranceCredentialRefused
        case NotSent() | Unknown():
            raise InsuranceOwnerUnavailable(retry_after_s=2)
        case _:
            assert_never(outcome)


async def _ask_and_link(
    ctx: Context, view: RecordView, institution: Institution, query: PersonQuery
) -> InsuranceView:
    try:
        gateway = ctx.partners.insurance(institution.code)
    except PerformedByHospital:
        return await _last_known(ctx, view.record_id, InsuranceStatus.BY_HOSPITAL)
    except PartnerUnknown:
        return await _last_known(ctx, view.record_id, InsuranceStatus.OWNER_DOWN)
    outcome = await gateway.read_person(query, await _call(ctx, institution))
    _note(ctx, gateway, "read_person", outcome)
    match outcome:
        case Accepted(answer):
            return await _link(ctx, view, institution, gateway.code, answer)
        case Rejected():
            return await _last_known(ctx, view.record_id, InsuranceStatus.OWNER_REFUSED)
        case NotSent() | Unknown():
            return await _last_known(ctx, view.record_id, InsuranceStatus.OWNER_DOWN)
        case _:
            assert_never(outcome)


def _note(ctx: Context, gateway: InsuranceGateway, operation: str, outcome: object) -> None:
    ctx.metrics.outcomes.labels(gateway.code, operation, type(outcome).__name__).inc()


async def _last_known(ctx: Context, record_id: int, status: InsuranceStatus) -> InsuranceView:
    async with connection(ctx.pool) as conn:
        row = rules.preferred(await _linked(conn, ctx, record_id))
    if row is not None and status is InsuranceStatus.BY_HOSPITAL:
        status = InsuranceStatus.LINKED
    return rules.view_of(status, row)


async def _link(
    ctx: Context, view: RecordView, institution: Institution, owner: str, answer: InsuredPerson
) -> InsuranceView:
    async with transaction(ctx.pool) as conn:
        if not rules.names_the_same(view.name.reveal(), view.citizen_no.reveal(), answer):
            await _report_another_person(conn, ctx, view, institution)
            return rules.view_of(InsuranceStatus.NOT_LINKED, None)
        number_hash = ctx.sealer.blind(rules.NUMBER_KIND, answer.person_no)
        known_as = ctx.sealer.blind_all(rules.NUMBER_KIND, answer.person_no)
        linked = await _linked(conn, ctx, view.record_id)
        confirmed: set[int] = set()
        for enrolment in rules.active_enrolments(answer):
            same = [
                row
                for row in linked
                if row.number_hash in known_as and row.insurance_type == enrolment.insurance_type
            ]
            if same:
                confirmed.add(same[0].credential_id)
                await _confirm(conn, ctx, same[0], enrolment)
            else:
                await _insert(conn, ctx, view, owner, (answer.person_no, enrolment), number_hash)
        for row in linked:
            if row.credential_id not in confirmed:
                await _end(conn, ctx, row)
        chosen = rules.preferred(await _linked(conn, ctx, view.record_id))
    if chosen is None:
        return msgspec.structs.replace(
            rules.view_of(InsuranceStatus.NOT_INSURED, None), as_of=ctx.clock.now()
        )
    return rules.view_of(InsuranceStatus.LINKED, chosen)


async def _linked(conn: Connection, ctx: Context, record_id: int) -> list[Credential]:
    return _checked(ctx, await store.list_linked(conn, record_id, INSURANCE, CREDENTIALS_MAX))


def _checked(ctx: Context, rows: list[Credential]) -> list[Credential]:
    for row in rows:
        ctx.sealer.check_mac("credential", row.mac_parts(), row.row_mac)
    return rows


def _with_mac(ctx: Context, row: Credential) -> Credential:
    return msgspec.structs.replace(row, row_mac=ctx.sealer.row_mac("credential", row.mac_parts()))


async def _confirm(conn: Connection, ctx: Context, row: Credential, enrolment: Enrolment) -> None:
    fresh = msgspec.structs.replace(row, region=enrolment.region, checked_at=ctx.clock.now())
    await store.update_credential(conn, _with_mac(ctx, fresh), row.checked_at)


async def _end(conn: Connection, ctx: Context, row: Credential) -> None:
    now = ctx.clock.now()
    ended = msgspec.structs.replace(row, state=CredentialState.ENDED, checked_at=now, ended_at=now)
    await store.update_credential(conn, _with_mac(ctx, ended), row.checked_at)


async def _insert(
    conn: Connection,
    ctx: Context,
    view: RecordView,
    owner: str,
    found: tuple[str, Enrolment],
    number_hash: bytes,
) -> None:
    person_no, enrolment = found
    now = ctx.clock.now()
    credential_id = ctx.ids.new()
    key = await ctx.sealer.record_key(conn, view.record_id)
    plain = msgspec.json.encode(
        SealedInsurance(person_no=person_no, person_type=enrolment.person_type)
    )
    row = Credential(
        record_id=view.record_id,
        credential_id=credential_id,
        kind=INSURANCE,
        owner=owner,
        number_hash=number_hash,
        sealed=ctx.sealer.seal(key, "credential", "sealed", credential_id, plain),
        region=enrolment.region,
        insurance_type=enrolment.insurance_type,
        state=CredentialState.LINKED,
        linked_at=now,
        checked_at=now,
        ended_at=None,
        row_mac=b"",
    )
    if await store.insert_credential(conn, _with_mac(ctx, row)):
        await append(
            conn,
            ctx,
            AuditEntry(
                record_id=view.record_id,
                action="credential.linked",
                actor_kind="system",
                actor_id=0,
                institution_id=None,
                facts={"kind": INSURANCE, "insurance_type": enrolment.insurance_type},
            ),
        )


async def _report_another_person(
    conn: Connection, ctx: Context, view: RecordView, institution: Institution
) -> None:
    await open_item(
        conn,
        ctx,
        NewItem(
            record_id=view.record_id,
            kind="person",
            subject_id=view.person_id,
            institution_id=institution.institution_id,
            reason="credential-names-another-person",
            evidence={"owner": "insurance", "institution": institution.code},
        ),
    )
