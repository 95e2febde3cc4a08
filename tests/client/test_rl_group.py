"""examples/rl_group.py runs as a user runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from arc_fabric.client import ArcFabric

ROOT = Path(__file__).resolve().parents[2]


def test_the_example_trains_on_a_group(fabric: ArcFabric) -> None:
    """Every world of it is a branch of one tree, and its slots are free afterwards."""
    command = [sys.executable, "examples/rl_group.py", "--url", fabric.transport.url, "--worlds", "3", "--rounds", "2",
               "--steps", "2"]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert len(told["returns"]) == 2
    lineages = [fabric.checkpoint(head).lineage for head in told["heads"]]
    assert len({lineage[0] for lineage in lineages}) == 1
    assert [len(lineage) for lineage in lineages] == [3, 3, 3]
    assert fabric.sessions(state="open") == []


def test_advantages_are_within_the_group() -> None:
    sys.path.insert(0, str(ROOT / "examples"))
    try:
        from rl_group import advantages
    finally:
        sys.path.pop(0)
    assert advantages(np.array([1.0, 2.0, 3.0])) == pytest.approx([-1.2247, 0, 1.2247], abs=1e-3)
    assert advantages(np.ones(3)).tolist() == [0, 0, 0]
