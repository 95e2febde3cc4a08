"""Keeping ledger and storage in agreement and within bounds: what the janitor does by itself and `arc-fabric gc` by hand."""
