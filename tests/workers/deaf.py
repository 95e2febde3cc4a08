"""`python -m tests.workers.deaf <name> [device]`: a hasty worker whose Celery never hears that it shall end."""

import sys

from celery.worker import state

from tests.workers.hasty import STOP_TIMEOUT_S
from workers.startup.main import run_worker
from workers.threads import watchdog

if __name__ == "__main__":
    state.maybe_shutdown = lambda: None
    watchdog.STOP_TIMEOUT_S = STOP_TIMEOUT_S
    run_worker(*sys.argv[1:3])
