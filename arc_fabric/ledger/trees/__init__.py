"""Trees in the ledger: their nodes, what imports bring, what they name, and what is left here of those that rest.

nodes    reading checkpoints and trees, and changing the little that may change
listing  trees as a list
resting  trees that rest in object storage
erasing  trees that were deleted
imports  nodes and sessions of another installation
inputs   what the collector asks
"""
