"""Parts of `benchmarks.forks`."""
