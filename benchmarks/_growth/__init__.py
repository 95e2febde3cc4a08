"""Parts of benchmarks/growth.py: what must not grow, one module per row or family of rows."""
