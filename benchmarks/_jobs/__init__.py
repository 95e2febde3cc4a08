"""Parts of benchmarks/jobs.py."""
