"""Fetches lists for a reader while there is a network: verified first, then put in place whole.

The only part of a reader's side that speaks to the platform. It judges with the reader's own eyes
(``service.reader.lists``) and never writes into the reader's state.
"""
