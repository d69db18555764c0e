"""Insurance that a hospital's own machine performs: what it is asked, what it reports signed."""
