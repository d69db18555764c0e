"""What re-keying must know of the tables of healthcode: their SQL, and how a row moves."""

from service.healthcode.model import CodeCard, Scan
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
select record_id, scan_id, institution_id, terminal_id, shown, level, purpose, scanned_at, row_mac
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
)
