"""DreamZero's own classes over two processes with gloo, as its two-GPU launch has them (`ip_size` 2), at toy size on
the CPU: a branch of guidance and its caches on each. Skipped as test_real_classes.py is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from arc_fabric import Session, StateManager, WorldStateSnapshot
from arc_fabric.errors import IdentityMismatch, ModelError
from arc_fabric.ranks import RankedWorldModel, launch
from arc_fabric.store import SnapshotStore
from tests.sdk.proofs import assert_goes_back, assert_light_is_rebuilt, assert_next_elsewhere, backend_at, on_disk
from tests.sdk.worlds import OTHER, PROMPT, assert_same, run, same_bits

if not os.environ.get("ARC_FABRIC_DREAMZERO_SRC"):
    pytest.skip(
        "NOT TESTED ON DREAMZERO: set ARC_FABRIC_DREAMZERO_SRC to a checkout of github.com/dreamzero0/dreamzero",
        allow_module_level=True,
    )

from tests.dreamzero.models import picture, toy_dreamzero
from tests.dreamzero.real import DEVICE

if DEVICE != "cpu":
    pytest.skip("NOT TESTED over two ranks on a GPU: these tests share one process's device", allow_module_level=True)

STEPS = 6
"""A window of four steps and half of the next."""
BREAKS = 90.0
"""A rank whose number, plus one, follows it in the state's last numbers fails after its caches were filled."""


@pytest.fixture(scope="module", params=["14b", "5b"])
def variant(request: pytest.FixtureRequest) -> str:
    """Either backbone."""
    return request.param


@pytest.fixture(scope="module")
def model(variant: str) -> Iterator[RankedWorldModel]:
    """Two ranks."""
    made = launch("tests.dreamzero.models:toy_shard", ["cpu", "cpu"], arguments=[variant])
    assert isinstance(made, RankedWorldModel)
    yield made
    made.close()


def world(manager: StateManager, name: str = "ses", **options: object) -> Session:
    """A session on a picture."""
    return Session(name, manager.model, manager, PROMPT, picture(), **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def alone(variant: str) -> tuple[Session, list]:
    """Six steps with both branches in one process (`ip_size` 1)."""
    session = world(StateManager(toy_dreamzero(variant)))
    return session, run(session, STEPS)


@pytest.fixture(scope="module")
def trunk(model: RankedWorldModel) -> tuple[Session, list]:
    """Six steps over two ranks."""
    session = world(StateManager(model))
    return session, run(session, STEPS)


def test_a_run_equals_one_process(trunk: tuple, alone: tuple) -> None:
    """Latents, frames, actions, and every tensor of the state by the same name; rank 1's own beside them."""
    for mine, theirs in zip(trunk[1], alone[1], strict=True):
        assert_same(mine, theirs)
    ours, one = trunk[0].snapshot.held, alone[0].snapshot.held
    assert set(ours) - set(one) == {"clip_feas.rank1", "ys.rank1"} and set(one) <= set(ours)
    assert all(torch.equal(ours[name], one[name]) for name in one)
    assert torch.equal(ours["clip_feas.rank1"], one["clip_feas"])


def test_each_rank_holds_its_branch(model: RankedWorldModel, trunk: tuple) -> None:
    """Rank 0 nothing of the negative one; a step takes the block that rank 1 appended out of it, and no more."""
    session = trunk[0].fork()
    session.step()
    assert not any(kv.shape[2] for kv in model.action_head.kv_cache_neg)
    g = model.geometry
    block = g.layers * 2 * g.latents_per_block * g.tokens_per_latent * g.heads * g.head_dim * 2
    session.step()
    assert model.keeper.gathered_last == block
    assert model.identity().sampler["ip_size"] == 2 and len(model.identity().sampler["ranks"]) == 2


def test_forks_and_rewinds(trunk: tuple) -> None:
    """At every step, across the window's end."""
    session = world(trunk[0].manager, "again")
    run(session, STEPS)
    assert_goes_back(session, trunk[1])


def test_interleaved_worlds(model: RankedWorldModel, trunk: tuple) -> None:
    """Two worlds on the two heads."""
    manager = StateManager(model)
    a, b = world(manager, "a"), world(manager, "b", seed=7)
    for theirs in trunk[1][:3]:
        assert_same(a.step(), theirs)
        assert not same_bits(b.step(), theirs)


@pytest.mark.parametrize("mode", ["keep", "recache", "reset"])
def test_prompt_modes(trunk: tuple, alone: tuple, mode: str) -> None:
    """With the bits of one process."""
    pairs = []
    for session, steps in (trunk, alone):
        fork = session.fork(steps[1].checkpoint_id, prompt=OTHER, prompt_mode=mode)
        pairs.append(run(fork, 2))
    for mine, theirs in zip(*pairs, strict=True):
        assert_same(mine, theirs)


def test_observed_frames(trunk: tuple, alone: tuple) -> None:
    """Encoded by rank 0, given to both."""
    seen = np.stack([picture(i) for i in range(4)])
    mine, theirs = (session.fork(steps[0].checkpoint_id).step(observed=seen) for session, steps in (trunk, alone))
    assert_same(mine, theirs)


@pytest.mark.parametrize("changed", [False, True])
def test_light_snapshots_are_rebuilt_on_both_ranks(model: RankedWorldModel, changed: bool) -> None:
    """Each rank its branch, by the head's own prefill."""
    assert_light_is_rebuilt(model, world, changed=changed)


@pytest.mark.parametrize("rank", [0, 1])
def test_a_rank_that_fails_leaves_no_half_snapshot(trunk: tuple, rank: int) -> None:
    """Its KV advanced, the other rank waiting in an exchange: both are where they were, the retry has the bits."""
    session, steps = trunk
    fork = session.fork(steps[1].checkpoint_id)
    state = np.zeros(64, np.float32)
    state[-2:] = BREAKS, rank + 1
    with pytest.raises((ModelError, RuntimeError), match="broken"):
        fork.step(state=state)
    assert fork.frame_index == 2
    assert_same(fork.step(), steps[2])


def test_fresh_processes_go_on_with_the_same_bits(
    model: RankedWorldModel, variant: str, trunk: tuple, tmp_path: Path
) -> None:
    """Two new ranks, through the store's files only; and from one file."""
    place = on_disk(tmp_path)
    store = SnapshotStore(backend_at(place))
    session = world(StateManager(model, store=store))
    head = run(session, 2)[-1].checkpoint_id
    session.save(tmp_path / "file")
    store.close()
    assert_next_elsewhere(trunk[1][2], place, str(head), "tests.dreamzero.models", "toy_launched", variant)
    loaded = WorldStateSnapshot.load(tmp_path / "file")
    assert_same(Session.from_snapshot("b", model, StateManager(model), loaded).step(), trunk[1][2])


def test_another_layout_is_refused(model: RankedWorldModel, trunk: tuple, alone: tuple) -> None:
    """One GPU's checkpoint on two, and two GPUs' on one."""
    with pytest.raises(IdentityMismatch, match="over 1 rank"):
        StateManager(model, store=alone[0].manager.store).load(str(alone[0].head), force=True)
    with pytest.raises(IdentityMismatch, match="over 2 rank"):
        StateManager(alone[0].model, store=trunk[0].manager.store).load(str(trunk[0].head), force=True)
