"""The examples of docs/reference/client.md run, in order, against a real server."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arc_fabric.client import ArcFabric
from tests.support.web_server import WebServer

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "client.md").read_text()


def test_the_examples_run(web: WebServer, frame: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every python block, each on the names of those before it."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"url": web.url, "image": frame}
    blocks = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    assert len(blocks) >= 6
    for block in blocks:
        exec(compile(block, "docs/reference/client.md", "exec"), names)
    assert (tmp_path / "branch.mp4").stat().st_size > 1000
    names["fabric"].close()


def test_public_names_are_documented() -> None:
    """What the package exports appears in the text or is an answer's type."""
    from arc_fabric import client

    for name in ("ArcFabric", "LiveFrame"):
        assert name in TEXT
    methods = [name for name in dir(ArcFabric) if not name.startswith("_")]
    assert {"wait", "submit", "compare", "stream", "samples"} <= set(methods)
    assert "RemoteSession" in client.__all__
