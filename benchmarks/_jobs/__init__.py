"""Parts of benchmarks/jobs.py."""

SAMPLE = "cup-and-block"
PROMPT = "pick up the red cup"
"""The world that both sides of the throughput rows run: same picture, prompt and (default) seed, so the same work."""
