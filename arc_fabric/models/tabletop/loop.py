"""The training loop shared by all stages: schedule, averaged weights, progress bar, checkpoints that resume."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from arc_fabric.models.tabletop.optimizer import MuonAdam

LossFunction = Callable[[int], dict[str, Tensor]]
"""Step number -> named losses; "loss" is the one to minimise."""


@dataclass
class Budget:
    """When to stop: after `steps` updates or `minutes` of training time, whichever comes first."""

    steps: int
    minutes: float
    warm_up: int = 60
    cool_down: float = 0.75
    """Share of the budget over which the learning rate falls to `floor`."""
    floor: float = 0.02

    def progress(self, step: int, seconds: float) -> float:
        """Share of the budget that is spent, 0..1."""
        return min(1.0, max(step / self.steps, seconds / (60 * self.minutes)))

    def rate(self, step: int, seconds: float) -> float:
        """Learning-rate factor: linear warm-up, constant, linear fall."""
        fall = min(1.0, (1 - self.progress(step, seconds)) / self.cool_down)
        return min(1.0, (step + 1) / self.warm_up) * max(self.floor, fall)


@dataclass
class Peers:
    """Processes that train the same model on other data and meet now and then (local SGD): each leaves its weights
    in a file and continues from the mean of all files. One thread each, they use two busy cores better than one
    process of two threads."""

    folder: Path
    rank: int
    count: int
    every: int = 20
    seen: dict[Path, int] = field(default_factory=dict)
    """When the others' files that were last read were written: what a slow peer left before is not read again."""

    def meet(self, model: nn.Module) -> None:
        """Leave the weights and take the mean with what the others left since the last time."""
        self._leave(model.state_dict())
        found = []
        for path in self.folder.glob("peer-*.safetensors"):
            written = path.stat().st_mtime_ns
            if path != self._file(self.rank) and self.seen.get(path) != written:
                self.seen[path] = written
                found.append(load_file(path))
        with torch.no_grad():
            for name, value in model.state_dict().items():
                for n, other in enumerate(found):
                    value.lerp_(other[name].to(value.device), 1 / (n + 2))

    def forget(self) -> None:
        """Remove what this process left in an earlier run."""
        self._file(self.rank).unlink(missing_ok=True)

    def _file(self, rank: int) -> Path:
        return self.folder / f"peer-{rank}.safetensors"

    def _leave(self, state: dict[str, Tensor]) -> None:
        temporary = self._file(self.rank).with_suffix(".tmp")
        save_file({k: v.contiguous() for k, v in state.items()}, temporary)
        temporary.replace(self._file(self.rank))


class Trainer:
    """Trains one module; keeps an exponential average of its weights and can resume from its checkpoint file."""

    def __init__(
        self,
        model: nn.Module,
        optimizer: MuonAdam,
        budget: Budget,
        checkpoint: Path,
        *,
        average: float = 0.997,
        peers: Peers | None = None,
    ) -> None:
        self.peers = peers
        self.model, self.optimizer, self.budget, self.checkpoint = model, optimizer, budget, checkpoint
        self.decay = average
        self.average = {k: v.detach().clone().float() for k, v in model.state_dict().items()}
        self.step, self.seconds = 0, 0.0

    def save(self) -> None:
        """Write weights, average and optimizer state to the checkpoint file (safetensors, no pickle)."""
        parts = {"model": self.model.state_dict(), "average": self.average, "optimizer": self.optimizer.state}
        tensors = {f"{part}/{k}": v.contiguous() for part, state in parts.items() for k, v in state.items()}
        about = json.dumps({"step": self.step, "seconds": self.seconds})
        self.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.checkpoint.with_suffix(".tmp")
        save_file(tensors, temporary, metadata={"about": about})
        temporary.replace(self.checkpoint)

    def resume(self) -> bool:
        """Continue from the checkpoint file if there is one."""
        if not self.checkpoint.exists():
            return False
        with safe_open(self.checkpoint, "pt") as file:
            about = json.loads(file.metadata()["about"])
            parts: dict[str, dict[str, Tensor]] = {"model": {}, "average": {}, "optimizer": {}}
            for key in file.keys():  # noqa: SIM118 - safe_open is no mapping
                part, name = key.split("/", 1)
                parts[part][name] = file.get_tensor(key)
        self.model.load_state_dict(parts["model"])
        self.average = parts["average"]
        for name, value in parts["optimizer"].items():
            self.optimizer.state[name].copy_(value)
        self.step, self.seconds = about["step"], about["seconds"]
        self.optimizer.steps = self.step
        return True

    def averaged(self) -> dict[str, Tensor]:
        """The averaged weights, to be exported."""
        return self.average

    def _follow(self) -> None:
        decay = min(self.decay, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for name, value in self.model.state_dict().items():
                self.average[name].lerp_(value.float(), 1 - decay)

    def train(
        self,
        losses: LossFunction,
        *,
        title: str,
        every: int = 50,
        save_seconds: float = 120.0,
        on_save: Callable[[], None] = lambda: None,
    ) -> None:
        """Run until the budget is spent; logs every `every` steps, saves every `save_seconds`."""
        console = Console()
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        sums: dict[str, float] = {}
        summed = self.step
        saved = time.monotonic()
        with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
            bar = bars.add_task(title, total=1.0, note="")
            while self.budget.progress(self.step, self.seconds) < 1:
                started = time.monotonic()
                self._update(losses, sums)
                self.seconds += time.monotonic() - started
                bars.update(bar, completed=self.budget.progress(self.step, self.seconds))
                if self.step % every == 0:
                    note = " ".join(f"{k} {v / (self.step - summed):.4f}" for k, v in sums.items())
                    bars.update(bar, note=f"step {self.step} {note}")
                    if not console.is_terminal:
                        print(f"{title} step {self.step} {self.seconds / 60:.1f} min {note}", flush=True)
                    sums.clear()
                    summed = self.step
                if time.monotonic() - saved > save_seconds:
                    self.save()
                    on_save()
                    saved = time.monotonic()
        self.save()
        on_save()

    def _update(self, losses: LossFunction, sums: dict[str, float]) -> None:
        values = losses(self.step)
        values["loss"].backward()
        self.optimizer.step(self.budget.rate(self.step, self.seconds))
        self.step += 1
        self._follow()
        if self.peers is not None and self.step % self.peers.every == 0:
            self.peers.meet(self.model)
        for name, value in values.items():
            sums[name] = sums.get(name, 0.0) + float(value.detach())


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

    def trainer(self, name: str, model: nn.Module, optimizer: MuonAdam, budget: Budget) -> Trainer:
        """The trainer of a stage, with its checkpoint in `folder/<name>.safetensors`."""
        if self.start:
            model.load_state_dict(self.start)
        trainer = Trainer(model, optimizer, budget, self.folder / f"{name}.safetensors")
        if self.resume:
            trainer.resume()
        return trainer
