"""Daily reconciliation: statements of providers and the bureau against our rows.

Owns ``statement_file``, ``statement_line`` and ``statement_difference``. Says what differs and
opens work items about it; moves no money and changes nobody else's rows. What it reads of other
features' tables it reads as whole days, set-wise, in SQL of its own. Loads and comparisons touch
many shards in one statement: each can be done again, so none relies on being one transaction.
"""
