"""Books side by side: ours, the payment providers' and the bureau's, to the fen. Reads nothing.

What a person has before him may disagree, by no more than the amount in question; everything else
must agree. A work item that only tells of something (a late payment, which is given back by itself)
excuses nothing.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import msgspec

from service.bill.states import BillKind
from service.ledger.model import COUNTED, DEPOSIT, HOSPITAL, cover_account, provider_account
from service.payment.rules import HOSPITAL_NO_MAX, MOBILE_CENTRE
from service.sandbox.keys import INSURER

PAID_AT_TWIN = {"SUCCESS", "REFUND"}
TAKEN = {"PAID", "PAID_LATE"}
SHOWN_MAX = 20
STANDS = {"POSTED", "POSTING"}
"""The bureau's part is definite and the bill is paid."""
OVER = {"POSTED", "REVERSED"}
LATE_DEPOSIT = "deposit-after-discharge"
DOUBTED_PAYMENTS = {
    "amount-differs",
    "refunded-elsewhere",
    "paid-under-two-references",
    "payment-unresolved",
}
SIDES_DIFFER = "centre-sides-differ"
"""Of a settlement: what the payment centre holds of its own part is before a person."""
DOUBTED_RETURNS = {"failed-after-refund", "refund-amount-differs"}
"""Work items after which even a refund that is done may not agree with the provider's book."""


class Books(msgspec.Struct, kw_only=True):
    """Everything that is compared, as read at one quiet moment."""

    settlements: list[dict[str, Any]]
    attempts: list[dict[str, Any]]
    refunds: list[dict[str, Any]]
    bills: list[dict[str, Any]]
    balances: dict[int, dict[str, int]]
    receipts: dict[int, int]
    items: list[dict[str, Any]]
    """The open work items: ``kind``, ``subject_id``, ``reason``, ``told_fen``."""
    orders: list[dict[str, Any]]
    """Of all providers, as WeChat's twin shows its own."""
    returns: list[dict[str, Any]]
    insured: list[dict[str, Any]]
    claims: list[dict[str, Any]] = msgspec.field(default_factory=list)
    """What stands at a commercial insurer."""
    in_casework: set[int] = msgspec.field(default_factory=set)
    """Settlements about which, or about whose payments or refunds, an item is open."""
    under_way: set[int] = msgspec.field(default_factory=set)
    """Settlements whose payer's money may still be moving."""
    calls: dict[str, int] = msgspec.field(default_factory=dict)
    """Which settlement sent the bureau which message."""
    deposits: list[dict[str, Any]] = msgspec.field(default_factory=list)
    corrections: list[dict[str, Any]] = msgspec.field(default_factory=list)
    charged_fen: dict[int, int] = msgspec.field(default_factory=dict)
    """What bills came to before anything was given back of them, where that is known."""
    invoices: list[dict[str, Any]] | None = None
    """Our rows, where the institution has a line for invoices."""
    issued: dict[str, int] = msgspec.field(default_factory=dict)
    """By our number: fen on the invoices that stand in the platform's book."""
    about_invoices: set[int] = msgspec.field(default_factory=set)
    """Invoices about which an item is open."""
    entered: dict[str, int] = msgspec.field(default_factory=dict)
    """The institution's books: debits less credits by account."""


def kept_at_provider(books: Books) -> dict[str, int]:
    """For each trade number: taken less given back, as the provider's twin has it."""
    kept = {
        order["out_trade_no"]: order["total_fen"] if order["trade_state"] in PAID_AT_TWIN else 0
        for order in books.orders
    }
    for back in books.returns:
        if back["status"] == "SUCCESS":
            kept[back["out_trade_no"]] -= back["refund_fen"]
    return kept


def owed_by_bureau(settled: dict[str, Any]) -> int:
    """Fund and account of a settlement in the bureau's book."""
    return int(settled["fund_fen"]) + int(settled["account_fen"])


def differences(books: Books) -> list[str]:
    """Every disagreement, in words; empty when the three books say the same."""
    found = [
        *_payments(books),
        *_refunds(books),
        *_stays(books),
        *_insurance(books),
        *_cover(books),
        *_ledger(books),
        *_bills(books),
        *_corrections(books),
        *_invoices(books),
        *_entered(books),
    ]
    return found[:SHOWN_MAX] + ([f"… and {len(found) - SHOWN_MAX} more"] * (len(found) > SHOWN_MAX))


