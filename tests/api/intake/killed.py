"""Intakes that are killed before a given line: `python -m tests.api.intake.killed`, settings in the environment.

Each number N on standard input: an intake takes what waits and is ended with SIGKILL before the N-th line, of those in
the files through which a message goes, runs for the first time; its status is answered, 0 where there is none any more.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import arc_fabric
from arc_fabric.settings import load_settings
from webapp.app import create_app
from webapp.intake.intake import Intake

ROOT = Path(arc_fabric.__file__).parents[1]
THROUGH = tuple(str(ROOT / name) for name in (
    "webapp/intake/intake.py", "webapp/intake/message.py", "webapp/work/forms.py", "arc_fabric/queue/inbox.py",
    "arc_fabric/queue/dispatch.py",
))  # fmt: skip

IMPORTED = ("arc_fabric.queue.app", "arc_fabric.queue.envelope", "celery.events.event", "celery.app.amqp",
            "celery.backends.redis", "kombu.pools", "kombu.transport.redis", "arc_fabric.queue.transport")  # fmt: skip
"""What a message is the first to need: imported once, here, and not in every fork."""


class Killer:
    """A trace function that ends this process before the `number`-th line that it has not seen yet."""

    def __init__(self, number: int) -> None:
        self._number, self._seen = number, set[tuple[str, int]]()

    def __call__(self, frame: FrameType, event: str, arg: Any) -> Any:
        if frame.f_code.co_filename not in THROUGH:
            return None
        if event == "line":
            self._seen.add((frame.f_code.co_filename, frame.f_lineno))
            if len(self._seen) == self._number:
                os.kill(os.getpid(), signal.SIGKILL)
        return self


def main() -> None:
    """Answer until standard input ends."""
    intake = Intake(create_app(load_settings()))  # its connections are opened in the forks, each its own
    for module in IMPORTED:
        importlib.import_module(module)
    print("ready", flush=True)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            sys.settrace(Killer(int(line)))
            while intake.round():
                pass
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(status, flush=True)


if __name__ == "__main__":
    main()
