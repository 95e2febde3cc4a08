"""`python -m tests.workers.deaf <name> [device]`: a worker whose Celery never hears that it shall end."""

import sys

from celery.worker import state

from workers.startup.main import run_worker

if __name__ == "__main__":
    state.maybe_shutdown = lambda: None
    run_worker(*sys.argv[1:3])
