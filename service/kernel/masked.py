"""Personal values that cannot be printed by accident.

``str`` and ``repr`` of a ``Masked`` show nothing; ``reveal`` is the one way to the value and is
easy to search for. The ``mask_*`` functions give what a public kiosk may show.
"""


class Masked:
    """Holds one personal text: name, number, phone, token, key."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself. Never pass the result to a log, a problem or a metric."""
        return self._value

    def __repr__(self) -> str:
        return "Masked(…)"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Masked) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> str:
        raise TypeError("a Masked value is not serialised")


def mask_name(name: str) -> str:
    """``欧阳测试`` becomes ``欧**试``, ``测试`` becomes ``*试``: two characters at most."""
    if len(name) <= 1:
        return "*"
    if len(name) == 2:
        return "*" + name[-1]
    return name[0] + "*" * (len(name) - 2) + name[-1]


def mask_number(number: str) -> str:
    """The last four characters, the rest as stars; nothing of a number shorter than eight."""
    if len(number) < 8:
        return "*" * len(number)
    return "*" * (len(number) - 4) + number[-4:]
