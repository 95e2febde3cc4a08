"""`arc-fabric worker`: one worker process in the foreground."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from typing import Any

from arc_fabric.errors import InvalidRequest
from arc_fabric.extras import require
from arc_fabric.settings import get_settings
from workers.process import process
from workers.process.process import MEDIA
from workers.startup.lifecycle import QUEUES, default_device, pin_device

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def run_worker(
    name: str, device: str | None = None, *, on_ready: Callable[[dict[str, Any]], None] | None = None
) -> None:
    """Run until SIGTERM. `name` is gpu.<n> (device cpu or cuda:<n>) or media (no device, no model).

    `on_ready` gets the worker's record once it takes work.
    """
    if "@" in name or not name.replace(".", "").replace("-", "").isalnum():
        raise InvalidRequest(f"{name!r} is no worker name.", hint="Use gpu.0, gpu.1, ... or media.")
    if not name.startswith(MEDIA):
        require("sdk", "torch")
    settings = get_settings()
    logging.basicConfig(level=settings.log_level, format=LOG_FORMAT)
    pin_device.pin(name, device or default_device(name))
    from workers.startup.app import app

    process.on_ready = on_ready
    queues = MEDIA if name.startswith(MEDIA) else ",".join((name, *QUEUES))
    app.worker_main([
        "worker", "--pool=threads", "--concurrency=1", f"--queues={queues}", f"--hostname={name}@%h",
        "--without-gossip", "--without-mingle", f"--loglevel={os.environ.get('LOGLEVEL', settings.log_level)}",
    ])  # fmt: skip
    _leave()


def _leave() -> None:
    """End with the status that a supervisor understands (Celery's own does not get here).

    Everything is put away by now; tearing down an interpreter that has torch loaded would only take seconds.
    """
    status = os.EX_UNAVAILABLE
    if process.is_started() and process.current().serving:
        status = os.EX_TEMPFAIL if process.current().draining else os.EX_OK
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
