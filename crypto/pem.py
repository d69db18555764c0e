"""PEM blocks: text to labelled bytes and back. Bounds first; knows nothing of what is inside."""

import base64
import binascii
import re

from crypto.errors import BadEncoding

TEXT_MAX = 1 << 16
BLOCKS_MAX = 32
_BEGIN = re.compile(r"-----BEGIN ([A-Z0-9 ]{1,40})-----", re.ASCII)


def read_blocks(text: str, size_max: int = TEXT_MAX) -> list[tuple[str, bytes]]:
    """Every block as (label, bytes), in order; text around blocks is skipped.

    ``BadEncoding`` for a longer text, more than 32 blocks, a block without its end, or one that
    is not base64.
    """
    if len(text) > size_max:
        raise BadEncoding("PEM: the text is too long")
    found: list[tuple[str, bytes]] = []
    at = 0
    while begin := _BEGIN.search(text, at):
        end = text.find(f"-----END {begin[1]}-----", begin.end())
        if end < 0:
            raise BadEncoding("PEM: a block has no end")
        if len(found) == BLOCKS_MAX:
            raise BadEncoding("PEM: too many blocks")
        try:
            body = base64.b64decode("".join(text[begin.end() : end].split()), validate=True)
        except (binascii.Error, ValueError):
            raise BadEncoding("PEM: not base64") from None
        found.append((begin[1], body))
        at = end + len(begin[0]) - 2
    return found


def write_block(label: str, body: bytes) -> str:
    """One block, in lines of 64, ended by a line feed."""
    text = base64.b64encode(body).decode("ascii")
    lines = [text[i : i + 64] for i in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""])
