"""Models of DreamZero's surface over several processes, each of which fills some of the head's caches.

    launch("my_package.world:shard", ["cuda:0", "cuda:1"])    # shards with an `action_head`; each says what it `holds`

Every call runs on all ranks at the same time, with seed, language and settings that rank 0's head has by then. The one
snapshot has the names of a snapshot of one process: a list of caches keeps its name, whichever rank has it; of what
every rank computes for itself (`clip_feas`, `ys`) the others' are kept beside rank 0's, as `ys.rank1`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from arc_fabric.errors import ModelError
from arc_fabric.held.capture import Scalars
from arc_fabric.models.contract import LISTS, Conditioning, HeadState, ModelIdentity, Part, Scalar, WorldModel
from arc_fabric.ranks.capture import RankedCapture
from arc_fabric.ranks.follower import Follower
from arc_fabric.ranks.group import Group, Share
from arc_fabric.ranks.layout import global_name, scalars_of
from arc_fabric.ranks.wire import Message

Tensors = dict[str, Tensor]


class HeadShard(HeadState):
    """One rank's part of a head, declared. Language and seed are rank 0's: every call brings them."""

    def __init__(self, model: WorldModel, rank: int) -> None:
        super().__init__(model)
        self.device = model.device
        declared = dict(HeadState(model).parts)
        if rank:
            del declared["language"], declared["seed"]
        self.parts: Mapping[str, Part] = {
            name: replace(part, rank=rank if name in LISTS else 0) for name, part in declared.items()
        }
        self._own_identity = model.identity

    def identity(self) -> ModelIdentity:
        """As the model's."""
        return self._own_identity()


class HeadCapture(RankedCapture):
    """The keeper of a head whose caches are on several ranks. Its counter is the same on all."""

    def take(self) -> tuple[Tensors, Scalars]:
        """The state of all ranks. Raises ModelError where they do not stand at the same place of their windows."""
        held, scalars = super().take()
        own = scalars_of(scalars, 0)
        for rank in self._group.others:
            theirs = scalars_of(scalars, rank)
            if any(own[name] != value for name, value in theirs.items()):
                raise ModelError(
                    f"Rank {rank} of the model is at {theirs}, rank 0 at {own}: they were not called together.",
                    hint="Give every rank's shard the same weights, settings and inputs.",
                )
        return held, own

    def put_back(self, held: Mapping[str, Tensor], scalars: Mapping[str, Scalar]) -> None:
        """Give every rank its own, and the scalars."""
        ranks = range(self._group.size)
        super().put_back(held, {global_name(name, rank): value for rank in ranks for name, value in scalars.items()})


class HeadFollower(Follower):
    """The server of one rank of such a model."""

    def __init__(self, group: Group, model: WorldModel) -> None:
        super().__init__(group, HeadShard(model, group.rank))
        self._world = model

    @torch.no_grad()  # as rank 0 is called
    def _do_call(self, body: dict[str, Any], tensors: Tensors) -> Message:
        self._capture.touched()
        head, device = self._world.action_head, self._world.device
        given = {name: tensor.to(device) for name, tensor in tensors.items()}
        head.seed = body["seed"]
        if "settings" in body:
            head.settings = body["settings"]
        for name in body["sets"]:
            setattr(head, name, given.pop(f"head.{name}", None))
        latents = given.pop("latent_video", None)
        self._world.lazy_joint_video_action_causal(given, latents)
        return {}, {}

    @torch.no_grad()
    def _do_rebuild(self, body: dict[str, Any], tensors: Tensors) -> Message:
        self._capture.touched()
        blocks = [
            Conditioning(prompt, *(_array(tensors.get(f"{name}.{i}")) for name in ("action", "state")))
            for i, prompt in enumerate(body["prompts"])
        ]
        self._world.rebuild_kv(tensors["latents"].to(self._world.device), blocks)
        return {}, {}


