"""Charges a hospital pushed for a visit. Owns ``bill``, ``bill_version`` and ``bill_number``.

A bill's amount changes only by a new version from its hospital, and only while nobody pays it.
The lock that lets one holder pay it lives on the bill's own row. Nothing here moves money.
"""
