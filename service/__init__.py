"""HTTP, state, SQL, jobs and pages. May import ``integrations.ports`` and ``crypto``.

Features are an ordered list (docs/architecture.md); each uses only those below it.
"""
