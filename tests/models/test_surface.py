"""The tabletop model keeps the rules of DreamZero's surface: windows, pending blocks, resets, caches, restore."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from arc_fabric.errors import InvalidImage, InvalidRequest, UnknownSetting
from arc_fabric.models.contract import Conditioning, WorldModel
from arc_fabric.models.registry import load_model
from arc_fabric.models.tabletop.net.model import TabletopModel
from arc_fabric.models.tabletop.net.sampler import SamplerSettings
from tests.models.stepping import CUP, NAME, PUSH, call, equal, keep, restore, run


def test_presents_the_contract(model):
    """The model is a WorldModel and its geometry agrees with itself."""
    assert isinstance(model, WorldModel)
    g = model.geometry
    assert (g.frames_per_step, g.steps_per_window, g.window) == (8, 4, 9)
    assert len(g.action_low) == len(g.action_high) == len(g.action_names) == g.action_dim


def test_shapes_and_counters_of_a_window(model):
    """Call 1 returns 1 + 2 latent frames, later calls 2; start is 1 + 2 n and the KV holds 2 n - 1 frames."""
    latents, g = None, model.geometry
    for n in range(1, 5):
        out = call(model, CUP, latents)
        latents = out.video
        assert latents.shape == (1, g.latent_channels, 3 if n == 1 else 2, 8, 8)
        assert out.action.shape == (1, 8, 4)
        assert torch.isfinite(latents).all()
        assert model.action_head.current_start_frame == 1 + 2 * n
        seq = (2 * n - 1) * g.tokens_per_latent
        for name in ("kv_cache1", "kv_cache_neg"):
            caches = getattr(model.action_head, name)
            assert len(caches) == g.layers
            assert all(c.shape == (2, 1, seq, g.heads, g.head_dim) for c in caches)


def test_kv_grows_by_appending_and_is_never_written_in_place(model):
    """Each step's KV begins with the bits of the step before, and kept tensors stay as they were."""
    run(model, 2)
    kept = keep(model)
    copies = copy.deepcopy(kept)
    latents = call(model, CUP, torch.zeros(1, model.geometry.latent_channels, 2, 8, 8)).video
    call(model, CUP, latents)
    for name in ("kv_cache1", "kv_cache_neg"):
        for old, same, new in zip(kept[name], copies[name], getattr(model.action_head, name), strict=True):
            assert torch.equal(old, same)
            assert torch.equal(new[:, :, : old.shape[2]], old)
    assert torch.equal(kept["ys"], copies["ys"])


def test_bits_do_not_depend_on_threads(model):
    """Steps, decoding and encoding have the same bits in a process with one torch thread and in one with more."""
    results, before = [], torch.get_num_threads()
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            model.action_head.drop_caches()
            out = run(model, 5)
            frames = model.decode(out[0].video)
            results.append((*(step.video for step in out), torch.from_numpy(frames), model.encode_observed(frames)))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


def test_branches_differ(model):
    """The two guidance branches hold different keys and values."""
    run(model, 1)
    assert not torch.equal(model.action_head.kv_cache1[-1], model.action_head.kv_cache_neg[-1])


def test_restore_then_step_is_the_uninterrupted_step(model):
    """Shared references, restored twice, continue with the same bits."""
    history = run(model, 2)
    kept = keep(model)
    straight = run(model, 2, latents=history[-1].video)
    for _ in range(2):
        restore(model, kept)
        assert equal(run(model, 2, latents=history[-1].video), straight)


def test_restore_into_a_fresh_instance(model):
    """A deep copy of the state, put into another instance of the model, continues with the same bits."""
    history = run(model, 2)
    kept = copy.deepcopy(keep(model))
    straight = run(model, 2, latents=history[-1].video)
    other = load_model("tabletop")
    restore(other, kept)
    assert equal(run(other, 2, latents=history[-1].video.clone()), straight)


def test_zero_cross_attention_caches_may_be_dropped(model):
    """They are zeros, never written; [] restores as well."""
    history = run(model, 1)
    kept = keep(model)
    assert not any(c.any() for c in kept["crossattn_cache"] + kept["crossattn_cache_neg"])
    straight = run(model, 2, latents=history[-1].video)
    restore(model, {**kept, "crossattn_cache": [], "crossattn_cache_neg": []})
    assert equal(run(model, 2, latents=history[-1].video), straight)


