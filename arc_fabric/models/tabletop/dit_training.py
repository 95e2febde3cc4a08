"""Last stage: train the transformer on windows of 1 + 8 latent frames.

Each window is seen once clean (it fills keys and values for the past) and in noisy copies, whose blocks each have their
own noise level and attend to the clean past and themselves: one with the true actions given, which learns the video,
and one with the video all noise, which learns the actions (the policy). So the sampler works: first the actions, then
the video they lead to. Flow matching with x0 prediction: x_t = (1 - t) x + t e, loss |x0 - x|^2 / max(t, 0.25)^2.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from arc_fabric.models.tabletop.codec import Codec
from arc_fabric.models.tabletop.dit import TOKENS, Block, CausalDiT, Text, rotary, rotate
from arc_fabric.models.tabletop.latent_pool import LatentPool, Windows
from arc_fabric.models.tabletop.loop import Budget, Peers, Trainer
from arc_fabric.models.tabletop.optimizer import MuonAdam
from arc_fabric.models.tabletop.pose import integrate, shrink
from arc_fabric.models.tabletop.vae import GROUP, CausalVAE
from arc_fabric.models.tabletop.weights import export
from arc_fabric.models.tabletop.windows import BLOCKS, COPIES, PAST, PER_BLOCK, POLICY, Foreseen, Noise, foresee

ADAM = ("words", "always", "place", "head_", "embed_", "show_", "noise", "final", "modulation")


@dataclass(frozen=True)
class DitSettings:
    """Settings of the last stage (table `dit` of the config file)."""

    seed: int = 2
    first_episodes: int = 40
    """Episodes made before training begins."""
    episodes: int = 4000
    """Episodes kept at most."""
    new_every: int = 5
    """Steps per new episode."""
    batch: int = 4
    steps: int = 100_000
    minutes: float = 80.0
    muon_lr: float = 0.012
    adam_lr: float = 1.5e-3
    text_dropout: float = 0.12
    shift: float = 3.0
    """Timestep shift: t = s u / (1 + (s - 1) u)."""
    past_noise: float = 0.2
    action_weight: float = 1.0
    average: float = 0.996


class WindowModel(nn.Module):
    """The transformer over whole windows."""

    def __init__(self) -> None:
        super().__init__()
        self.dit = CausalDiT()

    def forward(self, batch: Windows, noise: Noise, known: Foreseen) -> dict[str, Tensor]:
        """Losses of one batch."""
        dit, count, past = self.dit, len(batch.latents), known.past
        text = dit.text(batch.text)
        zero = past.new_zeros(count)
        c_clean = dit.condition(text.pooled, zero, zero)
        clean = dit.tokens(
            past.flatten(0, 1),
            past.flatten(0, 1),
            known.seen.flatten(0, 1),
            dit.show(known.seen.flatten(0, 1), known.seen.flatten(0, 1)[:, None].expand(-1, GROUP, -1, -1)),
            torch.zeros_like(past).flatten(0, 1),
            past.new_zeros(count * PAST, GROUP, 4),
            batch.poses[:, :PAST].flatten(0, 1),
            past.new_zeros(count * PAST, GROUP, 4),
        )

        future = batch.latents[:, 1:].unflatten(1, (BLOCKS, PER_BLOCK))[:, None]
        t_v, t_a = noise.t_video, noise.t_action
        z_t = torch.lerp(future, noise.video, t_v[..., None, None, None, None])
        a_t = torch.lerp(batch.actions[:, None], noise.action, t_a[..., None, None])
        poses = integrate(batch.base[:, None].expand(-1, COPIES, -1, -1), shrink(a_t, t_a[..., None, None]))
        last = _spread(past[:, 0::2])
        noisy = dit.tokens(
            z_t.flatten(0, 3),
            last.flatten(0, 3),
            _spread(known.things).flatten(0, 3),
            dit.show(_spread(known.things).flatten(0, 3), known.ahead.flatten(0, 3)),
            known.drafts.flatten(0, 3),
            a_t.reshape(-1, GROUP, 4),
            poses.reshape(-1, GROUP, 4),
            known.intent.flatten(0, 3),
        )
        c_block = dit.condition(text.pooled.repeat_interleave(COPIES * BLOCKS, 0), t_v.flatten(), t_a.flatten())

        x = torch.cat([clean, noisy])
        c = torch.cat([c_clean.repeat_interleave(PAST, 0), c_block.repeat_interleave(PER_BLOCK, 0)])
        cos, sin = _angles(dit, count, x.device)
        for block in dit.blocks:
            x = _layer(block, x, c, text, cos, sin, count)
        h, c = x[count * PAST :], c[count * PAST :]
        base = torch.cat([known.drafts[:, :POLICY], last[:, POLICY:]], 1)
        video, action = dit.heads(h, c, base.flatten(0, 3), known.intent.flatten(0, 3))
        frame = (count, COPIES, BLOCKS, PER_BLOCK)
        return _losses(batch, noise, known, video.unflatten(0, frame), action.reshape(a_t.shape))


def _spread(part: Tensor) -> Tensor:
    """Of each block's start [B, 4, ...] -> for every copy and latent frame, [B, copies, 4, 2, ...]."""
    shape = part.shape[0], COPIES, BLOCKS, PER_BLOCK, *part.shape[2:]
    return part[:, None, :, None].expand(shape)


