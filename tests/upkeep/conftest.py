"""The workers' fixtures, and the command line in this process, with the settings of whoever calls it."""

from __future__ import annotations

from typing import Any

import pytest

from arc_fabric.settings import Settings
from tests.cli.conftest import Cli
from tests.workers.conftest import fleet

__all__ = ["fleet"]


class Terminal:
    """`terminal(settings, "gc", "--dry-run")`: what the command prints with --json."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, cli: Cli) -> None:
        self._monkeypatch, self._cli = monkeypatch, cli

    def __call__(self, settings: Settings, *words: str, code: int = 0) -> dict[str, Any]:
        """Run it under these settings and expect this exit code."""
        with self._monkeypatch.context() as changed:
            for name, value in settings.to_env().items():
                changed.setenv(name, value)
            facts: dict[str, Any] = self._cli(*words, "--json", code=code).json
            return facts


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    """The command line."""
    return Terminal(monkeypatch, Cli(monkeypatch, capsys))
