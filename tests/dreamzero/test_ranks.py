"""What two ranks need of DreamZero, without its classes."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from arc_fabric.errors import ModelUnavailable
from arc_fabric.models.dreamzero.ranks import DreamZeroShard


@pytest.mark.parametrize(("ranks", "cfg_scale"), [(1, 5.0), (3, 5.0), (2, 1.0)])
def test_each_of_two_ranks_needs_a_branch(ranks: int, cfg_scale: float) -> None:
    """Else it is said before anything is shared out."""
    vla = SimpleNamespace(action_head=SimpleNamespace(cfg_scale=cfg_scale))
    with pytest.raises(ModelUnavailable, match="a branch of guidance on each"):
        DreamZeroShard(SimpleNamespace(size=ranks, rank=0), vla)  # type: ignore[arg-type]
