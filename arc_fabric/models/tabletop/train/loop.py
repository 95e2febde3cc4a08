"""The training loop: schedule, averaged weights, log, checkpoints that resume."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

LossFunction = Callable[[int], dict[str, Tensor]]
"""Step number -> named losses; "loss" is the one to minimise."""


@dataclass
class Budget:
    """How long to train, and how the learning rate runs: linear warm-up, constant, linear fall to nothing."""

    minutes: float
    warm_up: int = 100
    fall: float = 0.45
    """Share of the budget over which the rate falls."""

    def progress(self, seconds: float) -> float:
        """Share of the budget that is spent, 0..1."""
        return min(1.0, seconds / (60 * self.minutes))

    def rate(self, step: int, seconds: float) -> float:
        """Factor of the learning rates."""
        return min(1.0, (step + 1) / self.warm_up) * min(1.0, (1 - self.progress(seconds)) / self.fall)


def optimizers(
    model: nn.Module, muon_lr: float, adam_lr: float, adam_names: tuple[str, ...]
) -> list[torch.optim.Optimizer]:
    """Muon for weight matrices of the layers, AdamW for vectors, tables and all with one of `adam_names` in it; what
    glances at whole frames is trained slowly: it knows how."""
    matrices: list[nn.Parameter] = []
    rest: list[nn.Parameter] = []
    slow: list[nn.Parameter] = []
    for name, p in model.named_parameters():
        plain = p.ndim != 2 or any(part in name for part in adam_names)
        (slow if "glance" in name else rest if plain else matrices).append(p)
    groups: list[dict[str, Any]] = [{"params": rest}, {"params": slow, "lr": 0.15 * adam_lr}]
    muon = [torch.optim.Muon(matrices, lr=muon_lr, weight_decay=0.01, ns_steps=4)] if matrices else []
    return [
        *muon,
        torch.optim.AdamW(
            groups,
            lr=adam_lr,
            betas=(0.9, 0.98),
            weight_decay=0.0,
            fused=True,
        ),
    ]


Part = TypeVar("Part", bound=nn.Module)


def channels_last(part: Part) -> Part:
    """The part with its convolutions' weights laid out as fast convolutions want them, in place."""
    for weight in part.parameters():
        if weight.ndim == 4:
            weight.data = weight.data.contiguous(memory_format=torch.channels_last)
    return part


@dataclass(frozen=True)
class Run:
    """Where and from what a stage is trained."""

    folder: Path
    """Folder of checkpoints."""
    start: dict[str, Tensor] | None = None
    """Weights to begin from, if any."""
    device: str = "cpu"
    resume: bool = False
    """Go on from the folder's checkpoint."""

    def trainer(
        self,
        name: str,
        part: nn.Module,
        found: list[torch.optim.Optimizer],
        budget: Budget,
        average: float,
        whole: nn.Module | None = None,
    ) -> Trainer:
        """The trainer of a part, inside the `whole` that is trained, with its checkpoint in
        `folder/<name>.safetensors`."""
        if self.start:
            part.load_state_dict(self.start)
        trainer = Trainer(whole or part, found, budget, self.folder / f"{name}.safetensors", average)
        if self.resume:
            trainer.resume()
        return trainer


class Trainer:
    """Trains a module; its checkpoint holds weights, averages, the optimizers' tensors, and the time spent."""

    def __init__(
        self,
        model: nn.Module,
        found: list[torch.optim.Optimizer],
        budget: Budget,
        checkpoint: Path,
        average: float,
    ) -> None:
        self.model, self.optimizers, self.budget, self.checkpoint = model, found, budget, checkpoint
        self.averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(average))
        self.averaged.requires_grad_(False)
        self._rates = [group["lr"] for o in found for group in o.param_groups]
        self.step, self.seconds = 0, 0.0

    def train(
        self,
        losses: LossFunction,
        *,
        every: int,
        save_seconds: float = 240.0,
        on_save: Callable[[], None] = lambda: None,
    ) -> None:
        """Run until the budget is spent; logs every `every` steps, saves every `save_seconds`."""
        found: dict[str, list[float]] = {}
        saved = time.monotonic()
        while self.budget.progress(self.seconds) < 1:
            started = time.monotonic()
            for name, value in self._update(losses).items():
                found.setdefault(name, []).append(value)
            self.seconds += time.monotonic() - started
            if self.step % every == 0:
                note = " ".join(f"{name} {sum(values) / len(values):.4f}" for name, values in found.items())
                print(f"step {self.step} {self.seconds / 60:.1f} min {note}", flush=True)
                found.clear()
            if time.monotonic() - saved > save_seconds:
                self.save()
                on_save()
                saved = time.monotonic()
        self.save()
        on_save()

    def _update(self, losses: LossFunction) -> dict[str, float]:
        scale = self.budget.rate(self.step, self.seconds)
        groups = [group for o in self.optimizers for group in o.param_groups]
        for group, rate in zip(groups, self._rates, strict=True):
            group["lr"] = rate * scale
        values = losses(self.step)
        values["loss"].backward()
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.step += 1
        if self.step % 4 == 0:
            self.averaged.update_parameters(self.model)
        return {name: float(value.detach()) for name, value in values.items()}

    def _tensors(self) -> dict[str, Tensor]:
        tensors = {f"model/{k}": v for k, v in self.model.state_dict().items()}
        tensors |= {f"average/{k}": v for k, v in self.averaged.state_dict().items()}
        for n, optimizer in enumerate(self.optimizers):
            for index, state in optimizer.state_dict()["state"].items():
                tensors |= {f"optimizer{n}/{index}/{k}": torch.as_tensor(v) for k, v in state.items()}
        return {k: v.detach().clone().contiguous() for k, v in tensors.items()}

    def save(self) -> None:
        """Write the checkpoint."""
        self.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.checkpoint.with_suffix(".tmp")
        told = json.dumps({"step": self.step, "seconds": self.seconds})
        save_file(self._tensors(), temporary, {"trainer": told})
        temporary.replace(self.checkpoint)

    def resume(self) -> None:
        """Go on from the checkpoint."""
        with safe_open(self.checkpoint, "pt") as file:
            told = json.loads(file.metadata()["trainer"])
        self.step, self.seconds = told["step"], told["seconds"]
        tensors = load_file(self.checkpoint)

        def part(name: str) -> dict[str, Tensor]:
            return {k.removeprefix(f"{name}/"): v for k, v in tensors.items() if k.startswith(f"{name}/")}

        self.model.load_state_dict(part("model"))
        self.averaged.load_state_dict(part("average"))
        for n, optimizer in enumerate(self.optimizers):
            states: dict[int, dict[str, Tensor]] = {}
            for key, value in part(f"optimizer{n}").items():
                index, name = key.split("/")
                states.setdefault(int(index), {})[name] = value
            if states:
                optimizer.load_state_dict({**optimizer.state_dict(), "state": states})
