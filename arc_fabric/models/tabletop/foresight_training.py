"""Stage 5: train the foresight on simulated tracks; nothing is rendered."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from arc_fabric.models.tabletop.demonstrations import Demonstrations, TrackSettings, simulated
from arc_fabric.models.tabletop.foresight import Foresight
from arc_fabric.models.tabletop.loop import Budget, Run
from arc_fabric.models.tabletop.optimizer import MuonAdam


@dataclass(frozen=True)
class ForesightSettings(TrackSettings):
    """Settings of stage 5 (table `foresight` of the config file)."""

    seed: int = 7
    minutes: float = 16.0
    blur: float = 0.12
    pose_blur: float = 0.08
    contacts: float = 0.4
    """Share of the moments in which one thing pushes another."""


def train_foresight(
    settings: ForesightSettings,
    run: Run,
) -> dict[str, Tensor]:
    """Train; returns the averaged weights."""
    torch.manual_seed(settings.seed)
    rng = np.random.default_rng(settings.seed + 1)
    foresight = Foresight().to(run.device)
    optimizer = MuonAdam(
        foresight, muon_lr=settings.muon_lr, adam_lr=settings.adam_lr, adam_names=("leave", "message_out")
    )
    trainer = run.trainer("foresight", foresight, optimizer, Budget(settings.steps, settings.minutes))
    shown = Demonstrations(simulated(settings.seed, settings.episodes))

    def losses(_: int) -> dict[str, Tensor]:
        things, pose, actions, after = (
            part.to(run.device) for part in shown.draw_tracks(rng, settings, settings.contacts)
        )
        error = (foresight(things, pose, actions) - after)[..., :3].abs().mean(-1)
        there = after[..., 3]
        moving = there * ((after - things[:, None])[..., :3].abs().amax((1, 3), keepdim=True)[..., 0] > 1.5)
        loss = (error * (there + 3 * moving)).sum() / there.sum()
        all_px, moving_px = ((error * mask).sum() / mask.sum().clamp(min=1) for mask in (there, moving))
        return {"loss": loss, "px": all_px.detach(), "moving_px": moving_px.detach()}

    trainer.train(losses, title="foresight", every=100)
    return trainer.averaged()
