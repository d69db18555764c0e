"""Judges of payment cases by kind. Each is called with the case and the file's ``keys``.

They call the code that production runs. A kind that is not built is absent.
"""

from collections.abc import Mapping

from service.conformance import (
    payment_alipay,
    payment_bills,
    payment_seals,
    payment_signatures,
)
from service.conformance.verdict import Case, CaseJudge

JUDGES: dict[str, CaseJudge] = {
    **payment_signatures.JUDGES,
    **payment_seals.JUDGES,
    **payment_bills.JUDGES,
    **payment_alipay.JUDGES,
}
BASES_MAX = 8
_ABOUT_THE_BASE = ("content", "content_sha256_hex", "message")


def resolve_base(case: Case, by_id: Mapping[str, Case]) -> Case:
    """A case that names a ``base`` takes that case's fields and changes some of them."""
    chain = [case]
    while len(chain) <= BASES_MAX and (base := by_id.get(str(chain[-1].get("base", "")))):
        chain.append(base)
    merged = dict(chain.pop())
    for changed in reversed(chain):
        kept = {name: value for name, value in merged.items() if name not in _ABOUT_THE_BASE}
        for name, value in changed.items():
            old = merged.get(name)
            both = isinstance(old, dict) and isinstance(value, dict)
            kept[name] = {**old, **value} if both else value  # type: ignore[dict-item]
        merged = kept
    return merged
