"""What re-keying must know of the tables of person: their SQL, and how a row moves."""

from service.kernel.rekeying import maced
from service.person.model import Link, Person, Record
from service.person.model_merging import Change, Ruling

PAGE_RECORDS = """
select record_id, source, institution_id, sealed, received_at, row_mac
from record
where record_id > $1
order by record_id
limit $2
"""
COUNT_RECORDS = """
select count(*) from record where substring(row_mac from 1 for 1) = $1
"""
SWAP_RECORD_MAC = """
update record
set row_mac = $3
where record_id = $1 and row_mac = $2
"""
PAGE_LINKS = """
select record_id, link_id, person_id, decision_id, from_at, to_at, row_mac
from link
where (record_id, link_id) > ($1, $2)
order by record_id, link_id
limit $3
"""
COUNT_LINKS = """
select count(*) from link where substring(row_mac from 1 for 1) = $1
"""
SWAP_LINK_MAC = """
update link
set row_mac = $4
where record_id = $1 and link_id = $2 and row_mac = $3
"""
PAGE_PERSONS = """
select person_id, frozen_at, frozen_because, created_at, version, frozen_parts, row_mac
from person
where person_id > $1
order by person_id
limit $2
"""
COUNT_PERSONS = """
select count(*) from person where substring(row_mac from 1 for 1) = $1
"""
SWAP_PERSON_MAC = """
update person
set row_mac = $3
where person_id = $1 and row_mac = $2
"""
PAGE_CHANGES = """
select person_id, change_id, kind, other_person_id, actor, reason, changed_at, undone_by,
  row_mac
from person_change
where (person_id, change_id) > ($1, $2)
order by person_id, change_id
limit $3
"""
COUNT_CHANGES = """
select count(*) from person_change where substring(row_mac from 1 for 1) = $1
"""
SWAP_CHANGE_MAC = """
update person_change
set row_mac = $4
where person_id = $1 and change_id = $2 and row_mac = $3
"""
PAGE_RULINGS = """
select record_id, other_record_id, verdict, actor, reason, asserted_at, ruling_id, withdrawn_at,
  withdrawn_by, row_mac
from assertion
where (record_id, other_record_id, asserted_at) > ($1, $2, $3)
order by record_id, other_record_id, asserted_at
limit $4
"""
COUNT_RULINGS = """
select count(*) from assertion where substring(row_mac from 1 for 1) = $1
"""
SWAP_RULING_MAC = """
update assertion
set row_mac = $5
where record_id = $1 and other_record_id = $2 and asserted_at = $3 and row_mac = $4
"""
PAGE_GOLDEN = """
select person_id, sealed
from golden
where person_id > $1
order by person_id
limit $2
"""
COUNT_GOLDEN = """
select count(*) from golden where substring(sealed from 2 for 1) = $1
"""
SWAP_GOLDEN = """
update golden
set sealed = $3
where person_id = $1 and sealed = $2
"""
PAGE_MATCH_KEYS = """
select blind_key, kind, record_id
from match_key
where (blind_key, kind, record_id) > ($1, $2, $3)
order by blind_key, kind, record_id
limit $4
"""
COUNT_MATCH_KEYS = """
select count(*) from match_key where substring(blind_key from 1 for 1) = $1
"""
DELETE_MATCH_KEY = """
delete from match_key
where blind_key = $1 and kind = $2 and record_id = $3
"""
UNCOUNT_KEY = """
update match_key_count
set members = members - 1
where blind_key = $1 and kind = $2 and members between 1 and $3
"""
PAGE_COUNTS = """
select blind_key, kind, members
from match_key_count
where (blind_key, kind) > ($1, $2)
order by blind_key, kind
limit $3
"""
COUNT_COUNTS = """
select count(*) from match_key_count where substring(blind_key from 1 for 1) = $1
"""
DELETE_COUNT = """
delete from match_key_count as counted
where blind_key = $1 and kind = $2 and not exists (
  select 1
  from match_key as member
  where member.blind_key = counted.blind_key and member.kind = counted.kind
)
"""
PAGE_CLAIMS = """
select blind_key, token, until
from match_claim
where blind_key > $1
order by blind_key
limit $2
"""
COUNT_CLAIMS = """
select count(*) from match_claim where substring(blind_key from 1 for 1) = $1
"""
DELETE_ENDED_CLAIM = """
delete from match_claim
where blind_key = $1 and until < $2
"""

MACED = (
    maced(
        "record",
        Record,
        ("record_id",),
        ("record_id", "record_id"),
        page=PAGE_RECORDS,
        count=COUNT_RECORDS,
        swap=SWAP_RECORD_MAC,
    ),
    maced(
        "link",
        Link,
        ("record_id", "link_id"),
        ("record_id", "link_id"),
        page=PAGE_LINKS,
        count=COUNT_LINKS,
        swap=SWAP_LINK_MAC,
    ),
    maced(
        "person",
        Person,
        ("person_id",),
        "person_id",
        page=PAGE_PERSONS,
        count=COUNT_PERSONS,
        swap=SWAP_PERSON_MAC,
    ),
    maced(
        "person_change",
        Change,
        ("person_id", "change_id"),
        "person_id",
        page=PAGE_CHANGES,
        count=COUNT_CHANGES,
        swap=SWAP_CHANGE_MAC,
    ),
    maced(
        "assertion",
        Ruling,
        ("record_id", "other_record_id", "asserted_at"),
        ("record_id", "ruling_id"),
        page=PAGE_RULINGS,
        count=COUNT_RULINGS,
        swap=SWAP_RULING_MAC,
    ),
)
