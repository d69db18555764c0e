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


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One line of output. ``supported`` False means that no judge is installed."""

    id: str
    section: str
    passed: bool
    got: object
    supported: bool = True

    def document(self) -> dict[str, object]:
        """The JSON object to print."""
        return {"id": self.id, "section": self.section, "pass": self.passed, "got": self.got}
