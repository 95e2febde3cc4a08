"""`python -m tests.workers.hasty <name> [device]`: a worker whose watchdog waits for its end less long than usual."""

import sys

from workers.startup.main import run_worker
from workers.threads import watchdog

STOP_TIMEOUT_S = 2.0

if __name__ == "__main__":
    watchdog.STOP_TIMEOUT_S = STOP_TIMEOUT_S
    run_worker(*sys.argv[1:3])
