"""A code and a verdict as plain JSON values, for the command line, logs of readers and vectors.

Never holds the index in clear.
"""

from datetime import UTC, datetime
from functools import lru_cache

from crypto.errors import BadEncoding
from crypto.healthcode import text as code_text
from crypto.healthcode.layout import (
    CONTEXT_BIT,
    BoundCode,
    Code,
    Kind,
    Purpose,
    code_id,
    parse,
    purpose_byte,
)
from crypto.healthcode.offer import ParsedOffer
from crypto.healthcode.refusal import CodeRefused, Refusal
from crypto.healthcode.verify import Verdict

KIND_NAMES = {Kind.BOUND: "bound", Kind.ONCE: "one-time", Kind.PRINTED: "printed"}
PURPOSE_NAMES = {purpose.value: purpose.name.lower() for purpose in Purpose}
Document = dict[str, object]


def describe_code(code: Code, known_id: bytes | None = None) -> Document:
    """What anybody can read off a code without a key. ``known_id``: its code id, if at hand."""
    head = code.head
    byte = purpose_byte(code)
    purpose = byte & ~CONTEXT_BIT
    out: Document = {
        "kind": KIND_NAMES[head.kind],
        "key_id": f"{head.key_id:04x}",
        "class": head.code_class,
        "issued_at": _instant(head.issued),
        "expires_at": _instant(head.expires),
        "purpose": PURPOSE_NAMES.get(purpose) or f"unknown-{purpose}",
        "context_bound": bool(byte & CONTEXT_BIT),
        "code_id": (known_id or code_id(code)).hex(),
    }
    if isinstance(code, BoundCode):
        out |= {"step": code.step, "seq": code.seq}
    return out


def describe_verdict(verdict: Verdict) -> Document:
    """A verdict with the code it is about."""
    refusal, level = verdict.refusal, verdict.level
    out: Document = {"valid": refusal is None, "error": refusal and str(refusal)}
    if refusal is None and level is not None:
        out["level"] = str(level)
        out["marks"] = [str(mark) for mark in verdict.marks]
        as_of = verdict.not_revoked_as_of
        out["not_revoked_as_of"] = as_of and _instant(int(as_of.timestamp()))
    if verdict.off_by_s is not None:
        out["off_by_s"] = verdict.off_by_s
    if verdict.code is not None:
        out |= describe_code(verdict.code, verdict.code_id)
    return out


def describe_offer(parsed: ParsedOffer) -> Document:
    """What anybody can read off an offer: who asks, for what, how much, until when."""
    signed, certificate = parsed.signed, parsed.certificate
    offer = signed.offer
    return {
        "name": signed.name,
        "institution": offer.institution.rstrip(b"\0").decode("ascii", "replace"),
        "terminal": offer.terminal.hex(),
        "purpose": PURPOSE_NAMES[offer.purpose],
        "amount_fen": offer.amount_fen,
        "bill_id": offer.bill_id.hex(),
        "issued_at": _instant(int(signed.issued_at.timestamp())),
        "expires_at": _instant(int(signed.expires_at.timestamp())),
        "certificate": {
            "key_id": f"{certificate.key_id:04x}",
            "issued_at": _instant(int(certificate.issued_at.timestamp())),
            "valid_until": _instant(int(certificate.valid_until.timestamp())),
        },
    }


@lru_cache(maxsize=4096)
def _instant(seconds: int) -> str:
    """RFC 3339 in UTC. Kept, because the lists and the same credentials come again and again."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:19] + "Z"


def inspect_text(text: str) -> Document:
    """What a text is, without trusting anything: ``error`` None means only that the form fits."""
    try:
        return {"error": None} | describe_code(parse(code_text.decode(text)))
    except CodeRefused as refused:
        return {"error": refused.refusal.value}
    except BadEncoding:
        return {"error": Refusal.CODE_MALFORMED.value}
