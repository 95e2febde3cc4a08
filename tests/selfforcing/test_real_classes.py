"""The SDK on the real classes of Self-Forcing, or of LongLive 1, at toy size on the CPU.

    ARC_FABRIC_SELFFORCING_SRC=<checkout> pytest tests/selfforcing

in an environment with diffusers, einops and what else the checkout imports (docs/how-to/self-forcing.md). Elsewhere
these tests are skipped.
"""

from __future__ import annotations

import contextlib
import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from arc_fabric import Session, StateManager
from arc_fabric.errors import IdentityMismatch, InvalidRequest, ModelUnavailable
from arc_fabric.models.selfforcing import loading
from arc_fabric.store import SnapshotStore
from arc_fabric.testing import check_model
from tests.sdk.proofs import assert_next_elsewhere, backend_at, on_disk
from tests.sdk.worlds import OTHER, PROMPT, assert_same, run, same_bits

if not os.environ.get("ARC_FABRIC_SELFFORCING_SRC"):
    pytest.skip(
        "NOT TESTED ON SELF-FORCING: set ARC_FABRIC_SELFFORCING_SRC to a checkout of github.com/guandeh17/Self-Forcing",
        allow_module_level=True,
    )

from tests.selfforcing.models import SHAPES, ToySelfForcing, noise_of, picture, toy_selfforcing, upstream
from tests.selfforcing.real import LONGLIVE, SIZE, Drawn, build_pipeline

STEPS = 6
"""A window of six or seven frames rolls in the third step of three, one of five in the sixth step of one."""
SHAPE_NAMES = ["longlive", "longlive-frozen"] if LONGLIVE else list(SHAPES)


@pytest.fixture(scope="module", params=SHAPE_NAMES)
def shape(request: pytest.FixtureRequest) -> str:
    """Which caches."""
    return request.param


@pytest.fixture(scope="module")
def model(shape: str) -> ToySelfForcing:
    """One model for all tests of a shape."""
    return toy_selfforcing(shape)


def world(manager: StateManager, name: str = "trunk", **more: object) -> Session:
    """A world from its prompt alone."""
    return Session(name, manager.model, manager, PROMPT, **{"seed": 3} | more)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def trunk(model: ToySelfForcing) -> tuple[StateManager, Session, list]:
    """Six steps, every one a checkpoint."""
    manager = StateManager(model)
    session = world(manager)
    return manager, session, run(session, STEPS)


def test_a_run_equals_the_pipelines_own_loop(shape: str, trunk: tuple) -> None:
    """Latents and video, growing and rolling; frame 0 is shown four times."""
    latents, video = upstream(toy_selfforcing(shape), PROMPT, 3, STEPS)
    steps = trunk[2]
    assert torch.equal(torch.cat([step.step_latents for step in steps], 1), latents)
    assert np.array_equal(np.concatenate([step.frames for step in steps])[3:], video)
    assert latents.float().std() > 0.1


def test_a_fork_at_every_step_continues_with_the_same_bits(trunk: tuple) -> None:
    """From the root on, before, where and after the window rolls."""
    _, session, steps = trunk
    for at in range(STEPS):
        fork = session.fork(session.trajectory.checkpoint_at(at))
        assert_same(fork.step(auto_checkpoint=False), steps[at])


def test_rewinds_across_the_point_where_the_window_rolls(trunk: tuple) -> None:
    """Back to before it was full, and forward again."""
    _, session, steps = trunk
    again = session.fork()
    assert again.rewind(STEPS - 1) == steps[0].checkpoint_id
    for theirs in steps[1:]:
        assert_same(again.step(auto_checkpoint=False), theirs)


def test_interleaved_worlds(model: ToySelfForcing, trunk: tuple) -> None:
    """Two worlds on one set of buffers; another seed and prompt are another world."""
    manager = StateManager(model)
    a, b = world(manager, "a"), world(manager, "b", seed=7)
    for theirs in trunk[2][:5]:
        assert_same(a.step(), theirs)
        assert not same_bits(b.step(), theirs)


