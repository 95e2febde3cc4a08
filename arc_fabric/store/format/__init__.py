"""The stored format: which pieces a tensor is cut into, how they are named and found. `manifest` needs no torch."""
