"""Every reason for which a work item is opened: what it means, and what ends it.

``yimatong work reasons`` prints this table, and ``docs/work-items.md`` holds it. A test holds it
against the words in the code, both ways.
"""

import msgspec

ANY_KIND = "*"
"""Of a reason that the rows of any table may have."""
ANY_STATEMENT = "statement-*"
"""Of a statement that cannot be used; the word behind the dash says what is wrong with it."""
_HELD = frozenset({"CREATED", "AWAITING_PAYER", "CLOSING", "NEEDS_REVIEW"})
"""A payment whose end is not known yet."""


class Reason(msgspec.Struct, frozen=True):
    """``by_hand``: nothing in the code can know that it is over, so an operator says so."""

    kind: str
    reason: str
    meaning: str
    ending: str
    by_hand: bool = False
    but_in: frozenset[str] = frozenset()
    """Not by hand where the evidence names one of these states: there ``ending`` says how."""


def _review(reason: str, meaning: str) -> Reason:
    return Reason("settlement", reason, meaning, _REVIEW)


def _stuck(reason: str, meaning: str) -> Reason:
    return Reason("settlement", reason, meaning, "the next state, by itself")


def _left(reason: str, meaning: str, ending: str, *but_in: str) -> Reason:
    return Reason("settlement", reason, meaning, ending, by_hand=True, but_in=frozenset(but_in))


_REVIEW = "`yimatong settlement review`"
_LEFTOVER = "the hospital clears it with the bureau; then by hand"
_UNDONE = "the settlement undone, by itself"
_SEND_INVOICE = "mend it at the platform, then `yimatong invoice send-again`"
_RETRY = "`yimatong refund retry`, or the provider's word that the money is back"
_RULED = "`yimatong person say-same`, or `keep-apart`; nothing is linked meanwhile"
_AGAIN = "the next clear answer, by itself"

