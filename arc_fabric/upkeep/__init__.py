"""Keeping ledger and storage in agreement and within bounds: by the janitor, and by hand with `arc-fabric gc`.

    collect          the one pass that both call, and its report
    orphans          stored checkpoints that no node names
    retention        trees that go by age
    unwanted         payloads of trees that were deleted
    storage_budget   whose KV stays when storage is over its budget
    rebuilder        KV made again from latents, for `arc-fabric fsck --repair`

What can be told from the store alone is in `arc_fabric.store.upkeep`.
"""
