"""What the running model is. A deployment serves one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from arc_fabric.ledger.core import Core, codec, keys


class ModelCard:
    """Name, geometry, abilities and identity of the model that the workers run."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def read(self) -> dict[str, object]:
        """The card; empty before a worker is up."""
        card = codec.decode(self._core.redis.hgetall(keys.MODEL))
        if card:
            sizes = card["geometry"]
            sizes["frames_per_step"] = sizes["frames_per_latent"] * sizes["latents_per_block"]
        return card

    def write(self, card: Mapping[str, object]) -> None:
        """Called by a worker once its model is loaded."""
        fields: Mapping[Any, str] = codec.encode(card)
        self._core.redis.hset(keys.MODEL, mapping=fields)
