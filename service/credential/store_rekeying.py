"""What re-keying must know of the tables of credential: their SQL, and how a row moves."""

from service.credential.model import Credential
from service.kernel.rekeying import maced

PAGE_CREDENTIALS = """
select record_id, credential_id, kind, owner, number_hash, sealed, region, insurance_type, state,
  linked_at, checked_at, ended_at, row_mac
from credential
where (record_id, credential_id) > ($1, $2)
order by record_id, credential_id
limit $3
"""
COUNT_CREDENTIALS = """
select count(*) from credential where substring(row_mac from 1 for 1) = $1
"""
SWAP_CREDENTIAL_MAC = """
update credential
set row_mac = $4
where record_id = $1 and credential_id = $2 and row_mac = $3
"""
COUNT_NUMBERS = """
select count(*) from credential where substring(number_hash from 1 for 1) = $1
"""
SWAP_NUMBER = """
update credential
set number_hash = $4, state = $5, ended_at = $6, row_mac = $7
where record_id = $1 and credential_id = $2 and row_mac = $3
"""

MACED = (
    maced(
        "credential",
        Credential,
        ("record_id", "credential_id"),
        ("record_id", "credential_id"),
        page=PAGE_CREDENTIALS,
        count=COUNT_CREDENTIALS,
        swap=SWAP_CREDENTIAL_MAC,
    ),
)
