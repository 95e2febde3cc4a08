"""Self-Forcing-shaped pipelines behind the model contract, on their own code as it is (Self-Forcing, LongLive).

    model      SelfForcingModel, the contract around a loaded pipeline
    loading    load("<config.yaml>#<checkpoint.pt>", device): a pipeline through its own classes
    identity   what must be equal for a state to go on with the same bits
    source     the user's own checkout

None of their code is in this package; see docs/how-to/self-forcing.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from arc_fabric.models.selfforcing.model import SelfForcingModel


def load(place: str, device: str = "cuda:0") -> SelfForcingModel:
    """Load a pipeline by its configuration and checkpoint. Raises ModelUnavailable, saying what is missing."""
    from arc_fabric.models.selfforcing.loading import load as load_now

    return load_now(place, device)
