"""Training parts: the optimizer, checkpoints that resume, peers that average, data that grows, one real loss."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from arc_fabric.models.tabletop.demonstrations import simulated
from arc_fabric.models.tabletop.dit_training import DitSettings, WindowModel
from arc_fabric.models.tabletop.eyes_training import EyesSettings, Sights
from arc_fabric.models.tabletop.foresight_training import ForesightSettings
from arc_fabric.models.tabletop.intent_training import Corrections, IntentSettings
from arc_fabric.models.tabletop.judge import read
from arc_fabric.models.tabletop.latent_pool import LatentPool
from arc_fabric.models.tabletop.loop import Budget, Peers, Trainer
from arc_fabric.models.tabletop.optimizer import MuonAdam, orthogonalise
from arc_fabric.models.tabletop.scene import KINDS
from arc_fabric.models.tabletop.sprites_training import Pictures, SpritesSettings
from arc_fabric.models.tabletop.train import CONFIG, STAGES, read_config
from arc_fabric.models.tabletop.vae import CHANNELS, GROUP, to_pixels
from arc_fabric.models.tabletop.vae_training import VaeSettings
from arc_fabric.models.tabletop.windows import COPIES, POLICY, Noise, foresee


def _regression() -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    x = torch.randn(64, 8)
    return nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 4)), x, x[:, :4] * 0.5


def _trainer(folder: Path, steps: int) -> tuple[Trainer, torch.Tensor, torch.Tensor]:
    model, x, y = _regression()
    optimizer = MuonAdam(model, muon_lr=0.02, adam_lr=0.01)
    return Trainer(model, optimizer, Budget(steps, minutes=60, warm_up=1), folder / "x.safetensors"), x, y


def _train(trainer: Trainer, x: torch.Tensor, y: torch.Tensor) -> None:
    trainer.train(lambda _: {"loss": (trainer.model(x) - y).square().mean()}, title="test", every=1000)


def test_orthogonalise_evens_out_singular_values():
    """All singular values come close to one."""
    values = torch.linalg.svdvals(orthogonalise(torch.randn(2, 32, 64)).float())
    assert values.min() > 0.4
    assert values.max() < 1.5


def test_training_lowers_the_loss_and_resumes(tmp_path):
    """A resumed trainer continues from the same step, weights and optimizer state."""
    trainer, x, y = _trainer(tmp_path, 40)
    before = float((trainer.model(x) - y).detach().square().mean())
    _train(trainer, x, y)
    assert float((trainer.model(x) - y).detach().square().mean()) < before / 2
    again, _, _ = _trainer(tmp_path, 40)
    assert again.resume()
    assert again.step == 40
    for a, b in zip(again.model.parameters(), trainer.model.parameters(), strict=True):
        assert torch.equal(a, b)
    for name, value in trainer.optimizer.state.items():
        assert torch.equal(again.optimizer.state[name], value)


def test_peers_average(tmp_path):
    """The second to arrive takes the mean of both."""
    models = [nn.Linear(2, 2) for _ in range(2)]
    weights = [model.weight.detach().clone() for model in models]
    for rank, model in enumerate(models):
        Peers(tmp_path, rank, 2).meet(model)
    assert torch.equal(models[0].weight, weights[0])
    assert torch.allclose(models[1].weight, (weights[0] + weights[1]) / 2)


def test_what_a_peer_left_is_read_once(tmp_path):
    """A slow peer's old weights do not pull the others back at every meeting."""
    slow, fast = (Peers(tmp_path, rank, 2) for rank in range(2))
    left, model = nn.Linear(2, 2), nn.Linear(2, 2)
    slow.meet(left)
    fast.meet(model)
    after = model.weight.detach().clone()
    fast.meet(model)
    assert torch.equal(model.weight, after)


def test_budget_falls_to_the_floor():
    """The learning rate warms up, holds and falls."""
    budget = Budget(100, minutes=1e9, warm_up=10, cool_down=0.5, floor=0.03)
    rates = [budget.rate(step, 0) for step in (0, 30, 75, 100)]
    assert rates[0] < rates[1] == 1.0 > rates[2] > rates[3] == 0.03


