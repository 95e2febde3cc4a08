"""Flower behind the doors that the web app has: `python -m workers.startup.flower --address=... --port=...`.

Flower itself answers whatever Host a page's name leads to it, and serves /metrics to anyone. Here, without logins, only
a Host that names this machine is answered, and with them /metrics wants one as every other page does.
"""

from __future__ import annotations

import signal
import sys
from typing import Any

from flower import command
from flower.app import Flower
from flower.views.monitor import Metrics
from tornado.httputil import HTTPServerRequest
from tornado.options import options
from tornado.web import ErrorHandler, authenticated

from arc_fabric.base.hosts import host_of
from arc_fabric.settings import LOOPBACK_HOSTS, get_settings
from workers.startup.app import app


class ClosedMetrics(Metrics):  # Flower has no types
    """Its figures, for those who may see its pages."""

    get = authenticated(Metrics.get)


class GuardedFlower(Flower):
    """Flower that looks at the Host where it has no logins to ask for."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.add_handlers(".*", [("/metrics", ClosedMetrics)])

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> Any:
        """What answers a request: a refusal, or Flower."""
        host = host_of(request.host)
        if self.options.basic_auth or host in (*LOOPBACK_HOSTS, get_settings().host):
            return super().find_handler(request, **kwargs)
        return self.get_handler_delegate(request, ErrorHandler, {"status_code": 403})


def main() -> None:
    """Until SIGINT or SIGTERM."""
    command.apply_env_options()
    command.apply_options(sys.argv[0], sys.argv[1:])
    command.extract_settings()
    command.setup_logging()
    flower = GuardedFlower(capp=app, options=options, **command.settings)
    signal.signal(signal.SIGTERM, command.sigterm_handler)
    command.print_banner(app, False, flower.start_http_server())
    try:
        flower.start()
    except (KeyboardInterrupt, SystemExit):
        flower.stop()


if __name__ == "__main__":
    main()
