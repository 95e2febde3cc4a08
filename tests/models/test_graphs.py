"""Recorded parts of a step: their bits are those of the plain calls."""

from __future__ import annotations

import copy
import gc
import resource
import sys
import threading
import weakref

import numpy as np
import pytest
import torch
from torch import Tensor

from arc_fabric.models.tabletop.net import graphs
from arc_fabric.models.tabletop.net.graphs import KEPT, Graph
from arc_fabric.models.tabletop.net.model import TabletopModel
from arc_fabric.models.tabletop.net.sampler import BlockInputs, Sampler
from arc_fabric.models.tabletop.net.text import LENGTH
from arc_fabric.models.tabletop.samples import sample_state, samples

NAME = "cup-and-block"


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is recorded at its first call."""
    monkeypatch.setattr(graphs, "PLAIN_CALLS", 0)


@pytest.fixture(scope="module")
def recording() -> TabletopModel:
    """The shipped model as people load it."""
    return TabletopModel.load()


def _run(model: TabletopModel, steps: int, *, given: bool) -> list[Tensor]:
    """Everything a few steps bring forth, over a window's end."""
    rng, found = np.random.default_rng(4), []
    frames, window, state = samples()[NAME][None], None, sample_state(NAME)
    for _ in range(steps):
        fresh = window is None or window.shape[2] == model.geometry.window
        actions = rng.uniform(-1, 1, (8, 4)).astype(np.float32) if given else None
        inputs = model.make_inputs(frames[-1:] if fresh else frames, "pick up the red cup", action=actions, state=state)
        out = model.lazy_joint_video_action_causal(inputs, None if fresh else window)
        window = out["video_pred"] if fresh else torch.cat([window, out["video_pred"]], 2)
        frames, state = model.decode(window, start=window.shape[2] - 2), None
        found += [out["video_pred"], out["action_pred"], torch.from_numpy(frames), model.action_head.ys]
        found += [*model.action_head.kv_cache1, *model.action_head.kv_cache_neg]
    return found


@pytest.mark.parametrize("given", [False, True])
def test_recorded_steps_have_the_bits_of_plain_ones(
    model: TabletopModel, recording: TabletopModel, given: bool
) -> None:
    """Latents, actions, pictures and caches, over caches of every length and a new window."""
    plain = _run(model, 6, given=given)
    assert all(torch.equal(one, other) for one, other in zip(_run(recording, 6, given=given), plain, strict=True))
    assert recording._sample._steer._recorded if given else recording._sample._imagine._recorded