def test_interleaved_sessions_do_not_disturb_each_other(model):
    """Two forks that share tensors, stepped in turn, equal themselves stepped alone."""
    history = run(model, 1)
    base = keep(model)
    alone = {}
    for seed in (1, 2):
        restore(model, {**base, "seed": seed})
        alone[seed] = run(model, 2, latents=history[-1].video)
    states = {seed: {**base, "seed": seed} for seed in (1, 2)}
    last = dict.fromkeys((1, 2), history[-1].video)
    for n in range(2):
        for seed in (1, 2):
            restore(model, states[seed])
            out = call(model, CUP, last[seed])
            states[seed], last[seed] = keep(model), out.video
            assert equal([out], [alone[seed][n]])


def test_seeds(model):
    """The same seed gives the same bits, another seed different latents; the global RNG is not touched."""
    before = torch.get_rng_state()
    first, again = run(model, 2), run(model, 2)
    model.action_head.seed = 42
    other = run(model, 2)
    assert equal(first, again)
    assert not torch.equal(first[0].video, other[0].video)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("cause", ["one image", "other prompt", "no language", "window full"])
def test_automatic_reset(model, cause):
    """Each cause drops the caches, ignores latent_video and encodes the image given."""
    history = run(model, 4 if cause == "window full" else 2)
    frame, prompt = model.samples()[NAME], CUP
    frames = np.repeat(frame[None], 8, 0)
    if cause == "one image":
        frames = frame[None]
    elif cause == "other prompt":
        prompt = PUSH
    elif cause == "no language":
        model.action_head.language = None
    inputs = model.make_inputs(frames, prompt, state=model.sample_state(NAME))
    out = model.lazy_joint_video_action_causal(inputs, history[-1].video)
    assert out["video_pred"].shape[2] == 3
    assert model.action_head.current_start_frame == 3
    assert model.action_head.kv_cache1[0].shape[2] == model.geometry.tokens_per_latent
    if cause != "other prompt":
        assert torch.equal(out["video_pred"], history[0].video)


def test_prompt_fork_without_reset(model):
    """With `language` set to the new prompt no reset fires, and the new prompt changes what comes."""
    history = run(model, 2)
    kept = keep(model)
    same = call(model, CUP, history[-1].video)
    restore(model, {**kept, "language": model.language_of(PUSH).clone()})
    other = call(model, PUSH, history[-1].video)
    assert model.action_head.current_start_frame == 7
    assert other.video.shape[2] == 2
    assert not torch.equal(same.video, other.video)
    assert torch.equal(model.action_head.kv_cache1[0][:, :, :51], kept["kv_cache1"][0])


def test_latent_video_is_state_of_the_caller(model):
    """Another pending block gives another step; the last two frames of it suffice."""
    history = run(model, 1)
    kept = keep(model)
    whole = call(model, CUP, history[0].video)
    restore(model, kept)
    assert equal([call(model, CUP, history[0].video[:, :, -2:])], [whole])
    restore(model, kept)
    assert not equal([call(model, CUP, history[0].video + 0.1)], [whole])


def test_real_frames_may_stand_for_the_pending_block(model):
    """Without latent_video the last 8 images are encoded; fewer are refused."""
    run(model, 1)
    kept = keep(model)
    frames = np.repeat(model.samples()[NAME][None], 8, 0)
    out = model.lazy_joint_video_action_causal(model.make_inputs(frames, CUP))
    assert out["video_pred"].shape[2] == 2
    restore(model, kept)
    with pytest.raises(InvalidRequest):
        model.lazy_joint_video_action_causal(model.make_inputs(frames[:4], CUP))


def test_given_actions_come_back_and_steer(model):
    """action_pred returns the given actions, and other actions give other video."""
    up, down = np.zeros((8, 4), np.float32), np.zeros((8, 4), np.float32)
    up[:, 2], down[:, 2], up[:, 3], down[:, 3] = 1.0, -1.0, -1.0, -1.0
    outs = [call(model, CUP, None, state=model.sample_state(NAME), action=a) for a in (up, down)]
    assert np.allclose(outs[0].action[0].numpy(), up)
    assert not torch.equal(outs[0].video, outs[1].video)


def test_state_conditions(model):
    """Another proprioceptive state gives another step."""
    state = model.sample_state(NAME)
    a = call(model, CUP, None, state=state)
    b = call(model, CUP, None, state=state + np.array([3, 0, 0, 0], np.float32))
    assert not torch.equal(a.video, b.video)


def test_decode_is_causal_and_stateless(model):
    """A prefix of latents decodes to a prefix of frames; `start` skips; the anchor gives one frame, others four."""
    latents = torch.cat([s.video for s in run(model, 2)], 2)
    frames = model.decode(latents)
    assert frames.shape == (17, 64, 64, 3)
    assert frames.dtype == np.uint8
    assert np.array_equal(model.decode(latents[:, :, :3]), frames[:9])
    assert np.array_equal(model.decode(latents, start=3), frames[9:])


