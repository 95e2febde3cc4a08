"""Training parts: the optimizer, checkpoints that resume, peers that average, data that grows, one real loss."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from arc_fabric.models.tabletop.dit_training import DitSettings, Noise, WindowModel, foresee
from arc_fabric.models.tabletop.eyes_training import EyesSettings
from arc_fabric.models.tabletop.latent_pool import LatentPool
from arc_fabric.models.tabletop.loop import Budget, Peers, Trainer
from arc_fabric.models.tabletop.optimizer import MuonAdam, orthogonalise
from arc_fabric.models.tabletop.train import CONFIG, read_config
from arc_fabric.models.tabletop.vae_training import VaeSettings


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
    assert batch.latents.shape == (2, 9, 8, 8, 8)
    assert batch.poses.shape == (2, 9, 4, 4)
    frames, truth = pool.draw_frames(np.random.default_rng(1), 8)
    assert frames.shape == (8, 8, 8, 8)
    assert truth.shape == (8, 20)
    trained = WindowModel()
    noise = Noise.draw(2, 8, DitSettings(), "cpu")
    losses = trained(batch, noise, foresee(trained.dit, batch, noise))
    (losses["v"] + losses["a"]).backward()
    assert torch.isfinite(losses["v"])
    assert trained.dit.blocks[0].qkv.weight.grad is not None


def test_config_holds_known_settings_only():
    """Every key of the shipped config is a setting."""
    config = read_config(CONFIG)
    VaeSettings(**config["vae"])
    EyesSettings(**config["eyes"])
    DitSettings(**config["dit"])