def in_doubt(books: Books) -> Counter[str]:
    """For each trade number: by how many fen the books may disagree, as a person has it in hand."""
    items: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for item in books.items:
        items.setdefault((item["kind"], item["subject_id"]), []).append(item)
    doubt: Counter[str] = Counter()
    for row in books.attempts:
        of_settlement = items.get(("settlement", row["settlement_id"]), [])
        if row["provider"] == MOBILE_CENTRE and SIDES_DIFFER in {
            i["reason"] for i in of_settlement
        }:
            doubt[row["trade_no"]] += row["amount_fen"]
        for item in items.get(("payment", row["attempt_id"]), []):
            if item["reason"] in DOUBTED_PAYMENTS:
                doubt[row["trade_no"]] += max(row["amount_fen"], item["told_fen"] or 0)
    for row in books.refunds:
        told = items.get(("refund", row["refund_id"]), [])
        if told and (row["state"] != "REFUNDED" or DOUBTED_RETURNS & {i["reason"] for i in told}):
            doubt[row["trade_no"]] += row["amount_fen"]
    return doubt


def _doubt_of_payer(books: Books) -> Counter[int]:
    """The same by settlement."""
    by_trade = in_doubt(books)
    doubt: Counter[int] = Counter()
    for row in books.attempts:
        doubt[row["settlement_id"]] += by_trade[row["trade_no"]]
    return doubt


def _payments(books: Books) -> Iterable[str]:
    """Provider's book = payment rows, a trade at a time; and nobody paid one settlement twice."""
    kept = kept_at_provider(books)
    ours: dict[str, int] = {}
    by_settlement: Counter[int] = Counter()
    for row in books.attempts:
        held = row["amount_fen"] - row["refunded_fen"] if row["state"] in TAKEN else 0
        ours[row["trade_no"]] = held
        by_settlement[row["settlement_id"]] += held
    by_trade, of_payer = in_doubt(books), _doubt_of_payer(books)
    moving = {r["trade_no"] for r in books.attempts if r["settlement_id"] in books.under_way}
    for trade in sorted((kept.keys() | ours.keys()) - moving):
        if abs(kept.get(trade, 0) - ours.get(trade, 0)) > by_trade[trade]:
            yield f"trade {trade}: provider {kept.get(trade, 0)}, ours {ours.get(trade, 0)}"
    for row in books.settlements:
        settlement_id, owed = row["settlement_id"], _own_part_fen(books, row)
        held, doubt = by_settlement[settlement_id], of_payer[settlement_id]
        if settlement_id in books.under_way:
            continue
        if row["state"] in STANDS and abs(held - owed) > doubt:
            yield f"{_name(row)}: the payer gave {held}, owed {owed}"
        if row["state"] == "REVERSED" and held > doubt:
            yield f"{_name(row)}: undone, but {held} of the payer is kept"
        if row["state"] in STANDS and row["paid_fen"] - row["refunded_fen"] < owed - doubt:
            yield f"{_name(row)}: row says {row['paid_fen']} less {row['refunded_fen']}"


def _own_part_fen(books: Books, row: dict[str, Any]) -> int:
    """What a settlement that stands keeps of its payer's money: of a deposit, what is held."""
    if row["kind"] != BillKind.DEPOSIT:
        return int(row["cash_fen"])
    held = {one["settlement_id"]: int(one["held_fen"]) for one in books.deposits}
    return held.get(row["settlement_id"], 0)


def _stays(books: Books) -> Iterable[str]:
    """A deposit is owed to its patient, or counted by a discharge that goes on or stands."""
    rows = {row["settlement_id"]: row for row in books.settlements}
    told = {item["subject_id"] for item in books.items if item["reason"] == LATE_DEPOSIT}
    ended = {
        row["stay_no"]
        for row in books.settlements
        if row["kind"] == BillKind.DISCHARGE and row["state"] in STANDS
    }
    for one in books.deposits:
        taker = rows.get(one["taken_by"])
        name = f"settlement {one['settlement_id']}"
        if taker is not None and taker["state"] == "REVERSED" and one["held_fen"]:
            yield f"{name}: its deposit is counted by a discharge that was undone"
        is_left = one["taken_by"] is None and one["held_fen"] and one["stay_no"] in ended
        if is_left and one["settlement_id"] not in told:
            yield f"{name}: {one['held_fen']} of its deposit are left after the discharge"


def _refunds(books: Books) -> Iterable[str]:
    """Refunds by number, and never more than was taken."""
    reversed_by_us = _reversed(books)
    theirs = {
        r["out_refund_no"]: r["refund_fen"]
        for r in books.returns
        if r["status"] == "SUCCESS" and r["out_trade_no"] not in reversed_by_us
    }
    ours = {r["refund_no"]: r["amount_fen"] for r in books.refunds if r["state"] == "REFUNDED"}
    told = {item["subject_id"] for item in books.items if item["kind"] == "refund"}
    before_a_person = {r["refund_no"] for r in books.refunds if r["refund_id"] in told}
    moving = {r["refund_no"] for r in books.refunds if r["settlement_id"] in books.under_way}
    for number in sorted((theirs.keys() ^ ours.keys()) - before_a_person - moving):
        yield f"refund {number}: only in {'their' if number in theirs else 'our'} book"
    for number in sorted(theirs.keys() & ours.keys()):
        if theirs[number] != ours[number]:
            yield f"refund {number}: provider {theirs[number]}, ours {ours[number]}"
    for trade, fen in kept_at_provider(books).items():
        if fen < 0:
            yield f"trade {trade}: {-fen} more given back than taken"


