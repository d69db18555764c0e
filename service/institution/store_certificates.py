"""SQL of certificates and of our own authority."""

from datetime import datetime

from service.institution.model import (
    AuthorityRow,
    CertificateHolders,
    EnrolledApplication,
    HeldCertificate,
)
from service.kernel.database import Connection, execute, find_row, insert_new, list_rows

INSERT_CERTIFICATE = """
insert into certificate (
  institution_id, certificate_id, holder_kind, holder_id, authority_version, issuer, serial_no,
  public_key, chain, not_before, not_after, state, reason, revoked_at, created_at, row_mac
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
on conflict (issuer, serial_no) do nothing
"""
GET_CERTIFICATE = """
select institution_id, certificate_id, holder_kind, holder_id, authority_version, issuer, serial_no,
  public_key, chain, not_before, not_after, state, reason, revoked_at, created_at, row_mac
from certificate
where institution_id = $1 and certificate_id = $2
"""
LIST_OF_HOLDER = """
select institution_id, certificate_id, holder_kind, holder_id, authority_version, issuer, serial_no,
  public_key, chain, not_before, not_after, state, reason, revoked_at, created_at, row_mac
from certificate
where institution_id = $1 and holder_id = $2
order by created_at desc, certificate_id
limit $3
"""
LIST_ACTIVE = """
select institution_id, certificate_id, holder_kind, holder_id, authority_version, issuer, serial_no,
  public_key, chain, not_before, not_after, state, reason, revoked_at, created_at, row_mac
from certificate
where institution_id = $1 and holder_id = $2 and state = 'ACTIVE' and not_before <= $3
  and not_after >= $3
order by created_at desc, certificate_id
"""
LIST_UNREVOKED = """
select institution_id, certificate_id, holder_kind, holder_id, authority_version, issuer, serial_no,
  public_key, chain, not_before, not_after, state, reason, revoked_at, created_at, row_mac
from certificate
where institution_id = $1 and holder_id = $2 and state = 'ACTIVE'
order by created_at desc, certificate_id
"""
LIST_ENDING = """
select institution_id, certificate_id, holder_kind, holder_id, authority_version, issuer, serial_no,
  public_key, chain, not_before, not_after, state, reason, revoked_at, created_at, row_mac
from certificate
where not_after >= $1 and not_after <= $2
order by not_after, certificate_id
limit $3
"""
COUNT_HOLDERS = """
select holder_kind, count(*) as holders, count(*) filter (where ends <= $2) as ending,
  min(ends) as first_end
from (
  select holder_kind, max(not_after) as ends
  from certificate
  where state = 'ACTIVE' and not_after > $1
  group by institution_id, holder_kind, holder_id
) as newest
group by holder_kind
"""
LIST_OF_KEY = """
select institution_id, certificate_id, holder_kind, holder_id, authority_version, issuer, serial_no,
  public_key, chain, not_before, not_after, state, reason, revoked_at, created_at, row_mac
from certificate
where public_key = $1
order by created_at, certificate_id
"""
LIST_BARE = """
select institution_id, application_id, name, public_key, scopes, state, created_at, row_mac,
  key_until
from application
where public_key = $1
order by created_at, application_id
"""
REVOKE = """
update certificate
set state = 'REVOKED', reason = $3, revoked_at = $4, row_mac = $5
where institution_id = $1 and certificate_id = $2 and state = 'ACTIVE'
"""
END_BARE_KEY = """
update application
set key_until = $3, row_mac = $4
where institution_id = $1 and application_id = $2 and row_mac = $5
"""
INSERT_AUTHORITY = """
insert into certificate_authority (key_version, certificate, crl_number, created_at)
values ($1, $2, 0, $3)
on conflict (key_version) do nothing
"""
GET_AUTHORITY = """
select key_version, certificate, crl, crl_number, crl_fresh_until, created_at
from certificate_authority
where key_version = $1
"""
STORE_CRL = """
update certificate_authority
set crl = $2, crl_number = $3, crl_fresh_until = $4
where key_version = $1 and crl_number = $5
"""
STALE_CRL = """
update certificate_authority
set crl_fresh_until = null, crl_number = crl_number + 1
where key_version = $1
"""
LIST_OF_AUTHORITY = """
select institution_id, certificate_id, holder_kind, holder_id, authority_version, issuer, serial_no,
  public_key, chain, not_before, not_after, state, reason, revoked_at, created_at, row_mac
from certificate
where authority_version = $1 and not_after >= $2
order by serial_no
"""
FIND_BY_SERIAL = """
select institution_id, certificate_id, holder_kind, holder_id, authority_version, issuer, serial_no,
  public_key, chain, not_before, not_after, state, reason, revoked_at, created_at, row_mac
from certificate
where issuer = $1 and serial_no = $2
"""