REASONS: tuple[Reason, ...] = (
    _review("contradicted", "two sides say what cannot both be true"),
    _review("correction-not-paid", "what a correction leaves to pay was not paid in time"),
    _review("cover-contradicts", "a commercial insurer granted more than was claimed"),
    _review("cover-withdrawal-refused", "a commercial insurer does not take its grant back"),
    _review("insurance-refused", "the bureau refused in the middle of a correction"),
    _review("payment-under-review", "its payment is under review: end that first"),
    _review("reversal-refused", "the bureau refuses to take its settlement back"),
    _review("settlement-contradicts", "the bureau settled something else than was asked"),
    _review("split-contradicts", "the bureau's division does not add up"),
    _review("presettling-stuck", "in a correction the bureau gives no division"),
    _review("presettled-stuck", "whether an order still takes money stays unknown"),
    _review("awaiting-payer-stuck", "whether the payer paid stays unknown"),
    _review("settling-stuck", "whether the bureau settled stays unknown"),
    _review("collecting-stuck", "whether the difference was paid stays unknown"),
    _review("recalling-stuck", "whether the former settlement is taken back stays unknown"),
    _stuck("paid-stuck", "it is paid and cannot be settled on; the tries go on"),
    _stuck("settled-stuck", "it is settled and not in the hospital's list; the tries go on"),
    _stuck("posting-stuck", "it cannot be looked at; the tries go on"),
    Reason("settlement", "reversing-stuck", "a leg cannot be undone yet; the tries go on", _UNDONE),
    Reason(
        "settlement",
        "refund-failed",
        "money of an undone settlement did not go back",
        "retry the refund (its own item); then " + _UNDONE,
    ),
    Reason(
        "settlement",
        "refund-refused-at-centre",
        "the payment centre refuses to give back",
        "the payer allows it anew on his phone; then " + _UNDONE,
    ),
    _left(
        "centre-sides-differ",
        "at the payment centre one side is undone and the other is not, or it needs a person",
        f"settle it with the centre; where the settlement is in NEEDS_REVIEW {_REVIEW}, else "
        f"{_UNDONE}, or by hand",
        "NEEDS_REVIEW",
    ),
    Reason(
        "settlement",
        "refund-not-told",
        "the provider of a mixed order refuses to hear of the insurance's refund",
        _UNDONE,
    ),
    Reason(
        "settlement",
        "hospital-did-not-post",
        "paid and settled, and not in the hospital's own books",
        "call the hospital; its posting, by itself",
    ),
    Reason(
        "settlement",
        "correction-to-collect",
        "a correction leaves the payer something to pay",
        "his payment, or the end of its time, by itself",
    ),
    _left("correction-undone", "lines were to go back, and all of it was undone", "by hand"),
    _left(
        "deposit-after-discharge",
        "a deposit was paid when the stay's discharge had its division",
        "the hospital returns it; then by hand",
    ),
    _left("charges-left-at-insurer", "charges of an undone settlement stand at it", _LEFTOVER),
    _left("visit-left-at-insurer", "the visit of an undone settlement stands at it", _LEFTOVER),
    _left("visit-perhaps-at-insurer", "a lost answer may have left a visit there", _LEFTOVER),
    _left("discharge-left-at-insurer", "an undone discharge stands at it", _LEFTOVER),
    _left(
        "order-perhaps-at-centre",
        "an order without money may stand at the payment centre",
        "it ends by itself there; by hand",
    ),
    _left(
        "insurance-answer-uneven",
        "a hospital's own machine reported parts that do not add up",
        "it counts for nothing, and the call is cleared up; tell the hospital, then by hand",
    ),
    _left(
        "insurance-answer-differs",
        "a hospital's own machine reported something else than before",
        "the first report counts; ask the hospital, then by hand",
    ),
    Reason(
        "correction",
        "correction-awaits-approval",
        "giving back above the institution's limit waits for a second person",
        "approved or refused at the hospital",
    ),
    Reason("payment", "payment-unresolved", "whether an order was paid stays unknown", _AGAIN),
    Reason(
        "payment",
        "amount-differs",
        "the provider says paid, with another amount",
        "`yimatong payment review`; where the order was over before: give it back at the "
        "provider, then by hand",
        by_hand=True,
        but_in=_HELD,
    ),
    Reason(
        "payment",
        "refunded-elsewhere",
        "somebody refunded the order with the provider's own tools",
        "`yimatong payment review`; where it was over before: by hand, once the books are right",
        by_hand=True,
        but_in=_HELD,
    ),
    Reason(
        "payment",
        "late-payment",
        "paid after its order was closed; all of it goes back",
        "the refund, by itself",
    ),
    Reason(
        "payment",
        "paid-under-two-references",
        "the provider names two payments for one number",
        "ask the provider, have the second one given back, then by hand",
        by_hand=True,
    ),
    Reason(
        "payment",
        "notice-contradicts",
        "a notice of a mixed order names other amounts or another order",
        "the order's end, by itself",
    ),
    Reason(
        "payment",
        "unknown-number",
        "a verified notice about a number that is not ours",
        "ask the provider whose it is, then by hand",
        by_hand=True,
    ),
    Reason("refund", "refund-unresolved", "what became of a refund stays unknown", _AGAIN),
    Reason("refund", "refund-refused", "the provider refuses the refund for certain", _RETRY),
    Reason("refund", "refund-stuck", "the payer's bank does not take it", _RETRY),
    Reason(
        "refund",
        "refund-amount-differs",
        "the provider names another amount",
        f"{_RETRY}; where it was over before: by hand, once the provider has mended it",
        by_hand=True,
        but_in=frozenset({"CREATED", "PROCESSING", "NEEDS_REVIEW"}),
    ),
    Reason(
        "refund",
        "refund-failed",
        "it failed for good",
        "`yimatong refund retry`, or `given-outside` where the hospital gave it another way",
    ),
    Reason(
        "refund",
        "refund-not-fetched",
        "cash or card money nobody fetched at the counter",
        "a cashier gives it",
    ),
    Reason(
        "refund",
        "refunded-after-failure",
        "the provider says given back after it said failed",
        "`yimatong refund confirm`; where it was sent again before: have the provider take one of "
        "them back, then by hand",
        by_hand=True,
    ),
    Reason(
        "refund",
        "failed-after-refund",
        "the provider says failed after it said given back",
        "have the provider give it to the payer, then by hand",
        by_hand=True,
    ),
    Reason("invoice", "invoice-unresolved", "the platform gives no clear answer", _AGAIN),
    Reason("invoice", "invoice-refused", "the platform refused to issue it", _SEND_INVOICE),
    Reason("invoice", "invoice-write-off-refused", "it refused the red one", _SEND_INVOICE),
    Reason("invoice", "invoice-void-elsewhere", "it is void there, not by us", _SEND_INVOICE),
    Reason(
        "invoice",
        "invoice-issued-twice",
        "the platform names two for one business number",
        "have one written off at the platform, then by hand",
        by_hand=True,
    ),
    Reason("person", "number-equal-name-different", "one ID number, two names", _RULED),
    Reason("person", "nearly", "two registrations nearly match", _RULED),
    Reason(
        "person",
        "twins",
        "two registrations of one birth date and household, whose given names differ",
        _RULED,
    ),
    Reason("person", "several-births", "a newborn without a name fits several children", _RULED),
    Reason(
        "person",
        "numbers-differ",
        "a registration fits two persons who have different ID numbers",
        _RULED,
    ),
    Reason(
        "person",
        "names-differ",
        "a registration fits a person whose other registrations have another name",
        _RULED,
    ),
    Reason(
        "person", "birth-order", "a registration fits two newborns of different birth order", _RULED
    ),
    Reason(
        "person",
        "credential-names-another-person",
        "the insurance knows the number under another name",
        "by hand, once the hospital has seen the person's papers",
        by_hand=True,
    ),
    Reason(
        "code",
        "code-shown-twice",
        "one showing of a code was taken at two places",
        "by hand; where the code was copied, its owner reports it lost",
        by_hand=True,
    ),
    Reason(
        "code_list",
        "code-list-unreadable",
        "the newest revocation list cannot be read",
        "by hand, once `/v1/lists` gives one that readers take",
        by_hand=True,
    ),
    Reason(
        "code_list",
        "code-list-number-ahead",
        "the number of the newest list lies far above the time",
        "by hand, once the row is restored",
        by_hand=True,
    ),
    Reason(
        ANY_KIND,
        "row-tampered",
        "a row was changed by something else than Yimatong",
        "find out who; restore the row from a copy; then by hand",
        by_hand=True,
    ),
    Reason("trust-list", "trust-list-refused", "the trust list is not served", "a good file"),
    Reason("trust-list", "trust-list-expiring", "it ends within 30 days", "a new list"),
    Reason("trust-list", "trust-list-lacks-keys", "readers refuse our keys", "a new list"),
    Reason("key", "key-ending", "its scheduled rotation did not happen", "`yimatong keys rotate`"),
    Reason("event", "event-not-heard", "a feature cannot take an event", "when it does, by itself"),
    Reason(
        "event",
        "event-not-taken",
        "a hospital did not take an event, and it was given up",
        "`yimatong notice replay`; when it is taken, by itself",
    ),
    Reason(
        "ledger",
        "ledger-posting-changed",
        "a posting was changed by something else than Yimatong",
        "restore the row, `yimatong settlement check-day --again`, then by hand",
        by_hand=True,
    ),
    Reason("ledger", "ledger-books-differ", "books and postings differ", "the next check"),
    Reason("ledger", "ledger-sums-uneven", "a day's postings do not add up", "the next check"),
    Reason("ledger", "ledger-closed-day-changed", "a closed day has changed", "the next check"),
    Reason(
        "statement",
        "statement-only-here",
        "we hold it, the statement does not",
        "the next run that finds it explained; or by hand",
        by_hand=True,
    ),
    Reason(
        "statement",
        "statement-only-there",
        "the statement holds it, we do not",
        "the next run that finds it explained; or by hand",
        by_hand=True,
    ),
    Reason(
        "statement",
        "statement-amount-differs",
        "both hold it, with two amounts",
        "the next run that finds it explained; or by hand",
        by_hand=True,
    ),
    Reason(
        "statement",
        "statement-state-differs",
        "both hold it, one as paid or refunded",
        "the next run that finds it explained; or by hand",
        by_hand=True,
    ),
    Reason(
        "statement",
        ANY_STATEMENT,
        "a statement is missing, or cannot be used for what the word says",
        "`yimatong reconcile` with a usable file; or by hand",
        by_hand=True,
    ),
)
_ROWS = {(one.kind, one.reason): one for one in REASONS}


def find(kind: str, reason: str) -> Reason | None:
    """The row of an item; None: nobody wrote one."""
    family = ANY_STATEMENT if reason.startswith("statement-") else reason
    found = _ROWS.get((kind, reason)) or _ROWS.get((kind, family))
    return found or _ROWS.get((ANY_KIND, reason))


def table() -> str:
    """All rows as a Markdown table."""
    lines = ["| Kind | Reason | What it means | What ends it |", "|---|---|---|---|"]
    for one in REASONS:
        kind = "any" if one.kind == ANY_KIND else one.kind
        lines.append(f"| {kind} | `{one.reason}` | {one.meaning} | {one.ending} |")
    return "\n".join(lines)
