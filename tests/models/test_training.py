"""Training: windows of the pool, losses, the loop that resumes; and training sees what the sampler sees."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import nn

from arc_fabric.models.tabletop.net.dit import CausalDiT
from arc_fabric.models.tabletop.net.model import TabletopModel
from arc_fabric.models.tabletop.net.sampler import write_kv
from arc_fabric.models.tabletop.net.text import token_ids
from arc_fabric.models.tabletop.net.tokens import DitShape, patchify
from arc_fabric.models.tabletop.net.vae import CausalVAE
from arc_fabric.models.tabletop.samples import samples
from arc_fabric.models.tabletop.train.loop import Budget, LossFunction, Trainer, optimizers
from arc_fabric.models.tabletop.train.pool import Pool, Windows, behind, target_of, write_shard
from arc_fabric.models.tabletop.train.reader import looking, seen_at
from arc_fabric.models.tabletop.train.window import Copies, WindowModel

SMALL = DitShape(width=128, layers=2, heads=4)


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    """Two shards of three episodes."""
    folder = tmp_path_factory.mktemp("pool")
    torch.manual_seed(0)
    for seed in (1, 2):
        write_shard(CausalVAE().eval(), folder, seed, 3)
    return Pool(folder)


def _batch(pool: Pool, count: int = 2) -> Windows:
    return pool.draw(torch.Generator().manual_seed(1), count, 0.5)


def test_a_pool_reads_new_shards(pool: Pool, tmp_path: Path) -> None:
    """Shards are made once, and found when they are there."""
    assert len(pool) == 6
    torch.manual_seed(0)
    write_shard(CausalVAE().eval(), tmp_path, 1, 2)
    mine = Pool(tmp_path)
    before = (tmp_path / "000001.safetensors").stat().st_mtime_ns
    write_shard(CausalVAE().eval(), tmp_path, 1, 2)
    write_shard(CausalVAE().eval(), tmp_path, 2, 2)
    mine.refresh()
    assert len(mine) == 4
    assert (tmp_path / "000001.safetensors").stat().st_mtime_ns == before


def test_windows_fit_together(pool: Pool) -> None:
    """Actions lead from each frame to the next, where nothing is in the way."""
    batch = _batch(pool, 32)
    assert batch.latents.shape == (32, 9, 16, 8, 8)
    moved = batch.gripper[:, 1:, :2] - batch.gripper[:, :-1, :2]
    told = 2 * batch.actions.flatten(1, 2)[..., :2]
    assert ((moved - told).abs() < 1e-3).float().mean() > 0.95
    assert 0 < (batch.text.sum(1) == 0).float().mean() < 1


def test_what_a_prompt_asks_for_is_found() -> None:
    """The first thing named; another colour of cup is another thing."""
    prompts = {"lift the red mug": 0, "put the green cup on the cube": 2, "push the block left": 1, "wait": -1, "": -1}
    assert {prompt: target_of(token_ids(prompt).tolist()) for prompt in prompts} == prompts


def test_what_is_hidden_is_found() -> None:
    """A thing right behind a nearer one."""
    things = torch.zeros(1, 1, 4, 4)
    things[0, 0, 0] = torch.tensor([30.0, 50.0, 6.0, 1.0])
    things[0, 0, 1] = torch.tensor([31.0, 43.0, 0.0, 1.0])
    things[0, 0, 2] = torch.tensor([31.0, 60.0, 0.0, 1.0])
    assert behind(things)[0, 0].tolist() == [False, True, False, False]


def test_positions_are_read_where_they_are_seen() -> None:
    """Column, row and depth, in units of their spread."""
    assert seen_at(torch.tensor([[48.0, 46.0, 16.0]])).tolist() == [[1.0, -1.0, 0.0]]


def test_questions_learn_where_to_look() -> None:
    """The loss is small where each question looks at its own thing's cell, and large elsewhere."""
    things, gripper = torch.tensor([[[12.0, 51.0, 0.0, 1.0]]]), torch.tensor([[[60.0, 50.0, 10.0, 1.0]]])
    looks = torch.zeros(1, 64, 2)
    looks[0, 6 * 8 + 1, 0] = looks[0, 4 * 8 + 7, 1] = 20.0
    assert looking(looks, gripper, things) < 1e-3
    assert looking(looks.flip(2), gripper, things) > 10


@pytest.mark.parametrize("draws", [False, True])
def test_losses_fall(pool: Pool, draws: bool) -> None:
    """A small model learns two windows by heart a little, with and without video tokens."""
    torch.manual_seed(0)
    model, batch = WindowModel(SMALL, Copies(1, 1)), _batch(pool)
    found = optimizers(model, 0.01, 1e-3, ("glance", "table", "head_"))
    losses = []
    for _ in range(12):
        values = model(batch, draws)
        values["loss"].backward()
        for optimizer in found:
            optimizer.step()
            optimizer.zero_grad()
        losses.append(float(values["loss"].detach()))
    assert min(losses[-3:]) < 0.8 * losses[0]
    assert ("v" in values) == draws
    if draws:
        again = model(batch, own=values["made"])
        assert torch.isfinite(again["loss"])


