"""The saga that settles one bill once: insurance, own money, the hospital's own books.

Owns ``settlement``, ``settlement_event``, ``insurance_call``, ``correction`` and
``institution_settlement``. Promises: every state change goes through ``door``; every call to the
bureau is stored before it is made; an unknown answer is never repeated blindly; every settlement
ends in POSTED or REVERSED, or shows why not.
"""
