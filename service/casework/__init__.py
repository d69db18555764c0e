"""Work items: every review, difference and stuck thing that a person must see.

Owns ``work_item``.
"""
