"""Everything that talks to the outside: ports in our words, one folder a partner, their twins.

May import ``crypto``; never ``service`` and never a database driver.
"""
