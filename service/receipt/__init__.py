"""Receipts of posted settlements, one each, sealed. Owns ``receipt``. Moves no money."""