def _angles(dit: CausalDiT, count: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Rotary tables [N, TOKENS, 1, hd / 2] for the clean frames 0..6, then the noisy frames 1..8."""
    tables = []
    for table in rotary(dit.shape.head_dim, 0, 1 + BLOCKS * PER_BLOCK):
        table = table.unflatten(0, (-1, TOKENS)).to(device)
        tables.append(torch.cat([table[:PAST].repeat(count, 1, 1), table[1:].repeat(count * COPIES, 1, 1)]))
    return tables[0].unsqueeze(2), tables[1].unsqueeze(2)


def _attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """`dit.attend` written out: its backward pass is much faster than the fused one on a CPU."""
    q, k, v = (p.transpose(1, 2) for p in (q, k, v))
    weights = ((q @ k.mT) * q.shape[-1] ** -0.5).float().softmax(-1).to(v.dtype)
    return (weights @ v).transpose(1, 2).flatten(2)


def _layer(block: Block, x: Tensor, c: Tensor, text: Text, cos: Tensor, sin: Tensor, count: int) -> Tensor:
    """One layer over the clean stream and all copies."""
    m = block.modulate(c)
    qk, v = block.queries(x, m[0], m[1])
    q, k = rotate(qk, cos, sin).unbind(2)
    split = count * PAST
    q0, k0, v0 = (p[:split].reshape(count, PAST * TOKENS, *p.shape[2:]) for p in (q, k, v))
    size = PER_BLOCK * TOKENS
    q1, k1, v1 = (p[split:].reshape(count * COPIES, BLOCKS, size, *p.shape[2:]) for p in (q, k, v))
    clean, noisy = [_attend(q0[:, :TOKENS], k0[:, :TOKENS], v0[:, :TOKENS])], []
    for n in range(BLOCKS):
        seen = TOKENS + n * size
        if n:
            clean.append(_attend(q0[:, seen - size : seen], k0[:, :seen], v0[:, :seen]))
        past_k, past_v = (p[:, :seen].repeat_interleave(COPIES, 0) for p in (k0, v0))
        noisy.append(_attend(q1[:, n], torch.cat([past_k, k1[:, n]], 1), torch.cat([past_v, v1[:, n]], 1)))
    attended = torch.cat(
        [torch.cat(clean, 1).reshape(split, TOKENS, -1), torch.stack(noisy, 1).reshape(-1, TOKENS, x.shape[-1])]
    )
    return block.finish(x, attended, lambda h: _told(block, h, text, count), m)


def _told(block: Block, x: Tensor, text: Text, count: int) -> Tensor:
    """Cross-attention to the prompts for the clean stream and all copies, tokens x [N, TOKENS, d]."""
    split = count * PAST
    parts = x[:split].reshape(count, PAST * TOKENS, -1), x[split:].reshape(count, -1, x.shape[-1])
    told = block.read_text(torch.cat(parts, 1), *block.hear(text.words), text.there[:, None, None])
    return torch.cat([part.reshape(-1, TOKENS, x.shape[-1]) for part in told.split([p.shape[1] for p in parts], 1)])


def _losses(batch: Windows, noise: Noise, known: Foreseen, video: Tensor, action: Tensor) -> dict[str, Tensor]:
    target = batch.latents[:, 1:].unflatten(1, (BLOCKS, PER_BLOCK))[:, None]
    v_error = (video - target).square().mean((3, 4, 5, 6))[:, :POLICY]
    a_error = (action - batch.actions[:, None]).square().mean((3, 4))[:, POLICY]
    t_video, t_action = noise.t_video[:, :POLICY], noise.t_action[:, POLICY]
    return {
        "v": (v_error / t_video.clamp(min=0.25).square()).mean(),
        "a": (a_error / t_action.clamp(min=0.25).square()).mean(),
        "v_hard": _mean(v_error, t_video > 0.9),
        "a_hard": _mean(a_error, t_action > 0.9),
        "draft": (known.drafts[:, :POLICY] - target).square().mean(),
    }


def _mean(values: Tensor, chosen: Tensor) -> Tensor:
    return (values * chosen).sum() / chosen.sum().clamp(min=1)


def train_dit(
    settings: DitSettings,
    vae_weights: dict[str, Tensor],
    read: dict[str, dict[str, Tensor]],
    start: dict[str, Tensor],
    folder: Path,
    weights: Path,
    *,
    device: str = "cpu",
    resume: bool = False,
    rank: int = 0,
    peers: int = 1,
    compiled: bool = False,
) -> None:
    """Train all but the parts in `read` (name in the transformer: its weights), from the weights `start` if it holds
    any; checkpoint to `folder/dit-<rank>.safetensors`, export averaged weights to `weights` at every save."""
    seed = settings.seed + 1000 * rank
    torch.manual_seed(settings.seed)
    vae = CausalVAE().eval().requires_grad_(False)
    vae.load_state_dict(vae_weights)
    model = WindowModel().to(device)
    model.dit.load_state_dict(start, strict=False)
    for name in read:
        model.dit.get_submodule(name).requires_grad_(False)
    optimizer = MuonAdam(model, muon_lr=settings.muon_lr, adam_lr=settings.adam_lr, adam_names=ADAM)
    together = Peers(folder, rank, peers) if peers > 1 else None
    trainer = Trainer(
        model,
        optimizer,
        Budget(settings.steps, settings.minutes),
        folder / f"dit-{rank}.safetensors",
        average=settings.average,
        peers=together,
    )
    if together is not None:
        together.forget()
    if resume:
        trainer.resume()
    for name, part in read.items():  # these may have been trained further since the checkpoint
        model.dit.get_submodule(name).load_state_dict(part)
    torch.manual_seed(seed + trainer.step)
    rng = np.random.default_rng(seed + 1 + trainer.step)
    reader = deepcopy(model.dit).cpu().eval().requires_grad_(False)
    pool = LatentPool(Codec(vae, reader.eyes, reader.sprites), seed + trainer.step, settings.episodes)
    pool.grow(settings.first_episodes, "encoding")
    near = Codec(deepcopy(vae).to(device), model.dit.eyes, model.dit.sprites)
    forward = torch.compile(model, dynamic=False) if compiled else model

    def losses(step: int) -> dict[str, Tensor]:
        if step % settings.new_every == 0:
            pool.grow(1)
        batch = pool.draw(rng, settings.batch, settings.text_dropout)
        batch = Windows(**{k: v.to(device) for k, v in vars(batch).items()})
        noise = Noise.draw(settings.batch, vae.channels, settings.shift, settings.past_noise, device)
        known = foresee(model.dit, near, batch, noise)
        with torch.autocast(device, torch.bfloat16):
            found = forward(batch, noise, known)
        total = found["v"] + settings.action_weight * found["a"]
        return {"loss": total, **{k: v.detach() for k, v in found.items()}}

    def save() -> None:
        state = {k.removeprefix("dit."): v for k, v in trainer.averaged().items() if k.startswith("dit.")}
        state = {k: v for k, v in state.items() if k.split(".")[0] not in read}
        if rank == 0:
            export(weights, dit=state)

    trainer.train(losses, title="dit", on_save=save)
