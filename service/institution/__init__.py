"""Hospitals, their applications, terminals and merchant accounts.

Owns ``institution``, ``application``, ``terminal``, ``merchant_account``, ``institution_patient``
and ``request_nonce``. Proves who signs a request; gives each institution its own pseudonym of a
record. Nothing here knows a patient.
"""
