"""A first session on an empty server, and a server that goes away and comes back. On a system of its own."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from arc_fabric.services.ports import free_ports
from tests.page.view import View
from tests.page.world import World
from tests.services.stack import RunningStack

LOST = (r"WebSocket connection", r"ERR_CONNECTION_REFUSED", r"Failed to load resource", r"ERR_")
"""What Chromium itself logs while nothing listens."""


@pytest.fixture(scope="module")
def own_stack(chromium: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """A system that the tests of this file may stop and start; its port stays."""
    port = str(free_ports(1)[0])
    running = RunningStack(tmp_path_factory.mktemp("own"), "--devices", "cpu", "--no-flower", "--port", port)
    try:
        yield running.start()
    finally:
        if running.process is not None:
            running.stop()


@pytest.mark.first
def test_first_session_in_one_press(own_stack: RunningStack, view: View) -> None:
    """The empty page offers one button; after it a world unfolds by itself, live, step by step."""
    view.open(own_stack.url + "/").until("s.treeStatus === 'empty'")
    assert view.page.get_by_text("Nothing here yet").is_visible()
    view.click("Start a first session")
    view.until("s.nodes >= 2 && s.panes.length === 1", timeout=60)
    view.until("s.nodes === 9 && s.total === 65", timeout=120).until("s.shown.frame === 64")
    assert view.state()["stream"]["frames"] > 0
    assert view.page.get_by_text("Start a first session").count() == 0


def test_a_killed_web_server_costs_nothing(own_stack: RunningStack, view: View) -> None:
    """kill -9 of the web server while a job runs: a banner, then every node is there, by itself, and steps go on."""
    world = World(own_stack.url)
    session = world.plant(1)
    view.open(world.link([session])).allow(*LOST)
    world.ok("POST", f"/api/sessions/{session['id']}/step", json={"steps": 12})
    view.until("s.nodes >= 3")
    os.kill(own_stack.pid("web"), signal.SIGKILL)
    view.until("s.connection === 'lost'")
    view.page.get_by_text("The connection to the server is lost").wait_for()
    view.until("s.connection === 'live'", timeout=60)
    view.page.locator("#banner").wait_for(state="hidden", timeout=5000)
    view.until(
        f"s.nodes === 14 && s.sessions.find((one) => one.id === '{session['id']}').frame_index === 13", timeout=60
    )
    assert len(world.tree(session["id"])) == 14
    world.close_sessions()
    world.close()


def test_a_restart_of_everything(own_stack: RunningStack, view: View) -> None:
    """All services stop and start again: the page waits, comes back to the same view, and steps on."""
    world = World(own_stack.url)
    session = world.plant(2)
    view.open(world.link([session], frame=7)).allow(*LOST)
    world.close()
    own_stack.stop()
    view.until("s.connection === 'lost'")
    own_stack.start()
    view.until("s.connection === 'live'", timeout=90)
    assert view.state()["frame"] == 7
    view.page.get_by_label("Steps", exact=True).first.fill("1")
    view.press("Control+Enter").until("s.nodes === 4 && s.total === 25", timeout=60)
