"""The same story in this process and on a server has the same bits."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from arc_fabric.protocol import SessionProtocol
from tests.conformance.conftest import GEOMETRY, OTHER, Side, given, seen


def story(side: Side) -> Iterator[SessionProtocol]:
    """Two windows with given actions, a state, real frames, new prompts; forks in every prompt mode; a rewind."""
    trunk = side.new(state=[0.1] * GEOMETRY.state_dim)
    trunk.step(2)
    trunk.step(2, actions=[None, given(1, -0.5)[0]], state=[0.3] * GEOMETRY.state_dim)
    trunk.step(2, observed=[None, seen(8)])
    trunk.step(prompt=OTHER, seed=5)
    tuned = trunk.fork(at=3, model_settings={"rounds": 4})
    tuned.step()
    tuned.step(model_settings={"guidance": 3.5})
    tuned.rewind(1)
    tuned.step()
    yield tuned
    tuned.close()
    for mode in ("keep", "recache", "reset"):
        fork = trunk.fork(at=2, prompt=OTHER, seed=3, prompt_mode=mode)
        fork.step(3)
        yield fork
        fork.close()
    yield trunk
    trunk.rewind(3)
    trunk.step(2, actions=given(2))
    yield trunk


def test_both_sides_have_the_same_bits(here: Side, there: Side) -> None:
    """Latents, frames and actions of every step, with their types and shapes, and what the comparison says."""
    for ours, theirs in zip(story(here), story(there), strict=True):
        assert ours.frame_index == theirs.frame_index
        assert _same(ours.frames(), theirs.frames())
        for at in range(1, ours.frame_index + 1):
            assert _same(ours.latents(at), theirs.latents(at)), at
            assert _same(ours.actions(at), theirs.actions(at)), at
            assert ours.latents_torch(at).dtype == theirs.latents_torch(at).dtype
        facts, others = ours.to_dict(), theirs.to_dict()
        for name in ("state", "label", "prompt", "seed", "model_settings", "embodiment_id", "frame_index", "n_frames"):
            assert facts[name] == others[name], name
        here_apart, there_apart = here.compare(ours, ours.lineage()[1]), there.compare(theirs, theirs.lineage()[1])
        assert here_apart.series_start == there_apart.series_start


def test_both_sides_compare_alike(here: Side, there: Side) -> None:
    """The distances are the same numbers."""

    def compared(side: Side) -> tuple:
        trunk = side.new(seed=7)
        trunk.step(3)
        found = side.compare(trunk, trunk.fork(at=1, prompt=OTHER, steps=2))
        distances = found.latent_distances, found.frame_distances, found.action_distances
        return found.parts_at, found.first_differing_video_frame, found.series_start, *distances

    assert compared(here) == compared(there)


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    return (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
