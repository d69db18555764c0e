"""Alipay's open platform as its documents describe it, with a book, faults and pages for tests.

Holds only invented trades and run-time keys. Imports nothing of the adapter.
"""
