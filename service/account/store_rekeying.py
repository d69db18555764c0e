"""What re-keying must know of the tables of account: their SQL, and how a row moves."""

from service.account.model import Account, AccountRecord
from service.kernel.rekeying import maced

PAGE_ACCOUNTS = """
select account_id, level, state, created_at, row_mac
from account
where account_id > $1
order by account_id
limit $2
"""
COUNT_ACCOUNTS = """
select count(*) from account where substring(row_mac from 1 for 1) = $1
"""
SWAP_ACCOUNT_MAC = """
update account
set row_mac = $3
where account_id = $1 and row_mac = $2
"""
PAGE_OWN_RECORDS = """
select account_id, record_id, relation, from_at, to_at, row_mac
from account_record
where (account_id, record_id, from_at) > ($1, $2, $3)
order by account_id, record_id, from_at
limit $4
"""
COUNT_OWN_RECORDS = """
select count(*) from account_record where substring(row_mac from 1 for 1) = $1
"""
SWAP_OWN_RECORD_MAC = """
update account_record
set row_mac = $5
where account_id = $1 and record_id = $2 and from_at = $3 and row_mac = $4
"""
PAGE_LOGINS = """
select login_hash, provider, account_id, subject_sealed, created_at
from account_login
where login_hash > $1
order by login_hash
limit $2
"""
COUNT_LOGIN_SEALS = """
select count(*) from account_login where substring(subject_sealed from 2 for 1) = $1
"""
SWAP_LOGIN_SEAL = """
update account_login
set subject_sealed = $3
where login_hash = $1 and subject_sealed = $2
"""
COUNT_LOGINS = """
select count(*) from account_login where substring(login_hash from 1 for 1) = $1
"""
DELETE_LOGIN = """
delete from account_login
where login_hash = $1 and account_id = $2
"""
PAGE_ATTEMPTS = """
select subject_hash, day
from real_name_attempt
where (subject_hash, day) > ($1, $2)
order by subject_hash, day
limit $3
"""
COUNT_ATTEMPTS = """
select count(*) from real_name_attempt where substring(subject_hash from 1 for 1) = $1
"""
DELETE_ATTEMPTS = """
delete from real_name_attempt
where subject_hash = $1 and day = $2
"""

MACED = (
    maced(
        "account",
        Account,
        ("account_id",),
        "account_id",
        page=PAGE_ACCOUNTS,
        count=COUNT_ACCOUNTS,
        swap=SWAP_ACCOUNT_MAC,
    ),
    maced(
        "account_record",
        AccountRecord,
        ("account_id", "record_id", "from_at"),
        ("record_id", "account_id"),
        page=PAGE_OWN_RECORDS,
        count=COUNT_OWN_RECORDS,
        swap=SWAP_OWN_RECORD_MAC,
    ),
)
