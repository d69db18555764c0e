"""Double entry over claims: who owes whom for a settlement. Owns ``posting``.

We hold no funds: a posting records what happened at a provider, an insurer or a hospital. Nothing
here is ever updated or deleted; a correction is another posting.
"""
