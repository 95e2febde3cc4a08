"""DreamZero behind the model contract, on its public code as it is (github: dreamzero0/dreamzero).

    loading      load(checkpoint dir, device): the real VLA through its own policy class
    checkpoint   what must lie in a checkpoint directory
    shards       whether weight files and their index belong together
    filling      whether the loader filled every weight
    identity     what must be equal for a state to go on with the same bits
    source       DreamZero's own code, installed or in a checkout
    memory       device memory that it needs, computed from its configuration
    policy       cameras, prompts, states and actions through DreamZero's own transforms
    model        DreamZeroModel, the contract around a loaded VLA
    ranks        the same over two GPUs, a branch of guidance on each

None of DreamZero's code is in this package; see docs/how-to/dreamzero.md for how to install it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from arc_fabric.models.contract import Model


def load(checkpoint_dir: str, device: str = "cuda:0") -> Model:
    """Load a DreamZero checkpoint onto one GPU, or, `cuda:0+cuda:1`, over two. Raises ModelUnavailable, saying what is
    missing and what to do."""
    if "+" in device:
        from arc_fabric.ranks import launch

        return launch("arc_fabric.models.dreamzero.ranks:shard", device.split("+"), arguments=[checkpoint_dir])
    from arc_fabric.models.dreamzero.loading import load as load_now

    return load_now(checkpoint_dir, device)