def test_rebuild_kv_is_bit_exact(model):
    """KV refilled from latents equals the KV of the steps, in both branches, and the next step has the same bits."""
    history = run(model, 3)
    kept = keep(model)
    following = call(model, CUP, history[-1].video)
    latents = torch.cat([s.video for s in history[:-1]], 2)
    restore(model, {**kept, "kv_cache1": [], "kv_cache_neg": []})
    model.rebuild_kv(latents, [Conditioning(CUP)] * 3)
    for name in ("kv_cache1", "kv_cache_neg"):
        for old, new in zip(kept[name], getattr(model.action_head, name), strict=True):
            assert torch.equal(old, new)
    assert equal([call(model, CUP, history[-1].video)], [following])


def test_rebuild_under_another_prompt_differs(model):
    """Keys and values carry the prompt they were written under."""
    history = run(model, 2)
    kept = keep(model)
    model.rebuild_kv(history[0].video, [Conditioning(PUSH)] * 2)
    assert not torch.equal(kept["kv_cache1"][-1], model.action_head.kv_cache1[-1])
    assert torch.equal(kept["kv_cache_neg"][-1], model.action_head.kv_cache_neg[-1])
    with pytest.raises(InvalidRequest):
        model.rebuild_kv(history[0].video[:, :, :2], [Conditioning(CUP)] * 2)


@pytest.mark.parametrize("exact", [True, False])
def test_batched_steps(model, exact):
    """Rows of a batch equal the same steps alone: bit for bit by default, to rounding in one forward pass."""
    model.exact_batches = exact
    alone, seeds, prompts = [], [3, 4, 5], [CUP, PUSH, CUP]
    state = model.sample_state(NAME)
    for seed, prompt in zip(seeds, prompts, strict=True):
        model.action_head.seed = seed
        first = call(model, prompt, None, state=state)
        alone.append([first, call(model, prompt, first.video)])
    frame = model.samples()[NAME][None]
    model.action_head.seed = seeds
    rows = [model.make_inputs(frame, p, state=state) for p in prompts]
    first = model.lazy_joint_video_action_causal({k: torch.cat([r[k] for r in rows]) for k in rows[0]})
    rows = [model.make_inputs(np.repeat(frame, 8, 0), p) for p in prompts]
    joined = {k: torch.cat([r[k] for r in rows]) for k in rows[0]}
    second = model.lazy_joint_video_action_causal(joined, first["video_pred"])
    for n in range(3):
        for got, want in zip((first, second), alone[n], strict=True):
            if exact:
                assert torch.equal(got["video_pred"][n : n + 1], want.video)
                assert torch.equal(got["action_pred"][n : n + 1], want.action)
            else:
                assert (got["video_pred"][n : n + 1] - want.video).abs().max() < 1e-2


def test_any_string_is_a_prompt(model):
    """Empty, foreign and very long prompts work."""
    for prompt in ("", "拿起红色的杯子 🙂", "cup " * 500):
        assert torch.isfinite(call(model, prompt, None).video).all()


def test_images_are_checked_and_fitted(model):
    """Any RGB image is fitted to 64x64; others are refused with a clear error."""
    assert model.fit_image(np.zeros((480, 640, 3), np.uint8)).shape == (64, 64, 3)
    with pytest.raises(InvalidImage):
        model.fit_image(np.zeros((64, 64), np.uint8))
    with pytest.raises(InvalidImage):
        model.make_inputs(np.zeros((1, 32, 32, 3), np.uint8), CUP)
    with pytest.raises(InvalidRequest):
        model.make_inputs(np.zeros((1, 64, 64, 3), np.uint8), CUP, action=np.zeros((3, 4)))
    with pytest.raises(InvalidRequest):
        model.make_inputs(np.zeros((1, 64, 64, 3), np.uint8), CUP, state=np.full(4, np.nan))


def test_identity_and_registry(model):
    """Two loads have one identity; unknown names are refused."""
    assert load_model("tabletop").identity().digest() == model.identity().digest()
    with pytest.raises(UnknownSetting):
        load_model("no such model")


def test_settings_are_part_of_the_identity(model):
    """Other noise under the policy gives other actions, and another identity."""
    calm = TabletopModel(model.action_head.vae, model.dit, sampler=SamplerSettings(temperature=0.0))
    found = {}
    for seed in (1, 2):
        for other in (model, calm):
            other.action_head.seed = seed
            found[other is calm, seed] = call(other, CUP, None)
    assert torch.equal(found[True, 1].action, found[True, 2].action)
    assert not torch.equal(found[True, 1].video, found[True, 2].video)
    assert not torch.equal(found[False, 1].action, found[False, 2].action)
    assert calm.identity() != model.identity()
