"""Judges of payment cases by kind. Each is called with the case and the file's ``keys``."""

from service.conformance.verdict import CaseJudge

JUDGES: dict[str, CaseJudge] = {}
