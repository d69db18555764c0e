"""Judges of identity and code-text sections. Each is called with the case and the document."""

from service.conformance.verdict import CaseJudge

JUDGES: dict[str, CaseJudge] = {}
