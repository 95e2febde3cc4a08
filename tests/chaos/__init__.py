"""Chaos: everything is killed while clients work; in the end nothing is lost, doubled, out of order or stuck.

    python -m tests.chaos --seed 7 --kills 50 --jobs 500

Real worker processes, web processes, Redis (append-only file) and object store; the toy model, whose bits depend on
everything that happened. The seed fixes what clients and the killer choose (not the timing between processes).
"""
