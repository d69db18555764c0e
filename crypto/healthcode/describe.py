"""A code and a verdict as plain JSON values, for the command line, logs of readers and vectors.

Never holds the index in clear.
"""

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
from crypto.healthcode.refusal import CodeRefused, Refusal
from crypto.healthcode.verify import Verdict

KIND_NAMES = {Kind.BOUND: "bound", Kind.ONCE: "one-time", Kind.PRINTED: "printed"}
Document = dict[str, object]


def describe_code(code: Code) -> Document:
    """What anybody can read off a code without a key."""
    head = code.head
    byte = purpose_byte(code)
    known = {purpose.value: purpose.name.lower() for purpose in Purpose}
    out: Document = {
        "kind": KIND_NAMES[head.kind],
        "key_id": f"{head.key_id:04x}",
        "class": head.code_class,
        "issued_at": head.issued_at.isoformat().replace("+00:00", "Z"),
        "expires_at": head.expires_at.isoformat().replace("+00:00", "Z"),
        "purpose": known.get(byte & ~CONTEXT_BIT, f"unknown-{byte & ~CONTEXT_BIT}"),
        "context_bound": bool(byte & CONTEXT_BIT),
        "code_id": code_id(code).hex(),
    }
    if isinstance(code, BoundCode):
        out |= {"step": code.step, "seq": code.seq}
    return out


def describe_verdict(verdict: Verdict) -> Document:
    """A verdict with the code it is about."""
    out: Document = {"valid": verdict.holds, "error": verdict.refusal and verdict.refusal.value}
    if verdict.holds and verdict.level is not None:
        as_of = verdict.not_revoked_as_of
        out |= {
            "level": verdict.level.value,
            "marks": [mark.value for mark in verdict.marks],
            "not_revoked_as_of": as_of and as_of.isoformat().replace("+00:00", "Z"),
        }
    if verdict.off_by_s is not None:
        out["off_by_s"] = verdict.off_by_s
    return out | ({} if verdict.code is None else describe_code(verdict.code))


def inspect_text(text: str) -> Document:
    """What a text is, without trusting anything: ``error`` None means only that the form fits."""
    try:
        return {"error": None} | describe_code(parse(code_text.decode(text)))
    except CodeRefused as refused:
        return {"error": refused.refusal.value}
    except BadEncoding:
        return {"error": Refusal.CODE_MALFORMED.value}
