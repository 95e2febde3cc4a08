"""Every example runs against a real system and says what it promises."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from arc_fabric.client import ArcFabric
from tests.support.web_server import WebServer

ROOT = Path(__file__).parents[2]


def run(web: WebServer, name: str, *words: str, code: int = 0) -> str:
    """What `python examples/<name>.py` prints."""
    command = [sys.executable, str(ROOT / "examples" / f"{name}.py"), "--url", web.url, *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def test_a_sweep(web: WebServer, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    said = run(web, "sweep", "--seeds", "2", "--steps", "1", "--report", str(report))
    assert said.count("seed 0") == said.count("seed 1") == 2
    assert len(re.findall(r"': (not judged|\d+%), \d+% to \d+% of 2$", said, re.MULTILINE)) == 2, said
    assert "<!doctype html>" in report.read_text()[:100]


def test_best_of_n(web: WebServer) -> None:
    said = run(web, "best_of_n", "--n", "3", "--steps", "1")
    assert said.count("<- best") == 1
    assert "goes on from ckp_" in said


def test_planning_ahead(web: WebServer) -> None:
    said = run(web, "mpc", "--steps", "2", "--ahead", "1", "--population", "3", "--rounds", "1")
    assert "step 1: planned" in said
    assert "step 2: planned" in said


def test_a_gate(web: WebServer, fabric: ArcFabric) -> None:
    trunk = fabric.new_session("push it", seed=7)
    runs = [
        fabric.evaluate(checkpoints=[trunk.head], repeats=8, steps=1,
                        scorers=[{"name": "motion", "options": {"least": least}}])
        for least in (0.0, 255.0)
    ]  # fmt: skip
    good, bad = (one.wait(120).id for one in runs)
    assert "8 pairs" in run(web, "ci_gate", good, good)
    assert "p = 0.0078" in run(web, "ci_gate", good, bad, code=1)
    run(web, "ci_gate", bad, good)
