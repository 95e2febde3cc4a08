"""Snapshots as values: sizes, devices, files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from arc_fabric import Session, StateManager, WorldStateSnapshot
from arc_fabric.errors import UnknownFormat
from tests.sdk.worlds import assert_same, new_session, run, uninterrupted
from tests.support.toy_model import ToyModel


def same(a: WorldStateSnapshot, b: WorldStateSnapshot) -> bool:
    """Every tensor and every fact is equal."""
    left, right = a.tensors(), b.tensors()
    return (
        left.keys() == right.keys()
        and all(torch.equal(left[name], right[name]) for name in left)
        and json.dumps(a.meta(), sort_keys=True) == json.dumps(b.meta(), sort_keys=True)
    )


@pytest.mark.parametrize("steps", [0, 1, 3, 5])
def test_saved_and_loaded_it_is_the_same(session: Session, tmp_path: Path, steps: int) -> None:
    """And continues with the same bits on another model of the same kind."""
    run(session, steps)
    session.snapshot.save(tmp_path / "world.safetensors")
    loaded = WorldStateSnapshot.load(tmp_path / "world.safetensors")
    assert same(loaded, session.snapshot)
    assert [path.name for path in tmp_path.iterdir()] == ["world.safetensors"]
    other = StateManager(ToyModel())
    continued = Session.from_snapshot("again", other.model, other, loaded)
    assert_same(continued.step(), uninterrupted(steps + 1)[-1])


def test_the_file_is_plain_safetensors(session: Session, tmp_path: Path) -> None:
    """Readable without Arc Fabric."""
    session.step()
    session.snapshot.save(tmp_path / "world")
    with safe_open(tmp_path / "world", "numpy") as file:
        assert file.get_tensor("kv_cache1/00").shape == (2, 1, 4, 2, 8)
        assert json.loads(file.metadata()["arc_fabric"])["prompt_text"] == "pick up the red cup"


def test_other_files_are_refused(session: Session, tmp_path: Path) -> None:
    """A safetensors file of another kind, and a newer version."""
    save_file({"x": torch.zeros(1)}, tmp_path / "other")
    with pytest.raises(UnknownFormat):
        WorldStateSnapshot.load(tmp_path / "other")
    with pytest.raises(UnknownFormat):
        WorldStateSnapshot.from_entries(session.snapshot.tensors(), session.snapshot.meta() | {"version": 99})


def test_entries_and_meta_are_the_whole_of_it(session: Session) -> None:
    """What the store is given suffices to make it again; metadata survives JSON."""
    run(session, 2, state=[0.1, 0.2, 0.3, 0.4])
    snapshot = session.snapshot
    tensors = {entry.name: entry.tensor for entry in snapshot.entries()}
    again = WorldStateSnapshot.from_entries(tensors, json.loads(json.dumps(snapshot.meta(), allow_nan=False)))
    assert same(again, snapshot)
    cuts = {entry.name: (entry.axis, entry.unit) for entry in snapshot.entries()}
    assert cuts["kv_cache1/01"] == (2, 4)
    assert cuts["latent_video"] == (1, 1)
    assert cuts["frames"] == (None, 1)


def test_shapes_are_those_promised(session: Session) -> None:
    """latent_video [B, T, C, h, w] on the CPU, KV [2, B, seq, heads, head_dim] per layer, frames uint8."""
    run(session, 3)
    snapshot = session.snapshot
    assert snapshot.latent_video.shape == (1, 7, 4, 4, 4)
    assert snapshot.step_latents.shape == (1, 2, 4, 4, 4)
    assert [t.shape for t in snapshot.kv_cache] == [(2, 1, 20, 2, 8)] * 2
    assert snapshot.ys.shape[2] == 9
    assert (snapshot.frames.shape, snapshot.frames.dtype) == ((8, 32, 32, 3), torch.uint8)
    assert snapshot.action_history.shape == (3, 8, 4)
    assert snapshot.window_start == 0


def test_a_snapshot_costs_the_same_at_every_depth(manager: StateManager) -> None:
    """At the same place of a window the manifest and what a step adds are as large at step 402 as at step 6; only
    decimal numbers have more digits."""
    session, sizes = new_session(manager), {}
    for step in range(1, 403):
        session.step()
        if step in (6, 402):
            manager.store.flush(30)
            manifest = manager.store.manifest(session.head)
            sizes[step] = (
                len(manifest.encode()),
                manifest.bytes_new,
                sum(len(t.pieces) for t in manifest.tensors.values()),
            )
    assert session.snapshot.action_history.shape == (2, 8, 4)
    assert sizes[402][1:] == sizes[6][1:]
    assert abs(sizes[402][0] - sizes[6][0]) < 100


def test_a_root_holds_the_initial_frame_and_conditioning_only(session: Session) -> None:
    """No model call has been made."""
    assert session.model.calls == 0
    assert list(session.snapshot.tensors()) == ["frames"]
    assert np.array_equal(session.snapshot.frames[0].numpy(), ToyModel.sample_frame())


def test_moving_and_sizes(session: Session) -> None:
    """to_cpu and to_gpu keep the values; shared tensors count once."""
    run(session, 2)
    snapshot = session.snapshot
    assert same(snapshot.to_cpu(), snapshot)
    assert snapshot.to_gpu("meta").kv_cache[0].device.type == "meta"
    assert snapshot.to_gpu("meta").frames.device.type == "cpu"
    unique = {t.data_ptr(): t.nbytes for t in snapshot.tensors().values()}
    assert snapshot.size_bytes() == sum(unique.values())
