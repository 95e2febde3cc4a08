"""The demo on the running stack: what it promises to write is there, and fork A equals the trunk."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from imageio.v3 import imread
from PIL import Image
from rich.console import Console

from arc_fabric.client import ArcFabric
from arc_fabric.demo import CAREFUL, PUSH, STEPS, Demo


def test_three_forks_with_rewind_on_failure(stack: Any, tmp_path: Path) -> None:
    """The seven parts run; report, tree, videos and contact sheet agree with each other."""
    said = io.StringIO()
    with ArcFabric(stack.url) as fabric:
        demo = Demo(fabric, tmp_path, Console(file=said, width=200))
        try:
            report = demo.run()
        finally:
            for info in fabric.sessions("open"):
                fabric.session(info.id).close()
    assert report["fork_a_equals_trunk"] is True
    assert json.loads((tmp_path / "report.json").read_text()) == report
    branches = report["branches"]
    assert branches["B"]["prompt"] == PUSH
    assert branches["R"]["prompt"] == CAREFUL
    assert all(len(branches[letter]["steps"]) == STEPS for letter in "ABCR")
    assert len(branches["T"]["steps"]) == 2 * STEPS
    assert report["totals"]["live_frames_received"] > 0
    tree = json.loads((tmp_path / "tree.json").read_text())
    nodes = {node["id"]: node for node in tree["nodes"]}
    assert len(nodes) == 1 + 6 * STEPS
    for letter in "ABC":
        leaf = nodes[branches[letter]["leaf"]]
        assert leaf["failed"] == branches[letter]["failed"]
        assert np.isclose(leaf["score"], branches[letter]["score"])
    for letter in branches:
        assert len(imread(tmp_path / f"branch_{letter}.mp4")) == 1 + 2 * STEPS * 8
    assert Image.open(tmp_path / "contact_sheet.png").width > 1000
    assert "bit for bit" in said.getvalue()
