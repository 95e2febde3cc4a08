"""One model over two processes: real ones, gloo over loopback. The bits are those of the model in one process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from arc_fabric import Session, StateManager, StepResult, WorldStateSnapshot
from arc_fabric.errors import IdentityMismatch, InvalidRequest, ModelError
from arc_fabric.ranks import RankedModel, launch
from arc_fabric.store import SnapshotStore
from tests.ranks.toy import BLOCK_BYTES, EXPORT, HALF, REFUSED, WRITES, load
from tests.ranks.worlds import world
from tests.sdk.proofs import assert_goes_back, assert_next_elsewhere, backend_at, on_disk
from tests.sdk.worlds import assert_same, run, same_bits

STEPS = 8
"""The window of five rolls in the sixth."""


@pytest.fixture(scope="module")
def model() -> Iterator[RankedModel]:
    """Two ranks."""
    model = launch("tests.ranks.toy:shard", ["cpu", "cpu"])
    yield model
    model.close()


@pytest.fixture(scope="module")
def plain() -> list[StepResult]:
    """Both branches in one process, uninterrupted."""
    return run(world(StateManager(load())), STEPS, auto_checkpoint=False)


def _objects(store: SnapshotStore) -> set[str]:
    return {info.key for info in store.backend.list("")}


def test_a_run_equals_the_model_in_one_process(model: RankedModel, plain: list[StepResult]) -> None:
    """Every step a checkpoint; one snapshot has the parts of both ranks."""
    session = world(StateManager(model))
    for mine, theirs in zip(run(session, STEPS), plain, strict=True):
        assert_same(mine, theirs)
    held = session.snapshot.held
    assert {"kv_cache.k/00/12", "kv_cache.rank1.k/00/12", "state/memory", "state/rank1.memory"} <= set(held)
    assert held["kv_cache.rank1.v/01/28"].dtype == torch.bfloat16 and held["state/rank1.counts"].dtype == torch.float64
    assert session.snapshot.scalars == {"written": 32, "rank1.written": 32}
    assert len({part.rank for part in session.snapshot.parts.values()}) == 2


def test_forks_rewinds_and_interleaved_worlds(model: RankedModel, plain: list[StepResult]) -> None:
    """At every step across the roll; another world in between, with another seed and prompt."""
    manager = StateManager(model)
    session, other = world(manager), world(manager, "b", seed=7)
    for theirs in plain:
        assert_same(session.step(), theirs)
        assert not same_bits(other.step(), theirs)
    assert_goes_back(session, plain)


def test_only_what_is_new_leaves_a_rank(model: RankedModel) -> None:
    """A block of keys and values, one entry of what grows, what is replaced; nothing to come back to what is there."""
    manager = StateManager(model)
    session = world(manager)
    run(session, STEPS)
    noise = torch.Generator().get_state().nbytes
    small = 16 * 4 + 16 * 4 + 3 * 8 + noise  # the end of the log, the memory, the counts, the generator
    assert model.keeper.gathered_last == BLOCK_BYTES + small
    assert model.keeper.bytes_last == 2 * (BLOCK_BYTES + 3 * 8)
    manager.store.flush()
    last = manager.store.manifest(str(session.head))
    new = sum(piece.length for record, piece in last.own_parts() if record.name.startswith("kv_cache"))
    assert new == 2 * BLOCK_BYTES + 16 * 4, "the log is the same on both ranks, and stored once"


def test_fresh_processes_go_on_with_the_same_bits(model: RankedModel, plain: list[StepResult], tmp_path: Path) -> None:
    """Two new ranks, through the store's files only; and a file holds the state of both ranks."""
    place = on_disk(tmp_path)
    manager = StateManager(model, store=SnapshotStore(backend_at(place)))
    session = world(manager)
    head = run(session, 6)[-1].checkpoint_id
    session.save(tmp_path / "file")
    manager.store.close()
    assert_next_elsewhere(plain[6], place, str(head), "tests.ranks.toy", "launched")
    loaded = WorldStateSnapshot.load(tmp_path / "file")
    again = Session.from_snapshot("b", model, StateManager(model), loaded)
    assert_same(again.step(), plain[6])


@pytest.mark.parametrize("force", [False, True])
def test_another_layout_is_refused(model: RankedModel, force: bool) -> None:
    """Also where the identity is forced: there is nobody to give the parts to."""
    store = SnapshotStore(None)
    ours = world(StateManager(model, store=store)).step().checkpoint_id
    theirs = world(StateManager(load(), store=store)).step().checkpoint_id
    with pytest.raises(IdentityMismatch, match=r"over 2 rank\(s\), and this model has 1"):
        StateManager(load(), store=store).load(str(ours), force)
    with pytest.raises(IdentityMismatch, match=r"over 1 rank\(s\), and this model has 2"):
        StateManager(model, store=store).load(str(theirs), force)


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize(
    ("place", "says"), [(WRITES, "before it predicts"), (HALF, "middle of its writes"), (EXPORT, "its state is read")]
)
def test_a_rank_that_fails_leaves_no_half_snapshot(
    model: RankedModel, plain: list[StepResult], rank: int, place: int, says: str
) -> None:
    """Before the exchange (the other one waits for it), in its writes, while its state is read: nothing is stored, both
    ranks are where they were, and the retry has the bits."""
    store = SnapshotStore(None)
    manager = StateManager(model, store=store)
    session = world(manager)
    run(session, 6)
    store.flush()
    stored, head = _objects(store), session.head
    with pytest.raises((ModelError, ValueError), match=says) as caught:
        session.step(state=[rank, place])
    assert rank == 0 or f"Rank {rank} failed" in str(caught.value)
    store.flush()
    assert session.head == head and session.frame_index == 6 and len(manager.list_checkpoints()) == 7
    assert _objects(store) == stored
    assert_same(session.step(), plain[6])
    assert_same(session.step(), plain[7])


def test_a_step_that_all_ranks_refuse_is_the_callers_error(model: RankedModel, plain: list[StepResult]) -> None:
    """Rank 0's own error, of its own kind."""
    session = world(StateManager(model))
    session.step()
    with pytest.raises(InvalidRequest, match="does not take that"):
        session.step(state=[0, REFUSED])
    assert_same(session.step(), plain[1])
