"""A Chromium, the whole system for it to talk to, and a page that must stay silent.

    chromium      one browser process (playwright)       world    worlds over HTTP; sessions are closed after each test
    page_stack    `arc-fabric up` with the real model    view     a page; a console error or warning fails the test

Without a Chromium the tests are skipped; in CI, where root could have installed one, they fail.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks._page import browser
from tests.page.view import View
from tests.page.world import World
from tests.services.stack import RunningStack
from tests.support.kept import kept

MODEL = "python:tests.page.stumbling:make_model"
BUILD = Path(__file__).resolve().parents[2] / "build" / "screenshots"


@pytest.fixture(scope="module")
def chromium() -> Any:
    """The browser, kept for all tests that want it."""
    path = browser.path()
    if path is None:
        if os.environ.get("CI") == "true" and os.geteuid() == 0 and shutil.which("apt-get"):
            pytest.fail(browser.ABSENT)
        pytest.skip(browser.ABSENT)
    return kept.get("chromium", lambda: browser.browser(path), patience=2)


@pytest.fixture(scope="module")
def page_stack(chromium: Any, tmp_path_factory: pytest.TempPathFactory) -> RunningStack:
    """The whole system for the tests of the page. Asks for the browser first: without one it need not start."""
    flags = ("--devices", "cpu", "--no-flower", "--model", MODEL)
    made: RunningStack = kept.get("page_stack", lambda: RunningStack(tmp_path_factory.mktemp("page"), *flags).running())
    return made


@pytest.fixture
def world(page_stack: RunningStack) -> Iterator[World]:
    """Worlds on that system."""
    made = World(page_stack.url)
    yield made
    made.close_sessions()
    made.close()


@pytest.fixture
def view(chromium: Any) -> Iterator[View]:
    """A page in a context of its own."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800}, reduced_motion="no-preference")
    made = View(context.new_page())
    yield made
    noise = [line for line in made.noise if not any(re.search(allowed, line) for allowed in made.allowed)]
    context.close()
    assert not noise, f"the page complained: {noise}"


@pytest.fixture(scope="session")
def shots() -> Path:
    """Where screenshots go; the folder is not in the repository."""
    BUILD.mkdir(parents=True, exist_ok=True)
    return BUILD
