"""A link by which a relative pays."""
