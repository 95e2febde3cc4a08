"""Parts of benchmarks/page.py."""
