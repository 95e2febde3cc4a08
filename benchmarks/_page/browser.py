"""A Chromium of the machine, driven by playwright, whose own download is not used."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
ABSENT = "no Chromium on PATH: install it with `apt-get install chromium fonts-dejavu-core`"


def path() -> str | None:
    """The browser's binary, if there is one."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def browser(binary: str) -> Iterator[Any]:
    """One browser process."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=binary, args=list(FLAGS))
        yield made
        made.close()