@pytest.mark.parametrize("passes", [1, 3, 5])
def test_a_call_that_fails_midway_is_undone(trunk: tuple, passes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the first, a middle and the last pass of a step that rolls: buffers were written, the retry has the bits."""
    manager, session, steps = trunk
    fork = session.fork(steps[3].checkpoint_id)
    generator, count = manager.model.pipeline.generator, 0
    forward = generator.model.forward

    def breaks(*args: object, **kwargs: object) -> object:
        nonlocal count
        count += 1
        done = forward(*args, **kwargs)
        if count == passes:
            raise RuntimeError("broken")
        return done

    monkeypatch.setattr(generator.model, "forward", breaks)
    with pytest.raises(RuntimeError, match="broken"):
        fork.step()
    monkeypatch.undo()
    assert_same(fork.step(auto_checkpoint=False), steps[4])


@pytest.mark.parametrize("mode", ["keep", "recache", "reset"])
def test_prompt_modes(trunk: tuple, mode: str) -> None:
    """Another prompt in a world whose window has rolled: recorded, reproducible through the store."""
    _, session, steps = trunk
    fork = session.fork(steps[3].checkpoint_id, prompt=OTHER, prompt_mode=mode)
    first = fork.step()
    assert first.prompt_mode == mode and not same_bits(first, steps[4])
    again = session.fork(steps[3].checkpoint_id, prompt=OTHER, prompt_mode=mode)
    assert_same(again.step(auto_checkpoint=False), first)
    assert_same(session.fork(first.checkpoint_id).step(auto_checkpoint=False), fork.step())


@pytest.mark.skipif(not LONGLIVE, reason="NOT TESTED: the switch of prompts is LongLive's; its checkout is not given")
@pytest.mark.parametrize("kind", ["longlive", "longlive-frozen"])
def test_a_recache_has_the_bits_of_longlives_own(kind: str) -> None:
    """Its interactive pipeline switches prompts after three blocks, with and without a sink that stays."""
    from pipeline.interactive_causal_inference import InteractiveCausalInferencePipeline

    model = toy_selfforcing(kind, maker=InteractiveCausalInferencePipeline)
    noise, between = noise_of(model, 3, STEPS)
    with contextlib.redirect_stdout(io.StringIO()), torch.no_grad(), Drawn(between):
        _, latents = model.pipeline.inference(
            noise, text_prompts_list=[[PROMPT], [OTHER]], switch_frame_indices=[9], return_latents=True
        )
    ours = toy_selfforcing(kind, maker=InteractiveCausalInferencePipeline)
    session = world(StateManager(ours))
    steps = run(session, 3)
    session.prompt, session.prompt_mode = OTHER, "recache"
    steps += run(session, 3)
    assert torch.equal(torch.cat([step.step_latents for step in steps], 1), latents)


@pytest.mark.parametrize("changed", ["", "keep", "recache"])
def test_light_checkpoints_are_rebuilt_from_the_whole_world(model: ToySelfForcing, changed: str) -> None:
    """Every block read clean once more, checked against the digests of the original."""
    store = SnapshotStore(None, policy="light")
    session = world(StateManager(model, store=store))
    run(session, 3)
    session.prompt, session.prompt_mode = (OTHER, changed) if changed else (PROMPT, "keep")  # type: ignore[assignment]
    steps = run(session, 2)
    store.flush()
    manager = StateManager(model, store=SnapshotStore(store.backend))
    fork = Session.from_checkpoint("fork", model, manager, steps[0].checkpoint_id)
    assert not fork.snapshot.has_kv
    assert_same(fork.step(auto_checkpoint=False), steps[1])
    manager.store.close()
    store.close()


def test_a_fresh_process_continues_with_the_same_bits(shape: str, trunk: tuple, tmp_path: Path) -> None:
    """Through the store's files only."""
    place = on_disk(tmp_path)
    store = SnapshotStore(backend_at(place))
    head = run(world(StateManager(trunk[0].model, store=store)), 4)[-1].checkpoint_id
    store.close()
    assert_next_elsewhere(trunk[2][4], place, head, "tests.selfforcing.models", "toy_selfforcing", shape)


def test_the_conformance_suite_passes(shape: str) -> None:
    """Every promise of the contract that applies, on fresh models; other weights are another model."""
    report = check_model(lambda: toy_selfforcing(shape), others=[lambda: toy_selfforcing(shape, 7)])
    assert not report.findings and {"restores", "survives failure", "streams", "prompt modes"} <= set(report.passed)


def test_a_step_stores_and_copies_its_own_block(trunk: tuple) -> None:
    """Full and rolling or not: 1.00 of a block's keys and values are stored, and copied on the device."""
    manager, session, steps = trunk
    manager.store.flush()
    last = manager.store.manifest(steps[-1].checkpoint_id)
    g = manager.model.geometry
    block = 2 * g.layers * g.latents_per_block * g.tokens_per_latent * g.heads * g.head_dim * 2
    assert sum(piece.length for record, piece in last.own_parts() if record.name.startswith("kv_cache")) == block
    fork = session.fork(steps[-2].checkpoint_id)
    fork.step(auto_checkpoint=False)
    assert manager.capture.bytes_last == block


@pytest.mark.skipif(LONGLIVE, reason="LongLive begins from text alone")
def test_a_picture_begins_a_world_of_one_frame_steps() -> None:
    """As the pipeline's own loop with `initial_latent`; where the blocks are longer it begins from the text."""
    model = toy_selfforcing("frames")
    session = world(StateManager(model), initial_frame=picture())
    steps = run(session, 5)
    pixels = torch.from_numpy(picture()).permute(2, 0, 1)[None, :, None] / 127.5 - 1
    with torch.no_grad():
        first = model.pipeline.vae.encode_to_latent(pixels.to(torch.bfloat16)).to(torch.bfloat16)
    latents, video = upstream(toy_selfforcing("frames"), PROMPT, 3, 5, first)
    assert torch.equal(torch.cat([step.step_latents for step in steps], 1), latents[:, 1:])
    assert np.array_equal(np.concatenate([step.frames for step in steps]), video[1:])


@pytest.mark.skipif(LONGLIVE, reason="LongLive begins from text alone")
def test_a_black_picture_begins_a_world_too() -> None:
    """It is another world than one from the text alone, and is a picture still when it is read from storage."""
    store = SnapshotStore(None)
    manager = StateManager(toy_selfforcing("frames"), store=store)
    seen = world(manager, "black", initial_frame=np.zeros((SIZE, SIZE, 3), np.uint8))
    first = seen.step()
    assert not same_bits(first, world(manager, "text").step())
    other = StateManager(toy_selfforcing("frames"), store=store)
    again = Session.from_checkpoint("again", other.model, other, seen.trajectory.checkpoint_at(0))
    assert_same(again.step(auto_checkpoint=False), first)


@pytest.mark.skipif(LONGLIVE, reason="its caches always roll here")
def test_a_growing_cache_that_is_full_says_so() -> None:
    """What to set is named; the world stays where it is."""
    model = toy_selfforcing("growing")
    session = world(StateManager(model))
    run(session, 8, auto_checkpoint=False)
    with pytest.raises(InvalidRequest, match="24 latent frames and is full"):
        session.step()
    assert session.frame_index == 8


def test_files_are_named_from_where_one_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Configuration and weights by relative paths, though the loader works in the checkout; the state does not depend
    on where they lie."""
    pipeline = build_pipeline(local=6)
    saved = {name: weight * 2 for name, weight in pipeline.generator.state_dict().items()}
    place = tmp_path / "mine"
    place.mkdir()
    (place / "mine.yaml").write_text("num_frame_per_block: 3\n")
    torch.save({"generator_ema": saved}, place / "weights.pt")

    def maker(config: Any, device: torch.device) -> Any:
        assert config.num_frame_per_block == 3 and "context_noise" in config, "with the default configuration"
        return pipeline.to(device)

    monkeypatch.setattr(loading, "import_pipeline", lambda: maker)
    monkeypatch.chdir(tmp_path)
    model = loading.load("mine/mine.yaml#mine/weights.pt", "cpu")
    assert all(torch.equal(weight, saved[name]) for name, weight in pipeline.generator.state_dict().items())
    assert list(model.identity().sampler["files"]) == ["mine.yaml"]
    for name in ("mine/other.yaml#mine/weights.pt", "mine/mine.yaml#weights.pt", ""):
        with pytest.raises(ModelUnavailable, match="is no file"):
            loading.load(name, "cpu")


@pytest.mark.parametrize(
    ("place", "name", "value"),
    [("", "num_frame_per_block", 2), ("generator.model.blocks.0.self_attn", "sink_size", 2),
     ("generator.model.blocks.1.norm1", "eps", 1e-3), ("args", "context_noise", 100)],
)  # fmt: skip
def test_a_state_of_other_settings_is_refused(shape: str, trunk: tuple, place: str, name: str, value: object) -> None:
    """Everything that can change a bit is in the identity."""
    steps, model = trunk[2], trunk[0].model
    assert model.identity().digest() == toy_selfforcing(shape).identity().digest()
    other = toy_selfforcing(shape)
    part = other.pipeline.args if place == "args" else other.pipeline.get_submodule(place)
    setattr(part, name, value)
    changed = ToySelfForcing(
        other.pipeline, image_size=(32, 32), device="cpu", weights_digest="toy", decode_context=100
    )
    with pytest.raises(IdentityMismatch):
        StateManager(changed, store=trunk[0].store).load(steps[1].checkpoint_id)
