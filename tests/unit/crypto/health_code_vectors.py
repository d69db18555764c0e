"""Makes the health-code vectors from fixed test keys and nonces, the same bytes every time.

``python -m tests.unit.crypto.health_code_vectors`` from the repository's root writes them.
"""

import json
from pathlib import Path

from crypto.healthcode import text as code_text
from crypto.sm3 import sm3
from tests.unit.crypto.health_code_edge_vectors import (
    bound_edges,
    once_edges,
    printed_edges,
    printed_issue_edges,
)
from tests.unit.crypto.health_code_holder_vectors import nonce_document
from tests.unit.crypto.health_code_list_edge_vectors import (
    filled_lists,
    offer_edges,
    open_lists_edges,
    revoked_edges,
    trust_edges,
)
from tests.unit.crypto.health_code_list_vectors import revocation_cases
from tests.unit.crypto.health_code_more_vectors import bound_cases, printed_cases
from tests.unit.crypto.health_code_offer_vectors import context_cases, offer_cases, reader_cases
from tests.unit.crypto.health_code_once_vectors import (
    once_accepted,
    once_issue,
    once_malformed,
    once_refused,
)
from tests.unit.crypto.health_code_parts import context_of, document, offer
from tests.unit.crypto.health_code_rule_vectors import bound_rules, printed_rules
from tests.unit.crypto.health_code_trust_vectors import trust_cases

FOLDER = Path("openapi/examples/health-code")


def texts() -> list[dict[str, object]]:
    raws = [
        b"\0",
        b"\xff",
        b"\0\0",
        b"\xff\xff",
        b"\0\0\0",
        b"YM",
        sm3(b"odd")[:31],
        sm3(b"even"),
        bytes(204),
        b"\xff" * 203,
        bytes(range(41)),
    ]
    good = [
        {"id": f"text-{i:02d}", "bytes": raw.hex(), "text": code_text.encode(raw)}
        for i, raw in enumerate(raws, 1)
    ]
    bad = [
        "",
        "YM1",
        "YM1:",
        "YM1:0",
        "YM1:0000",
        "YM1::::",
        "YM1::7",
        "YM1:00a",
        "YM1:0 0",
        "ym1:00",
        "YM1:00\n",
        " YM1:00",
        "YM1:" + "0" * 308,
        "YM1:０0",
        "YM1:0%0",
        "YM1:+00",
    ]
    return good + [
        {"id": f"text-refused-{i:02d}", "bytes": None, "text": text}
        for i, text in enumerate(bad, 1)
    ]


Sections = dict[str, list[dict[str, object]]]


def revocation_edges() -> Sections:
    return {"open_lists": open_lists_edges(), "verify": revoked_edges(), **filled_lists()}


def joined(*parts: Sections) -> Sections:
    """Sections of one name one behind the other."""
    out: Sections = {}
    for part in parts:
        for name, cases in part.items():
            out[name] = out.get(name, []) + cases
    return out


def printed_sections() -> Sections:
    cases = printed_cases()
    edges = {"issue": printed_issue_edges(cases["issue"][0]), "verify": printed_edges()}
    return joined(cases, {"verify": printed_rules()}, edges)


def all_documents() -> dict[str, dict[str, object]]:
    """File name to document."""
    contexts: list[dict[str, object]] = [
        {"id": f"context-{i}", "offer": fields, "expect": {"context": context_of(fields).hex()}}
        for i, fields in enumerate((offer(), offer(amount_fen=0), offer(purpose="consent")), 1)
    ]
    return {
        "text.json": document(text=texts(), context=contexts),
        "one-time.json": document(
            issue=once_issue(),
            verify=once_accepted() + once_malformed() + once_refused() + once_edges(),
        ),
        "bound.json": document(**joined(bound_cases(), {"verify": bound_rules() + bound_edges()})),
        "printed.json": document(**printed_sections()),
        "trust.json": document(**joined(trust_cases(), trust_edges())),
        "revocation.json": document(**joined(revocation_cases(), revocation_edges())),
        "offer.json": document(**joined(offer_cases(), {"offer": offer_edges()})),
        "context.json": document(**context_cases()),
        "reader.json": document(**reader_cases()),
        "nonce.json": nonce_document(),
    }


def written(content: dict[str, object]) -> str:
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for file_name, content in all_documents().items():
        (FOLDER / file_name).write_text(written(content), encoding="utf-8")
