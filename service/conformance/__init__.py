"""Judges of published test vectors over the code that runs in production."""
