"""Parts of benchmarks/snapshot.py."""
