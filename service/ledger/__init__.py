"""Double entry over claims: who owes whom for a settlement. Owns ``posting`` and the books.

We hold no funds: a posting records what happened at a provider, an insurer or a hospital. Nothing
here is ever updated or deleted; a correction is another posting. An institution's books are its
postings once more (``ledger_entry``), fed by the ledger's own outbox; its days are closed in order
(``ledger_day``) and take no posting afterwards.
"""
