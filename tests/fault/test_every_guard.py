"""Every guard in the schema and the stores has its scenario, or says why it needs none.

``tests/support/guards_found.py`` reads them from the code: a new unique key, a new insert that
gives way or a new conditional update fails here until it stands in one of the lists.
"""

import pytest

from tests.fault.test_counter_last_lines import GUARDS as OF_COUNTERS
from tests.fault.test_last_lines import GUARDS as OF_PAYING
from tests.fault.test_last_lines_of_books import GUARDS as OF_BOOKS
from tests.fault.test_last_lines_of_callers import GUARDS as OF_CALLERS
from tests.fault.test_last_lines_of_cashiers import GUARDS as OF_CASHIERS
from tests.fault.test_last_lines_of_events import GUARDS as OF_EVENTS
from tests.fault.test_last_lines_of_giving_back import GUARDS as OF_GIVING_BACK
from tests.fault.test_last_lines_of_insurance import GUARDS as OF_INSURANCE
from tests.fault.test_last_lines_of_late_writers import GUARDS as OF_LATE_WRITERS
from tests.fault.test_last_lines_of_numbers import GUARDS as OF_NUMBERS
from tests.fault.test_last_lines_of_operators import GUARDS as OF_OPERATORS
from tests.support.guards_found import all_guards, is_guarded, statements, unique_keys

GUARDS = [
    *OF_PAYING,
    *OF_COUNTERS,
    *OF_GIVING_BACK,
    *OF_INSURANCE,
    *OF_EVENTS,
    *OF_NUMBERS,
    *OF_CASHIERS,
    *OF_LATE_WRITERS,
    *OF_BOOKS,
    *OF_CALLERS,
    *OF_OPERATORS,
]

NO_HARM = {
    "casework.store.INSERT_ITEM": "two items of one cause end together (CLOSE_OF)",
    "work_item_one_open": "as casework.store.INSERT_ITEM",
    "credential.store.INSERT_CREDENTIAL": "of two links of one number the next check ends one",
    "credential_once": "as credential.store.INSERT_CREDENTIAL",
    "institution.store.INSERT_PATIENT": "a pseudonym is computed from the record: who writes it"
    " again writes the same",
    "institution.store.UPSERT_MERCHANT": "the last account named is to stand",
    "terminal_activation": "codes are drawn from 2^80",
    "institution.store_certificates.END_BARE_KEY": "its row is locked since it was read",
    "institution.store_certificates.REVOKE": "its holder's row is locked since it was read",
    "institution.store_certificates.INSERT_AUTHORITY": "both made it with the same key",
    "institution.store_certificates.INSERT_CERTIFICATE": "serial numbers are drawn; one from"
    " outside that stands already is another line for the same key of the same holder",
    "certificate_serial": "as institution.store_certificates.INSERT_CERTIFICATE",
    "reconcile.store.FINISH_FILE": "a file that is being loaded ends by this alone, or is deleted",
    "reconcile.store.REPLACE_ACTIVE": "it chooses the file in use",
    "kernel.outbox.CLAIM_EVENT": "an event that two relays hold is handled twice, which every"
    " handler bears",
    "kernel.outbox.FINISH_EVENT": "only who handled an event ends it, with or without the lease",
    "kernel.outbox.POSTPONE_EVENT": "what is done stays done; what is not is handled once more",
    "ledger.store_books.FEED_AGAIN": "what is fed twice is entered once (INSERT_ENTRIES)",
    "ledger.store_days.CLAIM_DAY": "two that close a day add up the same postings",
    "ledger.store_days.CLOSE_DAY": "two that close a day write the same sums: no"
    " posting comes any more",
    "ledger.store_days.POSTPONE_DAY": "a closed day that is looked at is left as it is",
    "notice.store.CLAIM_ENDPOINT": "an event sent by two workers bears one id, and hospitals must"
    " bear repeats; the lease bounds how many are sent at once",
    "notice.store.RELEASE_ENDPOINT": "as CLAIM_ENDPOINT",
    "notice.store.END_PAUSE": "it only saves a write where nothing rests",
    "notice.store.HURRY": "what waits for its time is only sent sooner",
    "notice.store.HURRY_ALL": "what waits for its time is only sent sooner",
    "notice.store.KEEP_ALL": "kept and taken let those behind go on alike",
    "notice.store.PUT_ENDPOINT": "the last address named is to stand",
    "notice.store.REPLAY_SINCE": "it chooses what an operator asked for",
    "notice.store.SAVE_FAILED": "at worst an event is sent again, under its own id",
    "notice.store.TAKE_NUMBER": "it counts; that no number is given twice is kept by"
    " institution_event_order",
    "payment.store.INSERT_NOTICE": "it spares work: a notice applied again changes nothing",
    "payment.store.CLAIM_ATTEMPT": "each try begins with the attempt's version (SAVE_ATTEMPT), and"
    " an order that is placed, asked about or closed again is the same order",
    "payment.store.RELEASE_ATTEMPT": "as CLAIM_ATTEMPT",
    "receipt.store_invoices.RELEASE_INVOICE": "as CLAIM_INVOICE",
    "receipt.store_invoices.CLAIM_INVOICE": "the platform answers an order sent again with the"
    " invoice it has, and refuses a second write-off, after which it is asked",
    "settlement.stays.store.INSERT_DEPOSIT": "a second comes only with a second settling, which the"
    " settlement's version forbids",
    "settlement.store.FINISH_CALL": "written together with the settlement's version, which forbids"
    " a second outcome",
    "settlement.store.INSERT_TO_POST": "the hospital is to see the settlement again",
    "settlement.store.MARK_POSTED": "it keeps the time of the first acknowledgement",
    "settlement.store.MARK_UNDONE": "it names a message; no row that is there is lost by it",
    "shift.store.END_ENTRY": "whether an entry holds is decided by its payment, once: all who end"
    " it write the same",
    "shift.store.INSERT_REFUND": "what waits twice is given once (shift_entry_refund)",
    "shift.store.INSERT_TENDER": "it says what is said already",
    "shift.store.PUT_GIVEN": "the entry that gave it is the only one (shift_entry_refund)",
}
"""Guards without which nobody loses money or is told what is not so, each with the reason."""