def _reversed(books: Books) -> set[str]:
    """Payments by a shown code that we took back before they counted: Alipay lists a refund that is
    none of ours. That nothing is kept of such a trade is compared like any other's."""
    return {
        row["trade_no"]
        for row in books.attempts
        if row.get("way") == "code" and row["state"] not in TAKEN
    }


def _insurance(books: Books) -> Iterable[str]:
    """Bureau's live settlements = settlement rows that stand = the ledger's insurer."""
    live = {one["setl_id"]: one for one in books.insured if one["state"] == "LIVE"}
    ours = {
        row["settlement_ref"]: row
        for row in books.settlements
        if row["insured"] and row["state"] in STANDS
    }
    explained = [row for row in books.settlements if _is_explained(books, row)]
    in_review = {row["settlement_ref"] for row in explained}
    senders = {row["settlement_id"] for row in explained}
    in_review |= {
        ref for ref, one in live.items() if books.calls.get(one.get("msgid", "")) in senders
    }
    # As much of a number as the bureau takes of an order that came no further than there.
    ordered = {one["trade_no"][:HOSPITAL_NO_MAX]: one["settlement_id"] for one in books.attempts}
    numbers = {ref: (one.get("trade_no") or "")[:HOSPITAL_NO_MAX] for ref, one in live.items()}
    in_review |= {ref for ref, number in numbers.items() if ordered.get(number) in senders}
    for ref in sorted(live.keys() - ours.keys() - in_review):
        fen = owed_by_bureau(live[ref])
        yield f"bureau's settlement {ref} over {fen} stands, and we know nothing of it"
    for ref, row in ours.items():
        theirs = live.get(ref)
        if theirs is None:
            yield f"{_name(row)}: posted, but the bureau has no live settlement"
            continue
        own_fen = row["cash_fen"] + row["cover_fen"]
        if (owed_by_bureau(theirs), theirs["cash_fen"]) != (row["insurer_fen"], own_fen):
            yield f"{_name(row)}: bureau {owed_by_bureau(theirs)}, row {row['insurer_fen']}"


def _cover(books: Books) -> Iterable[str]:
    """What commercial insurers hold as owed = what settlements that stand say they bear."""
    owed = {claim["settlement_ref"]: claim["cover_fen"] for claim in books.claims}
    for row in books.settlements:
        fen = owed.pop(row["settlement_ref"], 0)
        wanted = row["cover_fen"] if row["state"] in STANDS else 0
        if fen != wanted and not _is_explained(books, row):
            yield f"{_name(row)}: the insurer owes {fen}, the row says {wanted}"
    for ref, fen in owed.items():
        yield f"the insurer owes {fen} for {ref}, and no settlement knows of it"


def _is_explained(books: Books, row: dict[str, Any]) -> bool:
    """Whether a person has the settlement before him."""
    undecided = row["state"] not in OVER and row["settlement_id"] in books.in_casework
    return row["state"] == "NEEDS_REVIEW" or undecided


def _ledger(books: Books) -> Iterable[str]:
    """Each settlement's accounts add up; an ended one's follow from its row."""
    kept = kept_at_provider(books)
    provider: dict[int, Counter[str]] = {}
    for row in books.attempts:
        name = provider_account(row["provider"])
        of_settlement = provider.setdefault(row["settlement_id"], Counter())
        of_settlement[name] += kept.get(row["trade_no"], 0)
    for row in books.settlements:
        booked = books.balances.get(row["settlement_id"], {})
        if sum(booked.values()):
            yield f"{_name(row)}: ledger does not add up, {sum(booked.values())} are left"
        if row["state"] in (*STANDS, "REVERSED"):
            paid = provider.get(row["settlement_id"], Counter())
            yield from _accounts(books, row, booked, paid)


