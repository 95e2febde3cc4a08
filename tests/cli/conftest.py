"""Run the command line in this process, as a user would type it."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from arc_fabric.cli import main
from tests.services.stack import RunningStack


@dataclass(frozen=True)
class Outcome:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON object on stdout."""
        return json.loads(self.out)


class Cli:
    """`cli("step", "last", "--json")`; `url` is given to every command once it is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys
        self.url: str | None = None

    def __call__(self, *words: str, code: int = 0) -> Outcome:
        """Run it and expect this exit code."""
        where = ["--url", self.url] if self.url else []
        self._monkeypatch.setattr(sys, "argv", ["arc-fabric", *where, *words])
        self._capsys.readouterr()
        ended = 0
        try:
            main()
        except SystemExit as end:
            ended = int(end.code or 0)
        printed = self._capsys.readouterr()
        assert ended == code, f"{words}: exit {ended}\n{printed.out}\n{printed.err}"
        return Outcome(ended, printed.out, printed.err)


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Cli:
    """The command line, with an empty data directory and no settings of the person who runs the tests."""
    monkeypatch.chdir(tmp_path)
    return Cli(monkeypatch, capsys)


@pytest.fixture
def remote_cli(cli: Cli, stack: RunningStack) -> Cli:
    """The command line, talking to the running system."""
    cli.url = stack.url
    return cli


@pytest.fixture
def picture(tmp_path: Path) -> str:
    """An initial frame."""
    path = tmp_path / "frame.png"
    Image.new("RGB", (96, 96), (180, 90, 60)).save(path)
    return str(path)
