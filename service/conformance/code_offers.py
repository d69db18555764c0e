"""Judges of the vectors for tills, offers and what readers note (``yimatong-health-code/1``)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from crypto.healthcode import text as code_text
from crypto.healthcode.layout import BoundCode, Kind, Purpose
from crypto.healthcode.offer import Till, make_offer, make_till_certificate, open_offer
from crypto.healthcode.refusal import OfferRefused
from crypto.healthcode.shown_log import FIRST_HEAD, next_head, shown_entry
from crypto.healthcode.verify import CodeVerifier, Reader
from crypto.sm2 import PublicKey
from service.conformance.code_lists import fixed_signer, named_trust_list
from service.conformance.holder import read_offer, write_amount
from service.conformance.verdict import Case, CaseJudge, Judgement

Document = Mapping[str, Any]


def _exactly(case: Case, got: Mapping[str, object]) -> Judgement:
    return dict(got) == case["expect"], dict(got)


def _z(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")


def _till_certificate(case: Case, document: Document) -> Judgement:
    given = case["given"]
    till = Till(
        institution=bytes.fromhex(given["institution"]),
        terminal=bytes.fromhex(given["terminal"]),
        public=PublicKey.from_bytes(bytes.fromhex(given["till_key"]), allow_compressed=True),
        name=given["name"],
    )
    certificate = make_till_certificate(
        till,
        key_id=int(given["key_id"], 16),
        signer=fixed_signer(given, document),
        issued_at=datetime.fromisoformat(given["issued_at"]),
        valid_until=datetime.fromisoformat(given["valid_until"]),
    )
    return _exactly(case, {"certificate": certificate.hex()})


def _make_offer(case: Case, document: Document) -> Judgement:
    given = case["given"]
    text = make_offer(
        read_offer(given["offer"]),
        bytes.fromhex(given["certificate"]),
        fixed_signer(given, document),
        datetime.fromisoformat(given["issued_at"]),
        given["life"],
    )
    raw = code_text.decode_letters(text.removeprefix("YMO1:"))
    return _exactly(case, {"text": text, "bytes": raw.hex()})


def _offer(case: Case, document: Document) -> Judgement:
    trust, now = named_trust_list(case, document), datetime.fromisoformat(case["now"])
    try:
        opened = open_offer(case["text"], trust, now)
    except OfferRefused as refused:
        return _exactly(case, {"error": refused.refusal.value})
    offer = opened.offer
    got = {
        "error": None,
        "name": opened.name,
        "purpose": offer.purpose.name.lower(),
        "institution": offer.institution.hex(),
        "terminal": offer.terminal.hex(),
        "challenge": offer.challenge.hex(),
        "bill_id": offer.bill_id.hex(),
        "amount_fen": write_amount(offer.amount_fen),
        "issued_at": _z(opened.issued_at),
        "expires_at": _z(opened.expires_at),
        "context": offer.context().hex(),
    }
    return _exactly(case, got)


def _shown_log(case: Case, _document: Document) -> Judgement:
    head, heads = FIRST_HEAD, []
    for shown in case["entries"]:
        entry = shown_entry(
            text=shown["text"],
            scanned=int(datetime.fromisoformat(shown["scanned_at"]).timestamp()),
            purpose=Purpose[shown["purpose"].upper()],
            offer=shown.get("offer", ""),
        )
        head = next_head(head, entry)
        heads.append(head.hex())
    return _exactly(case, {"heads": heads})


def _seen(case: Case, document: Document) -> Judgement:
    """Check 11 over one reader's scans, in their order; a refused code leaves no trace."""
    verifier = CodeVerifier(named_trust_list(case, document))
    seen: dict[bytes, int] = {}
    errors: list[str | None] = []
    for scan in case["scans"]:
        now = datetime.fromisoformat(scan["now"])
        verdict = verifier.verify(scan["text"], Reader(), now)
        if verdict.refusal is not None or verdict.code is None or verdict.code_id is None:
            errors.append(verdict.refusal and verdict.refusal.value)
            continue
        rise = verdict.code.rise if isinstance(verdict.code, BoundCode) else 0
        is_paper = verdict.code.head.kind is Kind.PRINTED
        is_new = is_paper or rise > seen.get(verdict.code_id, -1)
        errors.append(None if is_new else "ALREADY_SHOWN")
        if is_new:
            seen[verdict.code_id] = rise
    return _exactly(case, {"errors": errors})


JUDGES: dict[str, CaseJudge] = {
    "till_certificate": _till_certificate,
    "make_offer": _make_offer,
    "offer": _offer,
    "shown_log": _shown_log,
    "seen": _seen,
}
