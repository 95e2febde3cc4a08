"""`python -m workers <name> [device]`: what `arc-fabric worker` does, without the command line's extras."""

import sys

from workers.startup.main import run_worker

if __name__ == "__main__":
    run_worker(*sys.argv[1:3])
