"""Keeping ledger and storage in agreement and within bounds: shared by the janitor and `arc-fabric gc`."""
