"""`--json` on the processes that stay in the foreground: one line on standard output, once they are ready."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from arc_fabric.services.ports import free_ports
from arc_fabric.settings import Settings

pytestmark = pytest.mark.timeout(120)
Start = Callable[..., tuple[dict[str, Any], subprocess.Popen[str]]]


@pytest.fixture
def start(settings: Settings, tmp_path: Path) -> Iterator[Start]:
    """Starts a command with --json, reads its line, and ends it at the end."""
    with ExitStack() as stack:

        def run(*words: str, **changes: Any) -> tuple[dict[str, Any], subprocess.Popen[str]]:
            env = {**os.environ, **settings.replaced(**changes).to_env()}
            log = stack.enter_context((tmp_path / f"{words[0]}.log").open("w"))
            command = [sys.executable, "-m", "arc_fabric", *words, "--json"]
            child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=env)
            stack.callback(end, child)
            assert child.stdout is not None
            line = child.stdout.readline()
            assert line, (tmp_path / f"{words[0]}.log").read_text()[-2000:]
            return json.loads(line), child

        yield run


def end(child: subprocess.Popen[str]) -> str:
    """SIGTERM, and what else was on standard output."""
    if child.poll() is None:
        child.send_signal(signal.SIGTERM)
    rest, _ = child.communicate(timeout=30)
    return rest


def test_a_worker_says_when_it_takes_work(start: Start) -> None:
    """Its record, and nothing else on standard output."""
    facts, child = start("worker", "--name", "media")
    assert (facts["name"], facts["role"], facts["state"], facts["pid"]) == ("media", "media", "idle", child.pid)
    assert facts["machine"]["memory_total_bytes"] > 0
    assert end(child) == ""


def test_the_web_app_says_where_it_listens(start: Start) -> None:
    """The address answers when the line is there."""
    facts, child = start("web", port=free_ports(1)[0])
    assert facts["pid"] == child.pid
    with urlopen(facts["url"] + "/healthz", timeout=30) as answer:
        assert answer.status == 200
    assert end(child) == ""


def test_flower_says_where_it_answers(start: Start) -> None:
    """The same for Flower."""
    facts, child = start("flower", flower_port=free_ports(1)[0])
    assert facts["pid"] == child.pid
    with urlopen(facts["url"] + "/healthcheck", timeout=30) as answer:
        assert answer.status == 200
