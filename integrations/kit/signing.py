"""The sorted ``k=v&k=v`` text that many partners sign, and nothing more.

Each partner folder decides which fields drop out and what is done with the text.
"""

from collections.abc import Mapping, Set


def sorted_pairs(
    fields: Mapping[str, str], *, without: Set[str] = frozenset(), keep_empty: bool = False
) -> str:
    """Fields in byte order of their names, joined unencoded; empty values dropped unless kept."""
    chosen = (
        (name, value)
        for name, value in fields.items()
        if name not in without and (value != "" or keep_empty)
    )
    return "&".join(
        f"{name}={value}" for name, value in sorted(chosen, key=lambda pair: pair[0].encode())
    )
