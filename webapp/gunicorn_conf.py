"""gunicorn's settings, from ours.

One process: it follows Redis once for all viewers, and its threads cover every viewer, every long-poll, every client
that is waited for, heavy work that waits its turn, and some requests beside them. A socket more than threads would stop
all HTTP.
"""

from __future__ import annotations

import json
import os
import resource
import signal
from types import FrameType
from typing import Any

from arc_fabric.base.threads import SUPERVISOR
from arc_fabric.settings import get_settings
from webapp.http.limits import LONG_POLLS
from webapp.http.patient_worker import SLOW_CLIENTS

_settings = get_settings()
_host = f"[{_settings.host}]" if ":" in _settings.host else _settings.host

bind = f"{_host}:{_settings.port or 8321}"
workers = 1
worker_class = "webapp.http.patient_worker.PatientWorker"
threads = _settings.max_viewers + LONG_POLLS + SLOW_CLIENTS + 96
_most_files = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 16_384)
resource.setrlimit(resource.RLIMIT_NOFILE, (_most_files, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
worker_connections = max(threads + 64, min(4096, _most_files // 2))
sendfile = False  # bytes go through the worker's own sockets
timeout = 120
graceful_timeout = 5
keepalive = 30
backlog = 1024
limit_request_line = 8190
limit_request_fields = 64
loglevel = _settings.log_level.lower()
accesslog = "-" if loglevel == "debug" else None
proc_name = "arc-fabric-web"
worker_tmp_dir = "/dev/shm"
forwarded_allow_ips = "127.0.0.1,::1"
forwarder_headers = ""  # a client on this machine shall not say where the app lies (SCRIPT_NAME): root_path does
control_socket_disable = True


def post_worker_init(worker: Any) -> None:
    """Take tasks of plain Celery from here on. On SIGTERM first tell viewers and long-polls to end: an open socket
    would hold the stop up. A thread that cannot go on ends the process in the same way; gunicorn starts it again."""
    from webapp.intake.intake import Intake

    SUPERVISOR.on_stuck = lambda why: os.kill(os.getpid(), signal.SIGTERM)
    hub = worker.wsgi.extensions["arc_fabric"].hub
    ended, intake = worker.handle_exit, Intake(worker.wsgi).start()

    def stop(number: int, frame: FrameType | None) -> None:
        hub.stop()
        intake.end(0)
        ended(number, frame)

    signal.signal(signal.SIGTERM, stop)
    if os.environ.get("ARC_WEB_JSON") == "1" and worker.age == 1:  # `arc-fabric web --json`
        print(json.dumps({"url": f"http://{bind}", "pid": os.getppid()}), flush=True)
