"""DreamZero over two GPUs, as its own launch has it (`ip_size` 2): rank 0 computes the branch of the prompt and fills
`kv_cache1`, rank 1 the negative one and `kv_cache_neg`; they exchange what they predict in every step.

    launch("arc_fabric.models.dreamzero.ranks:shard", ["cuda:0", "cuda:1"], arguments=["<checkpoint directory>"])

Nothing of DreamZero's code is patched: each rank's VLA is told its place by its own `parallelize`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, Self

from torch import Tensor
from torch.distributed import ProcessGroup

from arc_fabric.errors import ModelUnavailable
from arc_fabric.models.contract import Conditioning
from arc_fabric.models.dreamzero.model import DreamZeroModel
from arc_fabric.ranks import Group

BRANCHES = (("kv_cache1", "crossattn_cache"), ("kv_cache_neg", "crossattn_cache_neg"))
"""Which of the head's lists each rank fills."""


class Mesh:
    """What `VLA.parallelize` asks a device mesh for."""

    def __init__(self, group: Group) -> None:
        self._group = group

    def __getitem__(self, name: str) -> Self:
        """The one dimension that there is."""
        return self

    def get_local_rank(self) -> int:
        """This process's place."""
        return self._group.rank

    def size(self) -> int:
        """How many ranks there are."""
        return self._group.size

    def get_group(self) -> ProcessGroup:
        """What they exchange their predictions with."""
        return self._group.group


class DreamZeroShard(DreamZeroModel):
    """One of the two ranks."""

    def __init__(self, group: Group, vla: Any, *arguments: Any, **options: Any) -> None:
        """`arguments` and `options` as DreamZeroModel's. Raises ModelUnavailable where the ranks are not two."""
        if group.size != len(BRANCHES) or vla.action_head.cfg_scale == 1.0:
            raise ModelUnavailable(
                f"DreamZero runs on one GPU or on two, a branch of guidance on each; this is {group.size} rank(s) with "
                f"cfg_scale {vla.action_head.cfg_scale}.",
                hint="Name two devices, cuda:0+cuda:1, or one; with cfg_scale 1 there is one branch alone.",
            )
        self._group = group
        vla.parallelize(device_mesh=Mesh(group))  # the identity says so
        vla.action_head.ip_group = None
        super().__init__(vla, *arguments, **options)
        self.holds = BRANCHES[group.rank]

    def lazy_joint_video_action_causal(
        self, inputs: dict[str, Tensor], latent_video: Tensor | None = None
    ) -> Mapping[str, Tensor]:
        """One step, on both ranks at the same time."""
        with self._together():
            return super().lazy_joint_video_action_causal(inputs, latent_video)

    def rebuild_kv(self, latents: Tensor, blocks: list[Conditioning]) -> None:
        """This rank's caches, on both ranks at the same time."""
        with self._together():
            super().rebuild_kv(latents, blocks)

    @contextmanager
    def _together(self) -> Iterator[None]:
        """With the group that the ranks have now, another one after a failure. The head has it for the call alone: who
        waits in it for a rank that failed is freed when nobody holds it any more."""
        self.vla.parallelize(device_mesh=Mesh(self._group))
        try:
            yield
        finally:
            self.action_head.ip_group = None


def shard(group: Group, device: str, checkpoint_dir: str) -> DreamZeroShard:
    """Load one rank of a checkpoint."""
    from arc_fabric.models.dreamzero.loading import load

    made = load(checkpoint_dir, device, partial(DreamZeroShard, group))
    assert isinstance(made, DreamZeroShard)
    return made