def test_a_network_that_knows_nothing_copies(pool: Pool) -> None:
    """Before any training the video repeats the last latent frame better than it repeats noise."""
    torch.manual_seed(0)
    values = WindowModel(DitShape(), Copies(1, 1))(_batch(pool, 4))
    assert float(values["v_hard"]) < 0.8


@torch.inference_mode()
def test_training_sees_what_the_sampler_sees(pool: Pool) -> None:
    """The window's forward pass and blocks over KV caches are the same computation."""
    torch.manual_seed(3)
    model, batch = WindowModel(SMALL, Copies(1, 1), past_noise=0.0).eval(), _batch(pool, 1)
    for weight in model.parameters():
        weight.add_(0.02 * torch.randn_like(weight))
    dit: CausalDiT = model.dit
    seen, asked, patches, made = [], [], dit.patches, dit.made
    dit.patches = lambda *parts: seen.append(patches(*parts)) or seen[-1]  # type: ignore[method-assign]
    dit.made = lambda *parts: asked.append(parts) or made(*parts)  # type: ignore[method-assign]
    hook = dit.head_action.register_forward_hook(lambda _, __, out: seen.append(out.unflatten(-1, (4, 4))))
    model(batch)
    dit.patches, dit.made = patches, made  # type: ignore[method-assign]
    hook.remove()
    caches: tuple[torch.Tensor, ...] = ()
    both = dit.prompts(dit.text(torch.cat([batch.text, torch.zeros_like(batch.text)])))
    for block in range(4):
        start = max(0, 2 * block - 1)
        clean = batch.latents[:, start : 2 * block + 1].transpose(1, 2)
        caches = write_kv(dit, clean, torch.tensor(start), both, caches)
        prompts, past = both.rows(slice(1)), list(caches[: len(caches) // 2])
        for training, (z, actions, state, level, first, _) in zip(seen, asked, strict=True):
            row = slice(block, block + 1)
            frames = dit.made(None if z is None else z[row], actions[row], state[row], level[row], first[row], prompts)
            found = dit.actions(frames, prompts, past) if z is None else patchify(dit.video(frames, prompts, past))
            assert torch.allclose(found, training[2 * block : 2 * block + 2], atol=2e-4)


def test_a_budget_runs_out() -> None:
    """Warm-up, a plateau, and a fall to nothing at the end."""
    budget = Budget(10.0, warm_up=10, fall=0.5)
    assert budget.rate(0, 0.0) == pytest.approx(0.1)
    assert budget.rate(100, 240.0) == 1.0
    assert budget.rate(100, 450.0) == pytest.approx(0.5)
    assert budget.rate(100, 700.0) == 0.0


def test_training_resumes_where_it_stopped(tmp_path: Path) -> None:
    """Weights, averages and the optimizers' state come back: the next step is the one that would have been."""

    def trainer(steps: float) -> Trainer:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 1))
        return Trainer(model, optimizers(model, 0.01, 1e-3, ("1.",)), Budget(steps), tmp_path / "c.safetensors", 0.9)

    def losses(of: Trainer) -> LossFunction:
        def at(step: int) -> dict[str, torch.Tensor]:
            x = torch.randn(16, 8, generator=torch.Generator().manual_seed(step))
            return {"loss": (of.model(x) - x.sum(1, keepdim=True)).square().mean()}

        return at

    straight = trainer(1.0)
    for _ in range(9):
        straight._update(losses(straight))
    straight.save()
    again = trainer(1.0)
    again.resume()
    assert again.step == 9
    for each in (straight, again):
        each.seconds = 20.0
        each._update(losses(each))
    for name, value in straight._tensors().items():
        assert torch.equal(value, again._tensors()[name]), name


TINY = """
[vae]
minutes = 0.01
episodes = 2
batch = 4
[pool]
shards = 1
episodes = 3
[dit]
minutes = 0.05
glance_minutes = 0.01
dry_steps = 1
dry_batch = 2
batch = 2
"""


def _told(checkpoint: Path) -> dict[str, float]:
    """How many steps a checkpoint has behind it, and how many seconds."""
    with safe_open(checkpoint, "pt") as file:
        told: dict[str, float] = json.loads(file.metadata()["trainer"])
    return told


def test_the_recipe_runs_from_nothing_to_a_model(tmp_path: Path) -> None:
    """All stages at a budget of seconds, then the last one resumed: the file that they leave is a model that steps."""
    config, weights = tmp_path / "tiny.toml", tmp_path / "weights.safetensors"
    config.write_text(TINY)
    command = [sys.executable, "-m", "arc_fabric.models.tabletop.train", "--config", str(config)]
    command += ["--folder", str(tmp_path / "training"), "--weights", str(weights)]
    subprocess.run(command, check=True, timeout=240)
    before = _told(tmp_path / "training" / "dit.safetensors")
    again = [*command, "--stage", "dit", "--resume", "--minutes", str(before["seconds"] / 60 + 0.02)]
    subprocess.run(again, check=True, timeout=240)
    assert _told(tmp_path / "training" / "dit.safetensors")["step"] > before["step"] > 0
    model = TabletopModel.load(weights, recorded=False)
    out = model.lazy_joint_video_action_causal(model.make_inputs(samples()["two-cups"][None], "pick up the red cup"))
    assert model.decode(out["video_pred"]).shape == (9, 64, 64, 3)
    assert torch.isfinite(out["action_pred"]).all()