def _accounts(
    books: Books, row: dict[str, Any], booked: dict[str, int], paid: Counter[str]
) -> Iterable[str]:
    stands = row["state"] in STANDS
    payee = DEPOSIT if row["kind"] == BillKind.DEPOSIT else HOSPITAL
    others_fen = row["insurer_fen"] + row["hospital_fen"] + row["cover_fen"]
    earned_fen = _own_part_fen(books, row) + others_fen
    if stands and others_fen + row["cash_fen"] != row["total_fen"]:
        yield f"{_name(row)}: the parts are not the bill's {row['total_fen']}"
    settlement_id = row["settlement_id"]
    doubt = _doubt_of_payer(books)[settlement_id]
    expected = {
        "patient": 0,
        "insurer": row["insurer_fen"] if stands else 0,
        "hospital-burden": row["hospital_fen"] if stands else 0,
        cover_account(INSURER): row["cover_fen"] if stands else 0,
        **paid,
    }
    expected[payee] = expected.get(payee, 0) - (earned_fen if stands else 0)
    for account in sorted(expected.keys() | booked.keys()):
        have, want = booked.get(account, 0), expected.get(account, 0)
        of_payer = account in COUNTED | {"patient"} or account.startswith("provider:")
        if of_payer and settlement_id in books.under_way:
            continue
        if abs(have - want) > (doubt if of_payer else 0):
            yield f"{_name(row)}: ledger {account} {have}, expected {want}"


def _bills(books: Books) -> Iterable[str]:
    standing = {r["settlement_id"]: r for r in books.settlements if r["state"] in STANDS}
    review = {r["settlement_id"] for r in books.settlements if _is_explained(books, r)}
    paid = [bill for bill in books.bills if bill["state"] == "PAID"]
    for bill in paid:
        holder = standing.get(bill["holder_id"])
        if holder is None and bill["holder_id"] not in review:
            yield f"bill {bill['bill_id']} is paid by nobody"
        elif holder is not None and holder["total_fen"] != bill["total_fen"]:
            yield f"bill {bill['bill_id']}: {bill['total_fen']}, settled {holder['total_fen']}"
    paid_fen = sum(bill["total_fen"] for bill in paid if bill["holder_id"] in standing)
    standing_fen = sum(row["total_fen"] for row in standing.values())
    if paid_fen != standing_fen:
        yield f"bills paid {paid_fen}, settlements that stand {standing_fen}"
    for bill in books.bills:
        if bill["state"] == "LOCKED" and bill["holder_id"] not in review:
            yield f"bill {bill['bill_id']} stays locked"
    for settlement_id, row in standing.items():
        wanted = 1 if row["state"] == "POSTED" else 0
        if books.receipts.get(settlement_id, 0) != wanted:
            yield f"{_name(row)}: {books.receipts.get(settlement_id, 0)} receipts"


def _corrections(books: Books) -> Iterable[str]:
    """Each ended with its settlement, and a bill lost what was given back of it, once."""
    review = {row["settlement_id"] for row in books.settlements if _is_explained(books, row)}
    given: Counter[int] = Counter()
    rows = {row["settlement_id"]: row for row in books.settlements}
    for one in books.corrections:
        row = rows[one["settlement_id"]]
        if one["state"] == "RUNNING" and row["state"] in OVER:
            yield f"{_name(row)}: a correction goes on for ever"
        if one["state"] == "DONE" and one["bill_after"] is None:
            given[row["bill_id"]] += one["amount_fen"]
    for bill in books.bills:
        charged = books.charged_fen.get(bill["bill_id"])
        if charged is None or bill["state"] != "PAID" or bill["holder_id"] in review:
            continue
        left = charged - given[bill["bill_id"]]
        if bill["total_fen"] != left:
            yield f"bill {bill['bill_id']}: {bill['total_fen']}, should have {left} left"


def _invoices(books: Books) -> Iterable[str]:
    """An invoice over what each posted settlement came to, or somebody sees why not; no other."""
    if books.invoices is None:
        return
    live = dict(books.issued)
    present = {(one["settlement_id"], one["round_no"]): one for one in books.invoices}
    for one in books.invoices:
        if one["invoice_id"] in books.about_invoices:
            live.pop(one["business_no"], None)
    for row in books.settlements:
        if row["state"] != "POSTED" or row["kind"] == BillKind.DEPOSIT:
            continue
        due = present.get((row["settlement_id"], row["round_no"]))
        if due is None:
            yield f"{_name(row)}: no invoice was asked for"
        elif due["invoice_id"] not in books.about_invoices:
            fen = live.pop(due["business_no"], None)
            if (due["state"], fen) != ("ISSUED", row["total_fen"]):
                yield f"{_name(row)}: its invoice is {due['state']} over {fen}"
    for number, fen in sorted(live.items()):
        yield f"invoice {number} over {fen} stands for nothing"


def _entered(books: Books) -> Iterable[str]:
    """The institution's books hold what its settlements' postings add up to."""
    if not books.entered:
        return
    posted: Counter[str] = Counter()
    for accounts in books.balances.values():
        posted.update(accounts)
    for account in sorted(posted.keys() | books.entered.keys()):
        if posted[account] != books.entered.get(account, 0):
            held = books.entered.get(account, 0)
            yield f"books: {account} {held}, posted {posted[account]}"


def _name(row: dict[str, Any]) -> str:
    return f"settlement {row['settlement_id']} ({row['state']})"