def test_windows_and_loss(model):
    """A pool of new episodes gives windows of the right shapes and a finite loss with gradients."""
    pool = LatentPool(model.action_head.vae, seed=3, capacity=2)
    pool.grow(3)
    assert len(pool) == 2
    batch = pool.draw(np.random.default_rng(0), 2, text_dropout=0.5)
    assert batch.latents.shape == (2, 9, CHANNELS, 8, 8)
    assert batch.poses.shape == (2, 9, 4, 4)
    trained = WindowModel()
    trained.dit.load_state_dict(model.dit.state_dict())
    noise = Noise.draw(2, CHANNELS, shift=3.0, past_noise=0.2, device="cpu")
    known = foresee(trained.dit, model.action_head.vae, batch, noise)
    assert known.drafts.shape == (2, COPIES, 4, 2, CHANNELS, 8, 8)
    assert not known.drafts[:, POLICY].any()
    losses = trained(batch, noise, known)
    (losses["v"] + losses["a"]).backward()
    assert torch.isfinite(losses["v"])
    assert trained.dit.blocks[0].qkv.weight.grad is not None


def test_sights_are_where_the_truth_says(model):
    """What is rendered for the eyes shows the objects at the places that come with it, wherever it was moved."""
    sights = Sights(model.action_head.vae.vae, EyesSettings(episodes=2, kept=12))
    sights.grow(18)
    features, true = sights.draw(np.random.default_rng(0), 24)
    assert true.poses.shape == (24, GROUP, 4)
    assert true.look.shape == (24, 2, 3)
    seen = 0
    frames = to_pixels(model.action_head.vae.vae.decode(features[:, :, None])[:, 0, -1]).numpy()
    for frame, places in zip(frames, true.things[:, -1], strict=True):
        blobs = read(frame)
        for kind, (x, y, z, there) in zip(KINDS, places.tolist(), strict=True):
            blob = blobs[kind.name]
            if there and blob.area > 20:
                seen += 1
                assert abs(blob.x - x) < 3
                assert abs(blob.row - (y - z - kind.height / 2)) < 4
    assert seen > 20


def test_corrections_come_from_where_the_intent_went(model):
    """The intent's own episodes are kept with what the expert would do, and the oldest make room."""
    own = Corrections(0, IntentSettings(own_scenes=3, own_kept=30))
    own.gather(model.dit.intent)
    assert len(own) == 24
    own.gather(model.dit.intent)
    assert len(own) == 30
    text, things, pose, actions = own.draw(np.random.default_rng(0), 5)
    assert text.shape[0] == 5
    assert things.shape == (5, len(KINDS), 4)
    assert pose.shape == (5, 4)
    assert actions.shape == (5, 8, 4)
    assert actions.abs().max() <= 1


def test_fingers_are_shown_what_they_were_told():
    """A grip on nothing closes as told; the frames and places of a picture belong together."""
    shown = Pictures(simulated(1, 2), seed=1)
    rng = np.random.default_rng(0)
    frames, look, things, pose = shown.draw_frames(rng, 4)
    assert frames.shape == (4, 3, 64, 64)
    assert look.shape == (4, 2, 3)
    assert things.shape == (4, len(KINDS), 4)
    told, _, _, closed = shown.draw_grips(rng, 64, blur=0.0)
    assert told.shape == closed.shape == (64, 1)
    assert (told >= closed - 1e-5).all()
    assert pose.shape == (4, 4)


def test_config_holds_known_settings_only():
    """Every key of the shipped config is a setting, and every stage has its table."""
    config = read_config(CONFIG)
    assert list(config) == list(STAGES)
    kinds = (VaeSettings, SpritesSettings, EyesSettings, IntentSettings, ForesightSettings, DitSettings)
    for table, kind in zip(STAGES, kinds, strict=True):
        kind(**config[table])
