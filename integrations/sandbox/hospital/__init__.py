"""The twin of a hospital's own system (HIS), written from docs/integration.md alone.

Looks for scans at its terminals, pushes a bill for the visit, and posts what was settled. It
signs each request with SM2 and refuses an answer that is not signed back.
"""
