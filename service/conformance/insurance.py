"""Judges of insurance sections. Each is called with the case and the whole document."""

from service.conformance.verdict import CaseJudge

JUDGES: dict[str, CaseJudge] = {}
