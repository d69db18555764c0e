"""Load scenarios, benchmarks and their thresholds."""
