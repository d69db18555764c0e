"""Mechanics without a word of any feature: database, time, ids, problems, outbox, leases, seals."""
