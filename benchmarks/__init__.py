"""Benchmarks: each module has a `main` and prints one JSON object with `--json`; see README.md."""
