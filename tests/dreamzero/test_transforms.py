"""Cameras, prompts, states and actions go through DreamZero's own transforms as they should."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(
    not os.environ.get("ARC_FABRIC_DREAMZERO_SRC"),
    reason="NOT TESTED ON DREAMZERO: set ARC_FABRIC_DREAMZERO_SRC to a checkout of github.com/dreamzero0/dreamzero",
)
def test_policy_transforms_on_the_real_ones(tmp_path: Path) -> None:
    """See transforms_program.py, which runs in a process of its own."""
    command = [sys.executable, "-m", "tests.dreamzero.transforms_program", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280)
    if done.returncode == 77:
        pytest.skip("NOT TESTED ON DREAMZERO: its transforms need torchvision, opencv and ftfy")
    assert done.returncode == 0, done.stdout + done.stderr
