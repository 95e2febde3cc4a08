"""What the running model is. A deployment serves one."""

from __future__ import annotations

from arc_fabric.ledger.core import Core, codec, keys


class ModelCard:
    """Name, geometry, abilities and identity of the model that the workers run."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._frames_per_step: int | None = None

    def read(self) -> dict[str, object]:
        """The card; empty before a worker is up."""
        return codec.decode(self._core.redis.hgetall(keys.MODEL))

    def write(self, card: dict[str, object]) -> None:
        """Called by a worker once its model is loaded."""
        self._core.redis.hset(keys.MODEL, mapping=codec.encode(card))

    def frames_per_step(self) -> int:
        """Video frames per step (8 until a worker has said so); read once."""
        if self._frames_per_step is None and (card := self.read()):
            geometry = card["geometry"]
            self._frames_per_step = int(geometry["frames_per_latent"]) * int(geometry["latents_per_block"])
        return self._frames_per_step or 8