class RankedWorldModel:
    """A `WorldModel` whose head is on several ranks; rank 0's says what a call gave, and decodes."""

    state_device = torch.device("cpu")
    """Where states are read to: a part of one belongs to other ranks."""

    def __init__(
        self, group: Group, shard: WorldModel, on_close: Callable[[], object] = lambda: None,
        processes: Sequence[int] = (),
    ) -> None:  # fmt: skip
        """`shard` is rank 0's. The other ranks must serve theirs (`HeadFollower.serve`). Raises ModelError where one
        could not be made, or where the ranks do not hold each list of caches once."""
        self._group, self._shard, self._on_close = group, shard, on_close
        self.processes = list(processes)
        """Of the other ranks, where they are on this machine."""
        _, answers = group.ask("hello", lambda: None)
        others = [{name: Part.from_json(part) for name, part in body["parts"].items()} for body, _ in answers]
        own = HeadShard(shard, 0)
        _require_each_once([own.parts, *others])
        self.keeper = HeadCapture(group, own, others)
        self.abilities = replace(shard.abilities, batches=False, batch_bit_exact=False)
        self.geometry, self.device, self.action_head = shard.geometry, shard.device, shard.action_head
        identity = shard.identity()
        layout = [identity.digest(), *(body["identity"] for body, _ in answers)]
        self._identity = replace(identity, sampler={**identity.sampler, "ranks": layout})

    def identity(self) -> ModelIdentity:
        """Rank 0's, with the digests of all ranks' in `sampler.ranks`."""
        return self._identity

    def lazy_joint_video_action_causal(
        self, inputs: dict[str, Tensor], latent_video: Tensor | None = None
    ) -> Mapping[str, Tensor]:
        """On all ranks. Raises what rank 0 raised, or ModelError, which names the rank that failed; the heads are
        undefined then. Raises ModelUnavailable where a rank is gone."""
        head = self.action_head
        sets = ["language", "memory"] if self.abilities.remembers else ["language"]
        tensors = inputs | {f"head.{name}": getattr(head, name, None) for name in sets} | {"latent_video": latent_video}
        told = {name: tensor for name, tensor in tensors.items() if tensor is not None}
        body = {"seed": head.seed, "sets": sets}
        body |= {"settings": dict(head.settings)} if self.abilities.settings else {}
        made, _ = self._group.ask(
            "call", lambda: self._shard.lazy_joint_video_action_causal(inputs, latent_video),
            self._to_all(body, told),
        )  # fmt: skip
        return made  # type: ignore[no-any-return]

    def rebuild_kv(self, latents: Tensor, blocks: list[Conditioning]) -> None:
        """On all ranks, each its caches."""
        tensors = {"latents": latents}
        for i, block in enumerate(blocks):
            given = {"action": block.action, "state": block.state}
            tensors |= {f"{name}.{i}": torch.from_numpy(a.copy()) for name, a in given.items() if a is not None}
        told = self._to_all({"prompts": [block.prompt for block in blocks]}, tensors)
        self._group.ask("rebuild", lambda: self._shard.rebuild_kv(latents, blocks), told)

    def fit_image(self, image: np.ndarray) -> np.ndarray:
        """As rank 0's."""
        return self._shard.fit_image(image)

    def make_inputs(
        self, frames: np.ndarray, prompt: str, *, action: np.ndarray | None = None, state: np.ndarray | None = None,
        embodiment_id: int = 0,
    ) -> dict[str, Tensor]:  # fmt: skip
        """As rank 0's."""
        return self._shard.make_inputs(frames, prompt, action=action, state=state, embodiment_id=embodiment_id)

    def decode(self, latents: Tensor, start: int = 0) -> np.ndarray:
        """On rank 0 alone."""
        return self._shard.decode(latents, start)

    def encode_observed(self, frames: np.ndarray) -> Tensor:
        """On rank 0 alone; the others are given what it made."""
        return self._shard.encode_observed(frames)

    def language_of(self, prompt: str) -> Tensor:
        """As rank 0's."""
        return self._shard.language_of(prompt)

    def close(self) -> None:
        """End the other ranks."""
        self._group.end()
        self._on_close()

    def _to_all(self, body: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> list[Share]:
        return [(body, tensors)] * len(self._group.others)


def _require_each_once(parts: Sequence[Mapping[str, Part]]) -> None:
    found = [name for own in parts for name in own if name in LISTS]
    if wrong := sorted(name for name in LISTS if found.count(name) != 1):
        raise ModelError(
            f"Of the caches {', '.join(wrong)} not each is held by one rank.",
            hint="Every shard says with `holds` which of the head's lists it fills.",
        )


def _array(tensor: Tensor | None) -> np.ndarray | None:
    return None if tensor is None else tensor.numpy()
