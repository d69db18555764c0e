"""What re-keying must know of the tables of notice: their SQL, and how a row moves."""

from service.kernel.rekeying import maced
from service.notice.model import Endpoint, EventRow

PAGE_ENDPOINTS = """
select institution_id, url, application_id, set_at, row_mac
from notice_endpoint
where institution_id > $1
order by institution_id
limit $2
"""
COUNT_ENDPOINTS = """
select count(*) from notice_endpoint where substring(row_mac from 1 for 1) = $1
"""
SWAP_ENDPOINT_MAC = """
update notice_endpoint
set row_mac = $3
where institution_id = $1 and row_mac = $2
"""
PAGE_EVENTS = """
select institution_id, event_id, event_no, record_id, settlement_id, version, sequence, topic, body,
  occurred_at, created_at, row_mac, state, tries
from institution_event
where (institution_id, event_id) > ($1, $2)
order by institution_id, event_id
limit $3
"""
COUNT_EVENTS = """
select count(*) from institution_event where substring(row_mac from 1 for 1) = $1
"""
SWAP_EVENT_MAC = """
update institution_event
set row_mac = $4
where institution_id = $1 and event_id = $2 and row_mac = $3
"""

KEYED_ROWS = (
    maced(
        "notice_endpoint",
        Endpoint,
        ("institution_id",),
        "institution_id",
        page=PAGE_ENDPOINTS,
        count=COUNT_ENDPOINTS,
        swap=SWAP_ENDPOINT_MAC,
    ),
    maced(
        "institution_event",
        EventRow,
        ("institution_id", "event_id"),
        ("record_id", "event_id"),
        page=PAGE_EVENTS,
        count=COUNT_EVENTS,
        swap=SWAP_EVENT_MAC,
    ),
)
