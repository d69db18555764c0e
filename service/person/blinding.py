"""Match keys of a registration as they are stored and looked up: blind."""

from collections.abc import Callable, Iterable

from service.kernel.context import Context
from service.person.matching.keys import keys_of
from service.person.matching.traits import Traits
from service.person.store_matching import BlindKey

OWN_NUMBER = 1
CLAIMED = frozenset({OWN_NUMBER, 2, 3, 4, 5, 7})
"""The strongest kinds: number; name, phone or guardian with the birth date; name with the phone;
the hospital's own number. Whoever registers one person at two counters at once shares one."""


def blind_kind(kind: int) -> str:
    """What the blind keys of one kind of match key are made for."""
    return f"match key {kind}"


def to_store(ctx: Context, one: Traits) -> list[BlindKey]:
    """Under the present version of the key, each once, in order."""
    return _blinded(keys_of(one), lambda kind, text: (ctx.sealer.blind(kind, text),))


def to_look_up(ctx: Context, one: Traits) -> list[BlindKey]:
    """Under every accepted version."""
    return _blinded(keys_of(one), ctx.sealer.blind_all)


def to_claim(ctx: Context, one: Traits) -> list[bytes]:
    """The strongest, under every version that some process may be storing, in order."""
    strong = (key for key in keys_of(one) if key[0] in CLAIMED)
    return [one.blind for one in _blinded(strong, ctx.sealer.blind_in_use)]


def number_to_look_up(ctx: Context, text: str) -> list[BlindKey]:
    """Of an own number (``01:…``) alone."""
    return _blinded([(OWN_NUMBER, text)], ctx.sealer.blind_all)


def _blinded(
    keys: Iterable[tuple[int, str]], blind: Callable[[str, str], tuple[bytes, ...]]
) -> list[BlindKey]:
    found = {
        BlindKey(value, kind) for kind, text in keys for value in blind(blind_kind(kind), text)
    }
    return sorted(found)
