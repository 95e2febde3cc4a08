"""A toy of DreamZero's two-GPU launch: two branches of guidance, each with caches of its own, one per rank.

Alone (`load`) one process holds both branches; over two ranks (`shard`) each holds one, and they exchange what they
predict in every step. The bits are the same.
"""

from __future__ import annotations

import hashlib
import os

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from arc_fabric.errors import InvalidRequest
from arc_fabric.models.contract import Abilities, Geometry, ModelIdentity, Part, State, StepInput, StepOutput
from arc_fabric.ranks import Group

SIZE, GRID, CHANNELS, TOKENS, WIDTH, CAPACITY, LAYERS = 32, 4, 4, 4, 16, 5, 2
BLOCK_BYTES = LAYERS * 2 * TOKENS * WIDTH * 2
"""Keys and values that one branch writes in a step, bfloat16."""
WRITES, HALF, DIES, EXPORT, REFUSED = 1, 2, 3, 4, 5
"""Where a step fails: `state` of a step is [rank, place]."""


class Branch:
    """One branch: rolling caches written in place, a log that is appended to, a replaced memory, a generator."""

    parts = {
        "k": Part("rolling", layers=True, axis=1, unit=TOKENS, capacity=CAPACITY * TOKENS, written="written"),
        "v": Part("rolling", layers=True, axis=1, unit=TOKENS, capacity=CAPACITY * TOKENS, written="written"),
        "log": Part("appended", axis=1, unit=1), "memory": Part("replaced"), "counts": Part("in_place"),
        "noise": Part("rng"), "written": Part("scalar"),
    }  # fmt: skip

    def __init__(self, number: int) -> None:
        g = torch.Generator().manual_seed(number)
        self.number = number
        self.weights = {n: torch.randn(WIDTH, WIDTH, generator=g) / WIDTH**0.5 for n in ("in", "q", "k", "v", "out")}
        shape = (1, CAPACITY * TOKENS, WIDTH)
        self.k, self.v = ([torch.zeros(shape, dtype=torch.bfloat16) for _ in range(LAYERS)] for _ in range(2))
        self.counts = torch.zeros(3, dtype=torch.float64)
        self.reset()

    def reset(self) -> None:
        self.log: Tensor | None = None
        self.memory = torch.zeros(WIDTH)
        self.counts.zero_()
        self.noise = torch.Generator().manual_seed(self.number)
        self.written = 0

    def export_state(self) -> State:
        names = ("k", "v", "log", "memory", "counts", "written")
        return {name: getattr(self, name) for name in names} | {"noise": self.noise.get_state()}

    def load_state(self, state: State) -> None:
        self.log, self.memory, self.written = state["log"], state["memory"], int(state["written"])  # type: ignore
        self.noise.set_state(state["noise"])  # type: ignore[arg-type]

    def predict(self, x: Tensor, prompt: str) -> Tensor:
        text = torch.tensor(list(hashlib.sha256((prompt if not self.number else "").encode()).digest()[:WIDTH])) / 255
        y = x @ self.weights["in"] + text + self.memory + torch.randn(WIDTH, generator=self.noise) * 0.1
        used = min(self.written, CAPACITY * TOKENS)
        for k, v in zip(self.k, self.v, strict=True):
            if used:
                scores = (y @ self.weights["q"]) @ k[0, :used].float().T / WIDTH**0.5
                y = y + scores.softmax(-1) @ v[0, :used].float()
        return (y @ self.weights["out"] + float(self.counts.sum()) * 1e-3).tanh()

    def write(self, y: Tensor, fail: bool) -> None:
        over = max(0, self.written + TOKENS - CAPACITY * TOKENS)
        at = min(self.written, (CAPACITY - 1) * TOKENS)
        for layer in range(LAYERS):
            for buffer, name in ((self.k[layer], "k"), (self.v[layer], "v")):
                if over:
                    buffer[:, :at] = buffer[:, TOKENS:].clone()
                buffer[0, at : at + TOKENS] = (y @ self.weights[name] + layer).bfloat16()
            if fail:
                raise ValueError("broken in the middle of its writes")
        self.written += TOKENS
        mean = y.mean(0)
        self.log = mean[None, None] if self.log is None else torch.cat([self.log, mean[None, None]], 1)
        self.memory = 0.5 * self.memory + mean
        self.counts += mean.double()[:3]


