"""Passes of collector and check over many checkpoints, each in a process of its own: memory, and what is read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from tempfile import TemporaryDirectory

from arc_fabric.ids import new_id
from arc_fabric.store.backends import DiskBackend
from arc_fabric.store.format.manifest import MANIFEST, TENSORS, Manifest, Piece, TensorRecord, digest_of, key_of
from benchmarks.rows import Report, progress

WINDOW, LAYERS, HOUR = 5, 12, 3600.0
PIECE, ALIGNED = 4096, 64
FILE = PIECE + ALIGNED * WINDOW
"""Bytes of a tensors file."""
MOST_MEMORY = 300e6


def collector(report: Report, checkpoints: int) -> None:
    """The first pass reads every manifest, the second none; both in fresh processes."""
    with TemporaryDirectory(prefix="arc-bench-") as folder:
        progress(f"  making {checkpoints} checkpoints")
        size = _make(DiskBackend(folder, sync=False), checkpoints)
        first, second, check = (_pass(folder, what) for what in ("collect", "collect", "check"))
    about = {"seconds": first["seconds"], "bytes_read": first["read"], "manifest_bytes": size / checkpoints}
    report.add(f"collector pass over {checkpoints} checkpoints, nothing known: peak memory", first["peak"], "bytes",
               at_most=MOST_MEMORY, baselines=about)  # fmt: skip
    report.add(f"next pass over {checkpoints} checkpoints: peak memory", second["peak"], "bytes", at_most=MOST_MEMORY,
               baselines={"seconds": second["seconds"], "of_the_imports": second["imports"]})  # fmt: skip
    again = second["manifests"] / checkpoints
    report.add("next pass: bytes of manifests read per unchanged checkpoint", again, "bytes", at_most=1.0,
               baselines={"of_the_index": second["read"] / checkpoints})  # fmt: skip
    report.add(f"check (fsck) of {checkpoints} checkpoints: peak memory", check["peak"], "bytes", at_most=MOST_MEMORY,
               baselines={"seconds": check["seconds"], "of_the_imports": check["imports"]})  # fmt: skip


def _pass(folder: str, what: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks._growth.one_pass", folder, what]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _make(backend: DiskBackend, count: int) -> int:
    """Lines of 1,000 checkpoints in windows of five, as a small model makes them, an hour old; bytes of manifests.
    The pieces' bytes are a hole in each file, and take no room."""
    old, total = time.time() - HOUR, 0

    def store(manifest: Manifest) -> int:
        data = manifest.encode()
        for name, content in ((TENSORS, b"pieces"), ("frames.png", b"png"), (MANIFEST, data)):
            backend.put(key := key_of(manifest.checkpoint_id, name), content)
            if name == TENSORS:
                os.truncate(backend.path / key, FILE)
            os.utime(backend.path / key, (old, old))
        return len(data)

    for number, manifest in enumerate(_manifests(count), 1):
        total += store(manifest)
        if number % 10_000 == 0:
            progress(f"  {number}")
    return total


def _manifests(count: int) -> Iterator[Manifest]:
    line: list[str] = []
    for number in range(count):
        if number % 1000 == 0:
            line = []
        line.append(new_id("ckp"))
        window = line[-1 - (len(line) - 1) % WINDOW :]
        caches = [f"{cache}/{i:02d}" for cache in ("kv_cache1", "kv_cache_neg") for i in range(LAYERS // 2)]
        tensors = {name: _record(name, window) for name in (*caches, "latent_video", "action_history")}
        tensors |= {name: _record(name, window[-1:]) for name in ("step_latents", "frames", "ys", "clip_feas")}
        tensors["language"] = _record("language", line[:1])
        meta = {"identity": {"name": "tabletop", "weights": "w" * 64}, "prompt_text": "pick up the red cup"}
        file = {"length": FILE, "header_length": 0, "header_digest": digest_of(b"")}
        yield Manifest(line[-1], line[-2] if len(line) > 1 else None, time.time(), tensors, meta, file)


def _record(name: str, homes: list[str]) -> TensorRecord:
    pieces = tuple(
        Piece(2, PIECE, digest_of(f"{name}{home}".encode()), checkpoint=home, offset=ALIGNED * i, key=f"{name}@{2 * i}")
        for i, home in enumerate(homes)
    )
    return TensorRecord(name, "BF16", (2, 1, 2 * len(pieces), 8), 2, 1, pieces)