def test_batches_in_one_pass_are_not_recorded(recording: TabletopModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """They have a graph for each number of rows, which costs more than it saves."""
    model, head = recording, recording.action_head
    monkeypatch.setattr(model, "exact_batches", False)
    before = set(model._sample._imagine._recorded)
    one = model.make_inputs(samples()[NAME][None], "pick up the red cup")
    monkeypatch.setattr(head, "seed", [1, 2])
    model.lazy_joint_video_action_causal({name: torch.cat([value, value]) for name, value in one.items()})
    assert set(model._sample._imagine._recorded) == before
    monkeypatch.setattr(head, "seed", 1)
    model.lazy_joint_video_action_causal(one)
    assert model._sample._imagine._recorded


def test_only_what_is_called_often_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Recording takes as long as so many calls; the same is computed before and after."""
    monkeypatch.setattr(graphs, "PLAIN_CALLS", 3)
    calls: list[int] = []
    graph = Graph(lambda x: calls.append(1) or x + 1)
    with torch.no_grad():
        for n in range(6):
            assert graph(torch.tensor(n)) == n + 1
            assert bool(graph._recorded) == (n >= 3)
            graph(torch.ones(n + 1))  # another shape each time: never often enough
    assert len(calls) == 3 + 1 + 6
    assert len(graph._recorded) == 1


def test_only_the_shapes_used_last_stay_recorded() -> None:
    """Shapes of many kinds pass by; each graph takes tens of megabytes."""
    recordings = []
    graph = Graph(lambda x: recordings.append(len(x)) or x.sin())
    with torch.inference_mode():
        for rows in (*range(1, 3 * KEPT), 1, 1, 3 * KEPT - 1):
            assert torch.equal(graph(torch.ones(rows)), torch.ones(rows).sin())
    assert recordings == [*range(1, 3 * KEPT), 1], "recorded anew only once it was gone"
    assert len(graph._recorded) == KEPT


def test_what_was_recorded_goes_with_its_graph() -> None:
    """torch's own registry of the process holds nothing of it; a model's graphs are 400 MB."""
    held = len(torch.jit._state._python_cu.get_functions())
    graph = Graph(lambda x: x.sin().cos())
    with torch.inference_mode():
        graph(torch.ones(3))
    kept = weakref.ref(next(iter(graph._recorded.values())))
    assert len(torch.jit._state._python_cu.get_functions()) == held
    del graph
    gc.collect()
    assert kept() is None


def test_a_plain_graph_records_nothing() -> None:
    """The setting turns recording off."""
    calls: list[int] = []
    graph = Graph(lambda x: calls.append(1) or x + 1, recorded=False)
    with torch.no_grad():
        for n in range(3):
            assert graph(torch.tensor(n)) == n + 1
    assert len(calls) == 3
    assert not graph._recorded


def test_a_new_shape_is_recorded_anew_and_longer_caches_are_not() -> None:
    """A recording holds the shapes it was made with, but for the length of caches."""
    calls: list[int] = []

    def total(x: Tensor, caches: list[Tensor]) -> Tensor:
        calls.append(x.shape[0])
        return x.repeat(x.shape[0], 1).sum() + sum(cache.sum() for cache in caches)

    graph = Graph(total)
    with torch.no_grad():
        for rows, length in ((2, 3), (2, 5), (3, 5), (2, 7)):
            cache = torch.ones(1, 1, length)
            assert graph(torch.ones(rows, 2), caches=[cache]) == rows * rows * 2 + length
    assert calls == [2, 3]


def test_a_recorded_part_does_not_wait_for_the_interpreter() -> None:
    """Beside a thread that runs Python all the time, each fetching of the interpreter's lock is a wait. A graph fetches
    it once, at its end, however many tensors that Python holds it is given."""
    graph = Graph(lambda parts, x: torch.stack([part * x for part in parts]).sum())
    parts, waits = [torch.ones(4) for _ in range(200)], []

    def compute() -> None:
        with torch.no_grad():
            graph(parts, torch.ones(4))
            for _ in range(3):
                before = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw
                graph(parts, torch.ones(4))
                waits.append(resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw - before)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(0.0005)
    thread = threading.Thread(target=compute)
    try:
        thread.start()
        while thread.is_alive():
            sum(range(100))
    finally:
        sys.setswitchinterval(interval)
    assert min(waits) < 50


def test_with_gradients_nothing_is_recorded() -> None:
    """Training goes the plain way."""
    weight = torch.ones(2, requires_grad=True)
    graph = Graph(lambda x: (weight * x).sum())
    graph(torch.ones(2)).backward()
    assert torch.equal(weight.grad, torch.ones(2))
    assert not graph._recorded


@torch.inference_mode()
@pytest.mark.parametrize("given", [False, True])
def test_a_block_is_sampled_where_its_inputs_live(model: TabletopModel, given: bool) -> None:
    """No tensor on another device is mixed in (torch's meta device, which computes shapes alone, refuses that)."""
    dit, vae = copy.deepcopy(model.dit).to("meta"), copy.deepcopy(model.action_head.vae).to("meta")
    sampler, g = Sampler(dit, model.sampler), model.geometry
    prompts = dit.prompts(dit.text(torch.zeros(2, LENGTH, dtype=torch.long, device="meta")))
    noise = torch.zeros(1, 16, 2, 8, 8, device="meta"), torch.zeros(1, 8, 4, device="meta")
    at, state = torch.tensor(1, device="meta"), torch.zeros(1, 5, device="meta")
    inputs = BlockInputs(torch.zeros(1, 16, 2, 8, 8, device="meta"), at, state, noise)
    actions = torch.zeros(1, 8, 4, device="meta") if given else None
    caches = [torch.zeros(2, 1, 17, g.heads, g.head_dim, device="meta") for _ in range(2 * g.layers)]
    block = sampler.block(inputs, actions, prompts, caches)
    assert all(part.device.type == "meta" for part in (*block[:-1], *block.caches))
    assert block.video.shape == (1, 16, 2, 8, 8)
    assert [cache.shape for cache in block.caches] == [(2, 1, 51, g.heads, g.head_dim)] * len(caches)
    written = sampler.write_kv(block.video, at, prompts, caches=block.caches)
    assert [cache.shape for cache in written] == [(2, 1, 85, g.heads, g.head_dim)] * len(caches)
    assert vae.decode(block.video).device.type == "meta"