async def insert_certificate(conn: Connection, row: HeldCertificate) -> bool:
    """False when the issuer's serial number is registered already."""
    return await insert_new(
        conn,
        INSERT_CERTIFICATE,
        row.institution_id,
        row.certificate_id,
        row.holder_kind.value,
        row.holder_id,
        row.authority_version,
        row.issuer,
        row.serial_no,
        row.public_key,
        row.chain,
        row.not_before,
        row.not_after,
        row.state.value,
        None if row.reason is None else row.reason.value,
        row.revoked_at,
        row.created_at,
        row.row_mac,
    )


async def find_certificate(
    conn: Connection, institution_id: int, certificate_id: int
) -> HeldCertificate | None:
    """By id."""
    return await find_row(conn, HeldCertificate, GET_CERTIFICATE, institution_id, certificate_id)


async def list_of_holder(
    conn: Connection, institution_id: int, holder_id: int, limit: int
) -> list[HeldCertificate]:
    """Newest first."""
    return await list_rows(conn, HeldCertificate, LIST_OF_HOLDER, institution_id, holder_id, limit)


async def list_active(
    conn: Connection, institution_id: int, holder_id: int, now: datetime
) -> list[HeldCertificate]:
    """Not revoked and inside their time, newest first."""
    return await list_rows(conn, HeldCertificate, LIST_ACTIVE, institution_id, holder_id, now)


async def list_unrevoked(
    conn: Connection, institution_id: int, holder_id: int
) -> list[HeldCertificate]:
    """All of them, the expired ones too, newest first."""
    return await list_rows(conn, HeldCertificate, LIST_UNREVOKED, institution_id, holder_id)


async def count_holders(
    conn: Connection, since: datetime, soon: datetime
) -> list[CertificateHolders]:
    """By kind, of whose newest certificates ended after ``since``, or are yet to end."""
    return await list_rows(conn, CertificateHolders, COUNT_HOLDERS, since, soon)


async def list_ending(
    conn: Connection, since: datetime, until: datetime, limit: int
) -> list[HeldCertificate]:
    """Those that end in the window, the first to end first."""
    return await list_rows(conn, HeldCertificate, LIST_ENDING, since, until, limit)


async def list_of_key(conn: Connection, public_key: bytes) -> list[HeldCertificate]:
    """Every certificate of a key, whoever holds it, the oldest first."""
    return await list_rows(conn, HeldCertificate, LIST_OF_KEY, public_key)


async def list_bare(conn: Connection, public_key: bytes) -> list[EnrolledApplication]:
    """Every application with that bare key, be it ended or not, the oldest first."""
    return await list_rows(conn, EnrolledApplication, LIST_BARE, public_key)


async def revoke(conn: Connection, row: HeldCertificate) -> bool:
    """False when it was revoked before."""
    reason = None if row.reason is None else row.reason.value
    return (
        await execute(
            conn,
            REVOKE,
            row.institution_id,
            row.certificate_id,
            reason,
            row.revoked_at,
            row.row_mac,
        )
        == 1
    )


async def end_bare_key(conn: Connection, row: EnrolledApplication, *, was: bytes) -> bool:
    """Set ``key_until``; ``was`` is the MAC of the row that was read."""
    return (
        await execute(
            conn,
            END_BARE_KEY,
            row.institution_id,
            row.application_id,
            row.key_until,
            row.row_mac,
            was,
        )
        == 1
    )


async def insert_authority(
    conn: Connection, version: int, certificate: bytes, now: datetime
) -> None:
    """The first to come makes it; others find it."""
    await insert_new(conn, INSERT_AUTHORITY, version, certificate, now)


async def find_authority(conn: Connection, version: int) -> AuthorityRow | None:
    """By the version of its key."""
    return await find_row(conn, AuthorityRow, GET_AUTHORITY, version)


async def store_crl(conn: Connection, row: AuthorityRow, *, was: int) -> bool:
    """Publish a new list; False when something happened since number ``was`` was read."""
    return (
        await execute(
            conn, STORE_CRL, row.key_version, row.crl, row.crl_number, row.crl_fresh_until, was
        )
        == 1
    )


async def stale_crl(conn: Connection, version: int) -> None:
    """The next reader gets a new list; a list that is being signed now is not stored."""
    await execute(conn, STALE_CRL, version)


async def list_of_authority(
    conn: Connection, version: int, since: datetime
) -> list[HeldCertificate]:
    """Of our authority, ending at ``since`` or later, revoked or not, by serial number."""
    return await list_rows(conn, HeldCertificate, LIST_OF_AUTHORITY, version, since)


async def find_by_serial(conn: Connection, issuer: str, serial_no: bytes) -> HeldCertificate | None:
    """By the issuer's name and its number."""
    return await find_row(conn, HeldCertificate, FIND_BY_SERIAL, issuer, serial_no)
