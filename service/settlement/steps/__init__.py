"""One claimed step for each working state. A step makes at most one partner call and returns."""
