"""A trust list as a file for a command line: the pinned roots beside the signed list.

    {"form": "yimatong-trust/1", "roots": ["<compressed key>"], "trust_list": "<signed bytes>"}

Whoever hands out this file decides whom its reader trusts: get it from the platform, not from
whoever shows the codes.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from crypto.errors import BadEncoding, BadKey
from crypto.healthcode.trust import LIST_MAX, TrustList, open_trust_list
from crypto.sm2 import PublicKey

FORM = "yimatong-trust/1"
ROOTS_MAX = 4


def write_trust_file(trust_list: bytes, roots: Sequence[PublicKey]) -> str:
    """The text of a trust file."""
    content = {
        "form": FORM,
        "roots": [root.compressed().hex() for root in roots],
        "trust_list": trust_list.hex(),
    }
    return json.dumps(content, indent=1) + "\n"


@dataclass(frozen=True, slots=True)
class TrustParts:
    """What a trust file says: the roots that it pins, and the signed list. Nothing is proved."""

    roots: tuple[PublicKey, ...]
    trust_list: bytes


def read_trust_parts(text: str) -> TrustParts:
    """The parts of a trust file. ``BadEncoding`` or ``BadKey``."""
    if len(text) > 2 * LIST_MAX + 4096:
        raise BadEncoding("the trust file is too long")
    try:
        content = json.loads(text)
        is_known = content["form"] == FORM and set(content) == {"form", "roots", "trust_list"}
        keys = [bytes.fromhex(root) for root in content["roots"]]
        blob = bytes.fromhex(content["trust_list"])
    except (ValueError, TypeError, KeyError, RecursionError):
        raise BadEncoding("not a trust file") from None
    if not is_known:
        raise BadEncoding("not a trust file")
    if not 1 <= len(keys) <= ROOTS_MAX:
        raise BadKey("a trust file pins one to four roots")
    roots = tuple(PublicKey.from_bytes(key, allow_compressed=True) for key in keys)
    return TrustParts(roots, blob)


def read_trust_file(text: str, newest_sequence: int = 0) -> TrustList:
    """The opened list. ``BadEncoding`` or ``BadKey`` for the file, ``ListRefused`` for the list."""
    parts = read_trust_parts(text)
    return open_trust_list(parts.trust_list, parts.roots, newest_sequence)
