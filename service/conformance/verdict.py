"""What judging one case gives, and the shape of a judge."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Case = Mapping[str, Any]
Judgement = tuple[bool, object]
"""Whether the case passes, and what we got, as JSON values (bytes are written as hex)."""
CaseJudge = Callable[[Case, Mapping[str, Any]], Judgement]
"""Called with the case and what its form shares: the document, or payments' keys."""

UNSUPPORTED = "unsupported"


class MalformedFile(ValueError):
    """The file is not one of the known forms; nothing was judged."""


class MemberMissing(KeyError):
    """A judge asked for a member that the file does not have."""


class Members(dict[str, Any]):
    """A JSON object of the file, which says what it lacks."""

    def __missing__(self, name: str) -> Any:
        raise MemberMissing(name)


def expected_of(case: Case, got: object) -> object:
    """What the case says should come out: its ``expect``, else its members that say so by name, or
    that have the name of something that came out."""
    if "expect" in case:
        return case["expect"]
    compared = got if isinstance(got, Mapping) else {}
    return {
        name: value
        for name, value in case.items()
        if name in compared or name in {"result", "bytes", "text"} or name.startswith("expected")
    } or None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One line of output. ``supported`` False means that no judge is installed.

    ``expected`` and the case's own ``why`` are said of a case that fails, where it has them.
    """

    id: str
    section: str
    passed: bool
    got: object
    supported: bool = True
    expected: object = None
    why: str | None = None

    def document(self) -> dict[str, object]:
        """The JSON object to print."""
        said = {"id": self.id, "section": self.section, "pass": self.passed, "got": self.got}
        if self.expected is not None:
            said["expected"] = self.expected
        return said | ({"why": self.why} if self.why is not None else {})
