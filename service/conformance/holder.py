"""Judges of the vectors for phones: hedged nonces, key mixing, enrolment and showing.

Sections of form ``yimatong-health-code/1`` beside those of ``health_code``.
"""

from collections.abc import Mapping
from datetime import datetime
from itertools import islice
from typing import Any

from crypto import curve
from crypto.healthcode import text as code_text
from crypto.healthcode.context import Offer
from crypto.healthcode.holder import (
    Holder,
    HolderRefused,
    Showing,
    clock_offset_s,
    enrol_proof,
)
from crypto.healthcode.layout import Purpose
from crypto.hedged import HedgedSigner, candidates, first_below, mixed_key, nonce
from crypto.sm2 import PrivateKey
from service.conformance.verdict import Case, CaseJudge, Judgement

Document = Mapping[str, Any]


def _all_expected(case: Case, got: Mapping[str, object]) -> Judgement:
    return dict(got) == case["expect"], dict(got)


def _key(case: Case, document: Document) -> PrivateKey:
    return PrivateKey.from_bytes(bytes.fromhex(document["keys"][case["key"]]))


def _nonce(case: Case, _document: Document) -> Judgement:
    """The nonce is the first candidate below n; ``below`` shows the rejection with a lower n."""
    given = [bytes.fromhex(case[name]) for name in ("key", "digest", "fresh")]
    outputs = [out.hex() for out in islice(candidates(*given), len(case["expect"]["candidates"]))]
    got: dict[str, object] = {"candidates": outputs, "k": f"{nonce(*given):064x}"}
    if "below" in case:
        limit = min(curve.N, int(case["below"], 16))
        got["k"] = f"{first_below(candidates(*given), limit):064x}"
    return _all_expected(case, got)


def _holder_key(case: Case, _document: Document) -> Judgement:
    key = mixed_key(bytes.fromhex(case["fresh"]), bytes.fromhex(case["entropy"]))
    got = {"key": key.to_bytes().hex(), "holder_key": key.public.compressed().hex()}
    return _all_expected(case, got)


def _enrol(case: Case, document: Document) -> Judgement:
    fresh = bytes.fromhex(case["fresh"])
    proof = enrol_proof(
        _key(case, document),
        bytes.fromhex(case["challenge"]),
        bytes.fromhex(case["account"]),
        signer_of=lambda key: HedgedSigner(key, random_bytes=lambda _size: fresh),
    )
    return _all_expected(case, {"proof": proof.hex()})


def _show(case: Case, document: Document) -> Judgement:
    try:
        showing = show(_key(case, document), case)
    except HolderRefused as refused:
        return _all_expected(case, {"error": refused.reason.value})
    raw = code_text.decode(showing.issued.text)
    got = {"text": showing.issued.text, "bytes": raw.hex(), "last_rise": showing.last_rise}
    return _all_expected(case, got)


def show(key: PrivateKey, case: Case) -> Showing:
    """The showing that a case of ``show`` or ``show_checks`` asks for. ``HolderRefused``."""
    fresh = bytes.fromhex(case["fresh"])
    holder = Holder(
        key,
        bytes.fromhex(case["credential"]),
        case["clock_offset_s"],
        case["last_rise"],
        signer_of=lambda key: HedgedSigner(key, random_bytes=lambda _size: fresh),
    )
    offer, over = case.get("offer"), case.get("offer_expires_at")
    return holder.show(
        datetime.fromisoformat(case["now"]),
        Purpose[case["purpose"].upper()],
        None if offer is None else read_offer(offer),
        offer_expires_at=None if over is None else datetime.fromisoformat(over),
    )


def _clock(case: Case, _document: Document) -> Judgement:
    """Server minus local time by one round trip."""
    names = ("sent", "received", "server_time")
    try:
        offset_s = clock_offset_s(*(datetime.fromisoformat(case[name]) for name in names))
    except HolderRefused as refused:
        return _all_expected(case, {"error": refused.reason.value})
    return _all_expected(case, {"clock_offset_s": offset_s})


def read_offer(fields: Mapping[str, Any]) -> Offer:
    """An offer as it stands in a case; an amount of 2**53 or more is a decimal string."""
    return Offer(
        purpose=Purpose[fields["purpose"].upper()],
        institution=bytes.fromhex(fields["institution"]),
        terminal=bytes.fromhex(fields["terminal"]),
        challenge=bytes.fromhex(fields["challenge"]),
        bill_id=bytes.fromhex(fields["bill_id"]),
        amount_fen=int(fields["amount_fen"]),
    )


def write_amount(amount_fen: int) -> int | str:
    """An amount as it stands in a case: a binary float holds it exactly, or it is a string."""
    return amount_fen if amount_fen < 1 << 53 else str(amount_fen)


JUDGES: dict[str, CaseJudge] = {
    "nonce": _nonce,
    "holder_key": _holder_key,
    "enrol": _enrol,
    "show": _show,
    "show_checks": _show,
    "clock": _clock,
}
