"""A real-name source that speaks our own generic profile, with invented persons."""
