"""The bench's rows about readers: verifying many texts, verifying over HTTP, spoilt codes."""

from loadtests import front_rate, fuzz_codes, verify_rate
from loadtests.rows import Row

SLOWEST_MS_MAX = 250.0
"""CPU of one spoilt text: far above what is measured (some 20 ms), far below a hang."""
GROWTH_MAX = 1.2
"""Memory at the end of a run over memory early in it: flat, apart from the allocator's own."""
_AGAINST = "SM2 operations of each text, key import included, over all CPU of"


def reader_rows(*, full: bool) -> list[Row]:
    """Small sizes take two minutes. Raises ``AssertionError`` if a spoilt code fooled or held up a
    reader, or if the memory of a reader grew."""
    verified = verify_rate.run(100_000 if full else 8000, jobs=2)
    for one in verified:
        assert one.rss_mib_late <= GROWTH_MAX * one.rss_mib_early, (one.name, one.rss_mib_late)
    rows = [
        Row(
            name=f"code verify: {row.name}, {row.texts:,} texts",
            per_s=row.per_s,
            cpu_ms=row.cpu_us / 1000,
            ratio=row.ratio,
            against=f"{_AGAINST} the command's processes; wanted {row.wanted}",
            limited_by="all cores",
            facts={"texts": row.texts, "rss_mib": [row.rss_mib_early, row.rss_mib_late]},
        )
        for row in verified
    ]
    rows += [
        Row(
            name=f"front machine: {row.name}",
            per_s=row.per_s,
            cpu_ms=row.cpu_us / 1000,
            ratio=row.ratio,
            against=f"{_AGAINST} the server; wanted {row.wanted}",
            limited_by="one core",
            facts={"texts": row.texts, "p99_ms": row.p99_ms},
        )
        for row in front_rate.run(4000 if full else 1500)
    ]
    found = fuzz_codes.run(1_000_000 if full else 20_000)
    assert not found.fooled, found.fooled
    assert found.slowest_ms <= SLOWEST_MS_MAX, found.slowest_ms
    return rows
