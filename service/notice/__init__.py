"""Events out to hospitals: signed, retried, in order per settlement, replayed by an operator.

Owns ``notice_endpoint``, ``institution_event_number`` and ``institution_event``. Decides nothing
about settlements; a row here says only what was told and whether it was taken.
"""
