"""States shaped like DreamZero's, and the storage they are checkpointed to."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from arc_fabric.services.weed import WeedServer
from arc_fabric.store import TensorEntry
from arc_fabric.store.backends import Backend, ObjectInfo, S3Backend
from arc_fabric.store.backends.base import Buffer, as_parts

BUCKET = "bench"


@dataclass(frozen=True)
class Shape:
    """Sizes of one model's state at batch size 1."""

    layers: int
    tokens: int
    """Per latent frame."""
    heads: int
    latents: tuple[int, int, int]
    """C, h, w of one latent frame."""
    ys: tuple[int, ...]

    def frame_bytes(self) -> int:
        """KV bytes of one latent frame, both branches."""
        return 2 * self.layers * 2 * self.tokens * self.heads * 128 * 2


def dreamzero_14b(layers: int) -> Shape:
    """352x640, 40 layers in the real model."""
    return Shape(layers, 880, 40, (16, 44, 80), (1, 20, 9, 44, 80))


def dreamzero_5b(layers: int) -> Shape:
    """160x320, 30 layers in the real model."""
    return Shape(layers, 50, 24, (48, 10, 20), (1, 52, 9, 10, 20))


class World:
    """A state that grows as DreamZero's does: KV by torch.cat, two latent frames per step, whole tensors replaced."""

    def __init__(self, shape: Shape, tensors: dict[str, torch.Tensor], device: str) -> None:
        self.shape, self.tensors, self.device = shape, tensors, device

    @classmethod
    def start(cls, shape: Shape, device: str = "cpu", frames: int = 1) -> World:
        """A window with some latent frames of KV, zero cross-attention caches, conditioning and latents."""
        world = cls(shape, {}, device)
        tensors = {name: world.noise(2, 1, frames * shape.tokens, shape.heads, 128) for name in world.kv_names()}
        for i in range(shape.layers):
            tensors[f"crossattn_cache/{i:02d}"] = torch.zeros(
                2, 1, 512, shape.heads, 128, dtype=torch.bfloat16, device=device
            )
        tensors |= {"clip_feas": world.noise(1, 257, 1280), "ys": world.noise(*shape.ys)}
        tensors["language"] = torch.arange(512, device=device).reshape(1, 512)
        return cls(shape, tensors | world.latents(None, frames), device)

    def step(self, blocks: int = 2) -> World:
        """The next state; this one is left alone."""
        tensors = dict(self.tensors)
        for name in self.kv_names():
            new = self.noise(2, 1, blocks * self.shape.tokens, self.shape.heads, 128)
            tensors[name] = torch.cat([tensors[name], new], dim=2)
        return World(self.shape, tensors | self.latents(tensors["latent_video"], blocks), self.device)

    def entries(self) -> list[TensorEntry]:
        """The bridge to the store."""
        cuts = {"kv_cache1": (2, self.shape.tokens), "kv_cache_neg": (2, self.shape.tokens), "latent_video": (1, 1)}
        return [TensorEntry(n, t, *cuts.get(n.split("/")[0], (None, 1))) for n, t in self.tensors.items()]

    def added_since(self, parent: World | None) -> int:
        """Bytes of what is new: longer tensors' tails, replaced tensors whole, everything but zeros without a parent.

        `step_latents` are the tail of `latent_video`, and count once.
        """
        new = 0
        for name, tensor in self.tensors.items():
            old = None if parent is None else parent.tensors[name]
            if tensor is not old and name != "step_latents" and not name.startswith("crossattn"):
                new += tensor.nbytes - (0 if old is None else old.nbytes)
        return new

    def size(self) -> int:
        """Bytes of all tensors but the zeros."""
        return sum(t.nbytes for n, t in self.tensors.items() if not n.startswith("crossattn"))

    def copy(self) -> dict[str, torch.Tensor]:
        """The obvious snapshot: a deep copy of everything to the CPU."""
        return {name: tensor.to("cpu", copy=True) for name, tensor in self.tensors.items()}

    def kv_names(self) -> list[str]:
        """The growing caches."""
        return [f"{cache}/{i:02d}" for cache in ("kv_cache1", "kv_cache_neg") for i in range(self.shape.layers)]

    def latents(self, window: torch.Tensor | None, count: int) -> dict[str, torch.Tensor]:
        """The latents a step adds, alone and appended to the window's."""
        new = torch.randn(1, count, *self.shape.latents).to(torch.bfloat16)
        return {"step_latents": new, "latent_video": new.clone() if window is None else torch.cat([window, new], 1)}

    def noise(self, *shape: int) -> torch.Tensor:
        """Random bits in bf16 (finite), made fast."""
        bits = torch.randint(-(1 << 62), 1 << 62, (-(-_count(shape) // 4),), device=self.device)
        return (bits.view(torch.int16)[: _count(shape)] & 0x3FFF).view(torch.bfloat16).reshape(shape)


class Counting(Backend):
    """Counts what is written through it."""

    def __init__(self, inner: Backend) -> None:
        self.inner, self.written = inner, 0

    def put(self, key: str, parts: Buffer | Sequence[Buffer]) -> None:
        self.written += sum(len(part) for part in as_parts(parts))
        self.inner.put(key, parts)

    def readinto(self, key: str, offset: int, buffers: Sequence[memoryview]) -> None:
        self.inner.readinto(key, offset, buffers)

    def rest(self, key: str, offset: int) -> bytes:
        return self.inner.rest(key, offset)

    def stat(self, key: str) -> ObjectInfo:
        return self.inner.stat(key)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        return self.inner.list(prefix)

    def delete(self, key: str) -> None:
        self.inner.delete(key)


@contextmanager
def object_store() -> Iterator[S3Backend]:
    """A real S3 server on the loopback, and a client of it."""
    with TemporaryDirectory(prefix="arc-bench-") as folder:
        server = WeedServer(Path(folder), bucket=BUCKET)
        server.start()
        pair = server.credentials
        backend = S3Backend(server.endpoint, pair.access_key, pair.secret_key, BUCKET)
        try:
            yield backend
        finally:
            backend.close()
            server.stop()


def clock(work: Callable[[], object]) -> float:
    """Seconds of one call, the device's work included."""
    settle()
    began = time.perf_counter()
    work()
    settle()
    return time.perf_counter() - began


def settle() -> None:
    """Wait for the device."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _count(shape: Sequence[int]) -> int:
    total = 1
    for size in shape:
        total *= size
    return total
