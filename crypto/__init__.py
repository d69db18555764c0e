"""Ciphers, key ring, envelopes and the health-code format: bytes in, bytes out.

Imports the standard library and ``cryptography`` only; knows nothing of HTTP, SQL or partners.
"""
