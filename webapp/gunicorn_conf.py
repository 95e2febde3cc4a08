"""gunicorn's settings, from ours.

One process: it follows Redis once for all viewers, and its threads cover every viewer, every long-poll and
some requests beside them. A socket more than threads would stop all HTTP.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
from types import FrameType
from typing import Any

from arc_fabric.settings import get_settings
from webapp.http.limits import LONG_POLLS

_settings = get_settings()
_host = f"[{_settings.host}]" if ":" in _settings.host else _settings.host

bind = f"{_host}:{_settings.port or 8321}"
workers = 1
worker_class = "gthread"
threads = _settings.max_viewers + LONG_POLLS + 16
worker_connections = 4 * threads
timeout = 120
graceful_timeout = 5
keepalive = 30
backlog = 256
limit_request_line = 8190
limit_request_fields = 64
loglevel = _settings.log_level.lower()
accesslog = "-" if loglevel == "debug" else None
proc_name = "arc-fabric-web"
worker_tmp_dir = "/dev/shm"
forwarded_allow_ips = "127.0.0.1,::1"
control_socket_disable = True

HEADER_SECONDS = 20


def when_ready(server: Any) -> None:
    """A client that sends no byte of its header for so long is dropped (accepted sockets inherit this)."""
    for listener in server.LISTENERS:
        timeval = struct.pack("ll", HEADER_SECONDS, 0)
        listener.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeval)


def post_worker_init(worker: Any) -> None:
    """On SIGTERM first tell viewers and long-polls to end: an open socket would hold the stop up."""
    hub = worker.wsgi.extensions["arc_fabric"].hub
    ended = worker.handle_exit

    def stop(number: int, frame: FrameType | None) -> None:
        hub.stop()
        ended(number, frame)

    signal.signal(signal.SIGTERM, stop)
    if os.environ.get("ARC_WEB_JSON") == "1" and worker.age == 1:  # `arc-fabric web --json`
        print(json.dumps({"url": f"http://{bind}", "pid": os.getppid()}), flush=True)
