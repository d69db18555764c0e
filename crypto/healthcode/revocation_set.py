"""The revocation lists that a reader holds, one for each scope and class. Immutable."""

from collections.abc import Iterable

from crypto.healthcode.layout import Head, Kind
from crypto.healthcode.refusal import ListRefusal, ListRefused
from crypto.healthcode.revocation import ListScope, RevocationList

_SCOPES = {Kind.BOUND: ListScope.BOUND, Kind.PRINTED: ListScope.PRINTED}


class RevocationSet:
    """What ``CodeVerifier`` asks. Of two lists that cover a code, its class's and the whole
    province's (class 0), the newer answers: each is complete for what it covers. Where both were
    made in the same second, its class's own answers."""

    __slots__ = ("_lists", "newest_made_at")

    def __init__(self, lists: Iterable[RevocationList] = ()) -> None:
        """Of two lists with one scope and class, the later in ``lists`` counts."""
        self._lists = {(held.scope, held.code_class): held for held in lists}
        self.newest_made_at = max((held.made_at for held in self._lists.values()), default=None)
        """When the newest of the lists was made: no true clock is before it."""

    @property
    def lists(self) -> tuple[RevocationList, ...]:
        """Every list held."""
        return tuple(self._lists.values())

    def get(self, scope: ListScope, code_class: int) -> RevocationList | None:
        """The list of that scope and class itself."""
        return self._lists.get((scope, code_class))

    def covering(self, head: Head) -> RevocationList | None:
        """The list to ask about a code with this head, or None."""
        scope = _SCOPES.get(head.kind)
        if scope is None:
            return None
        own, whole = self.get(scope, head.code_class), self.get(scope, 0)
        if own is None or whole is None:
            return own or whole
        return own if own.made_at >= whole.made_at else whole

    def with_list(self, listed: RevocationList) -> "RevocationSet":
        """A set with this list in the place of the one before. ``ListRefused``
        (LIST_ROLLED_BACK) if that one has a higher sequence."""
        held = self.get(listed.scope, listed.code_class)
        if held is not None and listed.sequence < held.sequence:
            raise ListRefused(ListRefusal.LIST_ROLLED_BACK)
        return RevocationSet((*self._lists.values(), listed))
