"""Receipts of posted settlements, one each, sealed, and their fiscal e-invoices.

Owns ``receipt`` and ``fiscal_invoice``. Moves no money.
"""
