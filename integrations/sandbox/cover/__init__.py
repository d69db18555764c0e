"""A commercial insurer that speaks our own generic claims profile, with invented policies."""