def held() -> set[str]:
    """What the scenarios' guards are in the code."""
    return {name for guard in GUARDS for name in guard.holds}


def test_every_guard_has_its_scenario_or_a_reason() -> None:
    listed = held() | set(NO_HARM)
    assert all_guards() - listed == set(), "new guards: write their scenarios"
    assert listed - all_guards() == set(), "guards that are gone"


def test_no_guard_is_listed_twice() -> None:
    assert not held() & set(NO_HARM)


def test_names_of_guards_tell_them_apart() -> None:
    names = [(guard.name, guard.scenario) for guard in GUARDS]
    assert len(set(names)) == len(names)


def test_a_unique_key_is_found_until_it_is_dropped() -> None:
    first = "create unique index once on paid (a, b)\n-- ;;\ncreate unique index other on x (a)"
    assert unique_keys([first], {"paid"}) == {"once"}
    assert unique_keys([first, "drop index once"], {"paid"}) == set()


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("update paid\nset n = $3\nwhere a = $1 and b = $2", False),
        ("update paid\nset n = $3\nwhere a = $1 and b = $2 and version = $4", True),
        ("update paid\nset n = $3\nwhere a = $1 and b = $2 and ended_at is null", True),
        ("update paid\nset n = $3\nwhere a = $1 and state in ('X')", True),
        ("insert into paid (a) values ($1)", False),
        ("insert into paid (a) values ($1)\non conflict do nothing", True),
        ("select a from paid where state = 'X'", False),
    ],
)
def test_a_statement_that_asks_for_more_than_its_key_is_a_guard(sql: str, expected: bool) -> None:
    assert is_guarded(sql, {"paid": {"a", "b"}}) is expected


def test_statements_are_named_by_module_and_constant() -> None:
    assert list(statements([("pay.store", 'GET = "select 1"\nN = 3')])) == [
        ("pay.store.GET", "select 1")
    ]
