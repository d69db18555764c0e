"""What re-keying must know of the tables of institution: their SQL, and how a row moves."""

from service.institution.model import (
    EnrolledApplication,
    EnrolledTerminal,
    HeldCertificate,
    Institution,
    MerchantAccount,
)
from service.kernel.rekeying import maced

PAGE_INSTITUTIONS = """
select institution_id, code, name, insurance_region, level, moved_amounts, state, created_at,
  row_mac, approval_above_fen, registration_insured
from institution
where institution_id > $1
order by institution_id
limit $2
"""
COUNT_INSTITUTIONS = """
select count(*) from institution where substring(row_mac from 1 for 1) = $1
"""
SWAP_INSTITUTION_MAC = """
update institution
set row_mac = $3
where institution_id = $1 and row_mac = $2
"""
PAGE_APPLICATIONS = """
select institution_id, application_id, name, public_key, scopes, state, created_at, row_mac,
  key_until
from application
where (institution_id, application_id) > ($1, $2)
order by institution_id, application_id
limit $3
"""
COUNT_APPLICATIONS = """
select count(*) from application where substring(row_mac from 1 for 1) = $1
"""
SWAP_APPLICATION_MAC = """
update application
set row_mac = $4
where institution_id = $1 and application_id = $2 and row_mac = $3
"""
PAGE_TERMINALS = """
select institution_id, terminal_id, name, public_place, key_sealed, activation_hash,
  activation_until, state, created_at, row_mac
from terminal
where (institution_id, terminal_id) > ($1, $2)
order by institution_id, terminal_id
limit $3
"""
COUNT_TERMINALS = """
select count(*) from terminal where substring(row_mac from 1 for 1) = $1
"""
SWAP_TERMINAL_MAC = """
update terminal
set row_mac = $4
where institution_id = $1 and terminal_id = $2 and row_mac = $3
"""
PAGE_MERCHANTS = """
select institution_id, provider, account_name, created_at, row_mac
from merchant_account
where (institution_id, provider) > ($1, $2)
order by institution_id, provider
limit $3
"""
COUNT_MERCHANTS = """
select count(*) from merchant_account where substring(row_mac from 1 for 1) = $1
"""
SWAP_MERCHANT_MAC = """
update merchant_account
set row_mac = $4
where institution_id = $1 and provider = $2 and row_mac = $3
"""
PAGE_CERTIFICATES = """
select institution_id, certificate_id, holder_kind, holder_id, authority_version, issuer, serial_no,
  public_key, chain, not_before, not_after, state, reason, revoked_at, created_at, row_mac
from certificate
where (institution_id, certificate_id) > ($1, $2)
order by institution_id, certificate_id
limit $3
"""
COUNT_CERTIFICATES = """
select count(*) from certificate where substring(row_mac from 1 for 1) = $1
"""
SWAP_CERTIFICATE_MAC = """
update certificate
set row_mac = $4
where institution_id = $1 and certificate_id = $2 and row_mac = $3
"""
COUNT_TERMINAL_KEYS = """
select count(*) from terminal where substring(key_sealed from 2 for 1) = $1
"""
SWAP_TERMINAL_KEY = """
update terminal
set key_sealed = $4, row_mac = $5
where institution_id = $1 and terminal_id = $2 and row_mac = $3
"""

MACED = (
    maced(
        "institution",
        Institution,
        ("institution_id",),
        "institution_id",
        page=PAGE_INSTITUTIONS,
        count=COUNT_INSTITUTIONS,
        swap=SWAP_INSTITUTION_MAC,
    ),
    maced(
        "application",
        EnrolledApplication,
        ("institution_id", "application_id"),
        "application_id",
        page=PAGE_APPLICATIONS,
        count=COUNT_APPLICATIONS,
        swap=SWAP_APPLICATION_MAC,
    ),
    maced(
        "certificate",
        HeldCertificate,
        ("institution_id", "certificate_id"),
        "certificate_id",
        page=PAGE_CERTIFICATES,
        count=COUNT_CERTIFICATES,
        swap=SWAP_CERTIFICATE_MAC,
    ),
    maced(
        "terminal",
        EnrolledTerminal,
        ("institution_id", "terminal_id"),
        "terminal_id",
        page=PAGE_TERMINALS,
        count=COUNT_TERMINALS,
        swap=SWAP_TERMINAL_MAC,
    ),
    maced(
        "merchant_account",
        MerchantAccount,
        ("institution_id", "provider"),
        "institution_id",
        page=PAGE_MERCHANTS,
        count=COUNT_MERCHANTS,
        swap=SWAP_MERCHANT_MAC,
    ),
)
