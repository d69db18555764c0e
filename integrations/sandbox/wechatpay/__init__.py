"""WeChat Pay v3 as its documents describe it, with a book, faults and a cashier page for tests.

Holds only invented orders and published or run-time keys. Imports nothing of the adapter.
"""
