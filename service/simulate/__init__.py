"""Whole settlements under a seeded scheduler, over the real actions and a real PostgreSQL.

One actor runs at a time, between declared points; a seed draws who is next, what goes wrong and
when the clock leaps, so a seed replays to the step. Nothing of the product imports this.
"""
