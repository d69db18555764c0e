"""Credentials of other owners, today the medical insurance, linked to a record.

Owns ``credential`` and the recogniser that says what a scanned text is. The owner's number is
sealed; the decoded token of an e-credential is never stored. An owner that is down is a status in
the answer, not a fault. Also tells a resident who he is here: it knows account and insurance.
"""
