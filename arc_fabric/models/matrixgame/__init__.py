"""Matrix-Game 2 behind the model contract, on its own code as it is: steered by keys and a mouse, frame by frame.

    model      MatrixGameModel, the contract around a loaded pipeline
    controls   what keys and mouse each of its modes has
    loading    load("<config.yaml>#<checkpoint.safetensors>#<base model's folder>", device)
    identity   what must be equal for a state to go on with the same bits
    source     the user's own checkout

None of its code is in this package; see docs/how-to/matrix-game.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from arc_fabric.models.matrixgame.model import MatrixGameModel


def load(place: str, device: str = "cuda:0") -> MatrixGameModel:
    """Load a pipeline by its configuration and files. Raises ModelUnavailable, saying what is missing."""
    from arc_fabric.models.matrixgame.loading import load as load_now

    return load_now(place, device)
