"""Attempts to pay and refunds at providers. Owns ``payment_attempt``, ``refund`` and their numbers.

An attempt's amount never changes; money leaves only through ``refund``; every outcome, by notice,
by question or by an operator, enters through ``apply_payment`` and ``apply_refund``. Topics:
``payment.paid``, ``payment.failed``, ``payment.closed``, ``payment.review``, ``refund.done``,
``refund.stuck``; their subject is the settlement. No provider is called in a transaction.
"""
