"""A trust list as a file for a command line: the pinned roots beside the signed list.

    {"form": "yimatong-trust/1", "roots": ["<compressed key>"], "trust_list": "<signed bytes>"}

The roots that somebody believes without asking stand alone in a roots file, one key a line.

Whoever hands out this file decides whom its reader trusts: get it from the platform, not from
whoever shows the codes.
"""

import json
from collections.abc import Sequence

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


def read_trust_file(text: str, newest_sequence: int = 0) -> TrustList:
    """The opened list. ``BadEncoding`` or ``BadKey`` for the file, ``ListRefused`` for the list."""
    roots, blob = split_trust_file(text)
    return open_trust_list(blob, roots, newest_sequence)


def split_trust_file(text: str) -> tuple[list[PublicKey], bytes]:
    """The roots it names and the signed list, unverified. ``BadEncoding`` or ``BadKey``."""
    if len(text) > 2 * LIST_MAX + 4096:
        raise BadEncoding("the trust file is too long")
    try:
        content = json.loads(text)
        is_known = content["form"] == FORM and set(content) == {"form", "roots", "trust_list"}
        roots = [str(root) for root in content["roots"]]
        blob = bytes.fromhex(content["trust_list"])
    except (ValueError, TypeError, KeyError, RecursionError):
        raise BadEncoding("not a trust file") from None
    if not is_known:
        raise BadEncoding("not a trust file")
    return _roots(roots, "a trust file"), blob


def read_roots(text: str) -> list[PublicKey]:
    """The keys of a roots file, in hexadecimal, one a line. ``BadEncoding`` or ``BadKey``."""
    return _roots(text.split(), "a roots file")


def read_root(text: str) -> PublicKey:
    """One root's public key from hexadecimal. Raises ``BadKey``."""
    try:
        return PublicKey.from_bytes(bytes.fromhex(text), allow_compressed=True)
    except ValueError:
        raise BadKey("a root is a compressed public key in hexadecimal") from None


def write_roots(roots: Sequence[PublicKey]) -> str:
    """The text of a roots file."""
    return "".join(f"{root.compressed().hex()}\n" for root in roots)


def _roots(texts: Sequence[str], what: str) -> list[PublicKey]:
    if not 1 <= len(texts) <= ROOTS_MAX:
        raise BadKey(f"{what} pins one to {ROOTS_MAX} roots")
    return [read_root(text) for text in texts]
