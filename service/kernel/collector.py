"""The garbage collector of a process that runs for days."""

import gc


def let_the_collector_rest() -> None:
    """What was made at the start stays: the collector need not look at it again, nor look so often
    at what requests and units of work make, of which little is cyclic."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
