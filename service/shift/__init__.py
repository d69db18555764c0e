"""The counter's books: cashiers, their shifts, what each took and gave, and what waits for them.

Owns ``staff``, ``shift``, ``shift_entry``, ``counter_tender`` and ``counter_refund``, all in the
institution's shard. Whether money counts is decided with the payer's record (``payment``); an entry
is written before that and ended after it, so that a shift is never closed over money in doubt.
"""
