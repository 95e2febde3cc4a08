"""What rank 0 has in hand: one model that declares its state, of which every rank holds a part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
import torch

from arc_fabric.errors import ModelError
from arc_fabric.models.contract import DeclaredModel, ModelIdentity, Part, State, StepInput, StepOutput
from arc_fabric.ranks.capture import RankedCapture
from arc_fabric.ranks.given import message_of
from arc_fabric.ranks.group import Group
from arc_fabric.ranks.layout import global_name


class RankedModel:
    """A `DeclaredModel`: its step runs on all ranks at the same time; rank 0's says what it gave."""

    state_device = torch.device("cpu")
    """Where states are read to: most of one belongs to other ranks."""

    def __init__(
        self, group: Group, shard: DeclaredModel, on_close: Callable[[], object] = lambda: None,
        processes: Sequence[int] = (),
    ) -> None:  # fmt: skip
        """`shard` is rank 0's. The other ranks must serve theirs (`Follower.serve`). Raises ModelError where one could
        not be made."""
        self._group, self._shard, self._on_close = group, shard, on_close
        self.processes = list(processes)
        """Of the other ranks, where they are on this machine."""
        _, answers = group.ask("hello", lambda: None)
        others = [{name: Part.from_json(part) for name, part in body["parts"].items()} for body, _ in answers]
        self.keeper = RankedCapture(group, shard, others)
        self.parts = self.keeper.parts
        self.abilities = replace(shard.abilities, rebuilds_world=False)
        self.geometry, self.device = shard.geometry, shard.device
        own = shard.identity()
        layout = [own.digest(), *(body["identity"] for body, _ in answers)]
        self._identity = replace(own, sampler={**own.sampler, "ranks": layout})

    def identity(self) -> ModelIdentity:
        """Rank 0's, with the digests of all ranks' in `sampler.ranks`."""
        return self._identity

    def fit_image(self, image: np.ndarray) -> np.ndarray:
        """As rank 0's."""
        return self._shard.fit_image(image)

    def step(self, given: StepInput) -> StepOutput:
        """On all ranks. Raises what rank 0 raised, or ModelError, which names the rank that failed; the state is
        undefined then, on all. Raises ModelUnavailable where a rank is gone."""
        made, _ = self._group.ask(
            "step", lambda: self._shard.step(given), [message_of(given)] * len(self._group.others)
        )
        return cast(StepOutput, made)

    def export_state(self) -> State:
        """What all ranks hold; of other ranks' as copies in host memory."""
        own, answers = self._group.ask("export", self._shard.export_state)
        state: dict[str, Any] = dict(own)
        for rank, (body, tensors) in zip(self._group.others, answers, strict=True):
            found: dict[str, Any] = dict(body["scalars"])
            for name, layers in body["layers"].items():
                found[name] = tensors.get(name) if layers is None else [tensors[key] for key in layers]
            state |= {global_name(name, rank): value for name, value in found.items()}
        return state

    def load_state(self, state: State) -> None:
        """Not so: a state goes in by `keeper`, to every rank its own."""
        raise ModelError("The state of a model over several ranks is put back by its keeper.")

    def reset(self) -> None:
        """On all ranks."""
        self.keeper.reset()

    def close(self) -> None:
        """End the other ranks."""
        self._group.end()
        self._on_close()
