"""A hospital's own verifying service: one reader, one map of what was shown, for all its desks.

No database and no platform: lists come as files, what was accepted goes to the shown log.
"""
