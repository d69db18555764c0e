"""What re-keying must know of the tables of healthcode: their SQL, and how a row moves."""

from service.healthcode.model import (
    CodeCard,
    HolderCredential,
    PhoneRow,
    PrintedRow,
    RevokedCode,
    Scan,
)
from service.healthcode.model_lists import CodeListRow, ListMark, LogRow
from service.kernel.rekeying import maced

PAGE_CARDS = """
select record_id, card, epoch, state, created_at, row_mac
from code
where (record_id, card) > ($1, $2)
order by record_id, card
limit $3
"""
COUNT_CARDS = """
select count(*) from code where substring(row_mac from 1 for 1) = $1
"""
SWAP_CARD_MAC = """
update code
set row_mac = $4
where record_id = $1 and card = $2 and row_mac = $3
"""
PAGE_SCANS = """
select record_id, scan_id, institution_id, terminal_id, shown, level, purpose, scanned_at,
  row_mac, bound_bill_id, bound_amount_fen, reported
from scan
where (record_id, scan_id) > ($1, $2)
order by record_id, scan_id
limit $3
"""
COUNT_SCANS = """
select count(*) from scan where substring(row_mac from 1 for 1) = $1
"""
SWAP_SCAN_MAC = """
update scan
set row_mac = $4
where record_id = $1 and scan_id = $2 and row_mac = $3
"""
PAGE_PHONES = """
select record_id, phone_id, account_id, slot, label, code_id, state, enrolled_at, renewed_at,
  expires_at, session_id, row_mac
from phone
where (record_id, phone_id) > ($1, $2)
order by record_id, phone_id
limit $3
"""
COUNT_PHONES = """
select count(*) from phone where substring(row_mac from 1 for 1) = $1
"""
SWAP_PHONE_MAC = """
update phone
set row_mac = $4
where record_id = $1 and phone_id = $2 and row_mac = $3
"""
PAGE_HOLDER_CREDENTIALS = """
select record_id, code_id, phone_id, code_class, state, issued_at, expires_at, credential, row_mac
from holder_credential
where (record_id, code_id) > ($1, $2)
order by record_id, code_id
limit $3
"""
COUNT_HOLDER_CREDENTIALS = """
select count(*) from holder_credential where substring(row_mac from 1 for 1) = $1
"""
SWAP_HOLDER_CREDENTIAL_MAC = """
update holder_credential
set row_mac = $4
where record_id = $1 and code_id = $2 and row_mac = $3
"""
PAGE_PRINTED = """
select record_id, printed_code_id, code_id, code_class, state, issued_at, expires_at, row_mac
from printed_code
where (record_id, printed_code_id) > ($1, $2)
order by record_id, printed_code_id
limit $3
"""
COUNT_PRINTED = """
select count(*) from printed_code where substring(row_mac from 1 for 1) = $1
"""
SWAP_PRINTED_MAC = """
update printed_code
set row_mac = $4
where record_id = $1 and printed_code_id = $2 and row_mac = $3
"""
PAGE_REVOKED = """
select record_id, code_id, scope, code_class, expires_at, revoked_at, row_mac
from revoked_code
where (record_id, code_id) > ($1, $2)
order by record_id, code_id
limit $3
"""
COUNT_REVOKED = """
select count(*) from revoked_code where substring(row_mac from 1 for 1) = $1
"""
SWAP_REVOKED_MAC = """
update revoked_code
set row_mac = $4
where record_id = $1 and code_id = $2 and row_mac = $3
"""
PAGE_LOGS = """
select institution_id, terminal_id, log_id, next_number, head, taken_at, row_mac
from shown_log
where (institution_id, terminal_id, log_id) > ($1, $2, $3)
order by institution_id, terminal_id, log_id
limit $4
"""
COUNT_LOGS = """
select count(*) from shown_log where substring(row_mac from 1 for 1) = $1
"""
SWAP_LOG_MAC = """
update shown_log
set row_mac = $5
where institution_id = $1 and terminal_id = $2 and log_id = $3 and row_mac = $4
"""
PAGE_LISTS = """
select scope, code_class, sequence, width, entries, made_at, next_at, digest, row_mac
from code_list
where (scope, code_class) > ($1, $2)
order by scope, code_class
limit $3
"""
COUNT_LISTS = """
select count(*) from code_list where substring(row_mac from 1 for 1) = $1
"""
SWAP_LIST_MAC = """
update code_list
set row_mac = $4
where scope = $1 and code_class = $2 and row_mac = $3
"""
PAGE_MARKS = """
select scope, code_class, sequence, digest, row_mac
from code_list_mark
where (scope, code_class) > ($1, $2)
order by scope, code_class
limit $3
"""
COUNT_MARKS = """
select count(*) from code_list_mark where substring(row_mac from 1 for 1) = $1
"""
SWAP_MARK_MAC = """
update code_list_mark
set row_mac = $4
where scope = $1 and code_class = $2 and row_mac = $3
"""
PAGE_USES = """
select code_id, record_id, scan_id
from code_use
where code_id > $1
order by code_id
limit $2
"""
COUNT_USES = """
select count(*) from code_use
where octet_length(code_id) = 18 and substring(code_id from 1 for 1) = $1
"""

MACED = (
    maced(
        "code",
        CodeCard,
        ("record_id", "card"),
        ("record_id", "record_id"),
        page=PAGE_CARDS,
        count=COUNT_CARDS,
        swap=SWAP_CARD_MAC,
    ),
    maced(
        "scan",
        Scan,
        ("record_id", "scan_id"),
        ("record_id", "scan_id"),
        page=PAGE_SCANS,
        count=COUNT_SCANS,
        swap=SWAP_SCAN_MAC,
    ),
    maced(
        "phone",
        PhoneRow,
        ("record_id", "phone_id"),
        ("record_id", "phone_id"),
        page=PAGE_PHONES,
        count=COUNT_PHONES,
        swap=SWAP_PHONE_MAC,
    ),
    maced(
        "holder_credential",
        HolderCredential,
        ("record_id", "code_id"),
        ("record_id", "phone_id"),
        page=PAGE_HOLDER_CREDENTIALS,
        count=COUNT_HOLDER_CREDENTIALS,
        swap=SWAP_HOLDER_CREDENTIAL_MAC,
    ),
    maced(
        "printed_code",
        PrintedRow,
        ("record_id", "printed_code_id"),
        ("record_id", "printed_code_id"),
        page=PAGE_PRINTED,
        count=COUNT_PRINTED,
        swap=SWAP_PRINTED_MAC,
    ),
    maced(
        "revoked_code",
        RevokedCode,
        ("record_id", "code_id"),
        ("record_id", "record_id"),
        page=PAGE_REVOKED,
        count=COUNT_REVOKED,
        swap=SWAP_REVOKED_MAC,
    ),
    maced(
        "shown_log",
        LogRow,
        ("institution_id", "terminal_id", "log_id"),
        "terminal_id",
        page=PAGE_LOGS,
        count=COUNT_LOGS,
        swap=SWAP_LOG_MAC,
    ),
    maced(
        "code_list",
        CodeListRow,
        ("scope", "code_class"),
        "scope",
        page=PAGE_LISTS,
        count=COUNT_LISTS,
        swap=SWAP_LIST_MAC,
    ),
    maced(
        "code_list_mark",
        ListMark,
        ("scope", "code_class"),
        "scope",
        page=PAGE_MARKS,
        count=COUNT_MARKS,
        swap=SWAP_MARK_MAC,
    ),
)
