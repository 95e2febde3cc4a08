"""A long run stays within its budgets, measured as the resident memory of a process that does nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import psutil
import torch

from arc_fabric.store import SnapshotStore, TensorEntry
from arc_fabric.store.backends import DiskBackend

MIB = 1 << 20
HOST, UPLOAD, WINDOW, STEP = 8 * MIB, 8 * MIB, 8, MIB
SLACK = 24 * MIB


def test_resident_memory_is_bounded_by_the_budgets(tmp_path: Path) -> None:
    """130 checkpoints of up to 8 MiB, and restores of old ones, take no more than budgets, a window and some slack. In
    a process of its own: in one that has run a thousand tests, what others left behind moves as well."""
    program = "import sys; from tests.store.write.test_memory import long_run; long_run(sys.argv[1])"
    command = [sys.executable, "-c", program, str(tmp_path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=250)
    facts = json.loads(done.stdout)
    print(f"resident memory grew by {facts['grown'] / MIB:.0f} MiB over 110 checkpoints of {STEP / MIB:.0f} MiB each")
    assert facts["grown"] < HOST + UPLOAD + 4 * WINDOW * STEP + SLACK
    assert facts["usage"]["host"]["bytes"] <= HOST + UPLOAD
    assert facts["usage"]["upload"]["peak_bytes"] <= UPLOAD


def long_run(folder: str) -> None:
    """Make the checkpoints; prints by how much the process grew, and what the store says of itself."""
    backend = DiskBackend(Path(folder), sync=False)
    store = SnapshotStore(backend, host_cache_bytes=HOST, upload_budget_bytes=UPLOAD)
    process, base, peak = psutil.Process(), 0, 0
    state: torch.Tensor | None = None
    for i in range(130):
        new = torch.randint(0, 255, (1, 1, STEP // 64, 64), dtype=torch.uint8)
        full = state is None or state.shape[2] * 64 >= WINDOW * STEP
        state = new if full else torch.cat([state, new], dim=2)
        entry = TensorEntry("kv_cache1/00", state, 2, STEP // 64)
        store.put(f"c{i}", [entry], {}, parent_id=f"c{i - 1}" if i else None)
        if i % 7 == 0:
            store.get(f"c{i * 3 // 4}")
        if i == 20:
            base = process.memory_info().rss - _held(store)
        if i > 20:
            peak = max(peak, process.memory_info().rss)
    print(json.dumps({"grown": peak - base, "usage": store.usage()}))
    store.close()


def _held(store: SnapshotStore) -> int:
    usage = store.usage()
    return usage["host"]["bytes"] + usage["upload"]["in_flight_bytes"]
