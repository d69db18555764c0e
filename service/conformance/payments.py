"""Judges the payment vectors: one function a kind, each over the code that production runs.

``JUDGES[kind](case, keys)`` gives whether the case passes and what was got. A kind that is not
built is absent. Judges never raise for a hostile case: an unreadable one fails.
"""

from collections.abc import Callable
from typing import Any

from service.conformance import payment_bills, payment_seals, payment_signatures

Case = dict[str, Any]
Keys = dict[str, Any]
Verdict = tuple[bool, object]
Judge = Callable[[Case, Keys], Verdict]


def guarded(judge: Judge) -> Judge:
    """A judge whose faults become a failed case."""

    def run(case: Case, keys: Keys) -> Verdict:
        try:
            return judge(case, keys)
        except Exception as error:  # noqa: BLE001 - one broken case must not end the run
            return False, f"{type(error).__name__}: {error}"

    return run


JUDGES: dict[str, Judge] = {
    kind: guarded(judge)
    for kind, judge in (
        payment_signatures.JUDGES | payment_seals.JUDGES | payment_bills.JUDGES
    ).items()
}
"""Kinds as the vectors name them."""


def resolve_base(case: Case, by_id: dict[str, Case]) -> Case:
    """A case that names a ``base`` takes that case's fields and changes some of them."""
    base = by_id.get(str(case.get("base", "")))
    if base is None:
        return case
    merged = {**resolve_base(base, {k: v for k, v in by_id.items() if v is not case}), **case}
    for name in ("params", "headers", "fields"):
        if isinstance(base.get(name), dict) and isinstance(case.get(name), dict):
            merged[name] = {**base[name], **case[name]}
    for name in ("content", "content_sha256_hex", "message"):
        if name not in case:
            merged.pop(name, None)
    return merged
