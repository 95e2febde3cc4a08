"""`arc-fabric worker`: one worker process in the foreground."""

from __future__ import annotations

import logging
import os
import sys

from arc_fabric.errors import InvalidRequest
from arc_fabric.settings import get_settings
from workers import process
from workers.lifecycle import QUEUES, default_device, pin_device
from workers.process import MEDIA

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def run_worker(name: str, device: str | None = None) -> None:
    """Run until SIGTERM. `name` is gpu.<n> (device cpu or cuda:<n>) or media (no device, no model)."""
    if "@" in name or not name.replace(".", "").replace("-", "").isalnum():
        raise InvalidRequest(f"{name!r} is no worker name.", hint="Use gpu.0, gpu.1, ... or media.")
    settings = get_settings()
    logging.basicConfig(level=settings.log_level, format=LOG_FORMAT)
    pin_device.pin(name, device or default_device(name))
    from workers.app import app

    queues = MEDIA if name.startswith(MEDIA) else ",".join((name, *QUEUES))
    app.worker_main([
        "worker", "--pool=threads", "--concurrency=1", f"--queues={queues}", f"--hostname={name}@%h",
        "--without-gossip", "--without-mingle", f"--loglevel={os.environ.get('LOGLEVEL', settings.log_level)}",
    ])  # fmt: skip
    # Celery's own exit status does not get here.
    me = process.current()
    if not me.serving:
        sys.exit(os.EX_UNAVAILABLE)
    if me.draining:
        sys.exit(os.EX_TEMPFAIL)