class Guided:
    """`branches` of guidance in this process; of two ranks the other one has the other."""

    abilities = Abilities(
        steers_with_actions=False, batches=False, batch_bit_exact=False, rebuilds_kv=False, predicts_actions=False,
        needs_picture=False,
    )  # fmt: skip
    geometry = Geometry(
        image_height=SIZE, image_width=SIZE, fps=8.0, frames_per_latent=2, latents_per_block=1, window=0,
        latent_channels=CHANNELS, latent_height=GRID, latent_width=GRID, tokens_per_latent=TOKENS, layers=LAYERS,
        heads=1, head_dim=WIDTH, action_dim=0, action_horizon=0, state_dim=2,
    )  # fmt: skip

    def __init__(self, branches: tuple[int, ...], group: Group | None = None) -> None:
        torch.set_num_threads(1)
        self.device, self.group, self._fail_export = torch.device("cpu"), group, False
        self.branches = [Branch(number) for number in branches]
        self.parts = Branch.parts
        if group is None:
            self.parts = {
                f"{name}{b.number}": _of(part, b.number) for b in self.branches for name, part in Branch.parts.items()
            }

    def identity(self) -> ModelIdentity:
        sampler = {"branches": [branch.number for branch in self.branches]}
        return ModelIdentity(
            "guided toy", "seeded", "bfloat16", "explicit", "cpu", sampler, {"torch": torch.__version__}
        )

    def fit_image(self, image: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(image[:SIZE, :SIZE])

    def reset(self) -> None:
        for branch in self.branches:
            branch.reset()

    def export_state(self) -> State:
        if self._fail_export:
            self._fail_export = False
            raise ValueError("broken while its state is read")
        if self.group is not None:
            return self.branches[0].export_state()
        return {f"{name}{b.number}": value for b in self.branches for name, value in b.export_state().items()}

    def load_state(self, state: State) -> None:
        for branch in self.branches:
            named = {name: state[name if self.group else f"{name}{branch.number}"] for name in Branch.parts
                     if Branch.parts[name].kind not in ("rolling", "in_place")}  # fmt: skip
            branch.load_state(named)

    @torch.no_grad()
    def step(self, given: StepInput) -> StepOutput:
        fails = self._fails(given)
        if fails == REFUSED:
            raise InvalidRequest("This toy does not take that.")
        if fails == WRITES:
            raise ValueError("broken before it predicts")
        draw = torch.Generator().manual_seed(1000 * given.seed + given.step)
        x = torch.randn(TOKENS, WIDTH, generator=draw)
        with_text, without = self._exchanged([branch.predict(x, given.prompt) for branch in self.branches])
        y = without + 2 * (with_text - without)
        for branch in self.branches:
            branch.write(y, fails == HALF)
        if fails == DIES:
            os._exit(9)
        self._fail_export = fails == EXPORT
        latents = y.view(1, 1, CHANNELS, GRID, GRID).clone()
        pixels = (latents[0, 0, :3].permute(1, 2, 0) * 60 + 128).round().clamp(0, 255).to(torch.uint8)
        frame = pixels.repeat_interleave(SIZE // GRID, 0).repeat_interleave(SIZE // GRID, 1)
        return StepOutput(frame[None].repeat(2, 1, 1, 1).numpy(), latents)

    def _fails(self, given: StepInput) -> int:
        rank = 0 if self.group is None else self.group.rank
        return int(given.state[1]) if given.state is not None and int(given.state[0]) == rank else 0

    def _exchanged(self, made: list[Tensor]) -> list[Tensor]:
        if self.group is None:
            return made
        both = [torch.empty_like(made[0]) for _ in range(self.group.size)]
        dist.all_gather(both, made[0], group=self.group.group)
        return both[:2]


class Careless(Guided):
    """Writes in place what it declares to replace."""

    def step(self, given: StepInput) -> StepOutput:
        if self.branches[0].log is not None:
            self.branches[0].log[..., 0] += 1
        return super().step(given)


def _of(part: Part, number: int) -> Part:
    return Part(**{**vars(part), "written": f"{part.written}{number}" if part.written else ""})


def load(device: str = "cpu") -> Guided:
    """Both branches in one process."""
    return Guided((0, 1))


def shard(group: Group, device: str) -> Guided:
    """One branch per rank; more ranks than two hold the second one."""
    return Guided((min(group.rank, 1),), group)


def careless(group: Group, device: str) -> Guided:
    """Rank 1 is."""
    return (Careless if group.rank else Guided)((group.rank,), group)


def unmakeable(group: Group, device: str) -> Guided:
    """Rank 1 cannot be made."""
    if group.rank:
        raise ValueError("no weights for this rank")
    return shard(group, device)


def launched(ranks: str = "2"):
    """Over so many ranks, for a fresh process."""
    from arc_fabric.ranks import launch

    return launch("tests.ranks.toy:shard", ["cpu"] * int(ranks))
