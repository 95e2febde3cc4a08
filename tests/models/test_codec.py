"""Frames and latents: the VAE is stateless, and shows what it was shown."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from arc_fabric.models.tabletop.evaluate.judge import psnr
from arc_fabric.models.tabletop.net.model import TabletopModel
from arc_fabric.models.tabletop.net.vae import CausalVAE, to_pixels
from arc_fabric.models.tabletop.world.episodes import sample_episode


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    """Frames of an episode, uint8 [33, 64, 64, 3]."""
    return sample_episode(np.random.default_rng(5), 33).frames()


@torch.inference_mode()
def _encoded(model: TabletopModel, frames: np.ndarray) -> torch.Tensor:
    return model.action_head.vae.encode(torch.from_numpy(frames)[None])


def test_frames_come_back(model: TabletopModel, frames: np.ndarray) -> None:
    """Encoded and decoded, frames look as before."""
    assert psnr(model.decode(_encoded(model, frames)), frames) > 31


def test_a_prefix_is_coded_as_alone(model: TabletopModel, frames: np.ndarray) -> None:
    """Latent frames know only their own frames."""
    whole, part = _encoded(model, frames), _encoded(model, frames[:9])
    assert torch.allclose(whole[:, :, :3], part, atol=1e-4)


def test_observed_frames_are_the_latents_of_a_block(model: TabletopModel, frames: np.ndarray) -> None:
    """The last eight frames are two latent frames, whatever came before."""
    seen = model.encode_observed(frames[1:17])
    assert seen.shape == (1, 16, 2, 8, 8)
    assert torch.equal(seen, model.encode_observed(frames[9:17]))
    assert torch.allclose(seen, _encoded(model, frames[:17])[:, :, 3:], atol=1e-4)


def test_groups_are_four_frames_and_the_first_is_alone(frames: np.ndarray) -> None:
    """1 + 4 n frames are 1 + n groups, the first of four equal frames."""
    groups = CausalVAE.groups_of(torch.from_numpy(frames[:9])[None])
    assert groups.shape == (1, 3, 12, 64, 64)
    first = groups[0, 0].unflatten(0, (4, 3))
    assert torch.equal(first, first[:1].expand_as(first))
    assert np.array_equal(to_pixels(groups[0, 1].unflatten(0, (4, 3))).numpy(), frames[1:5])
