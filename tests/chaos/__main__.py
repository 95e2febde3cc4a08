"""`python -m tests.chaos --seed N --kills K --jobs J [--minutes M] [--keep FOLDER] [--json FILE]`."""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from pathlib import Path

from tests.chaos import campaign


def main() -> int:
    """Run once; exit status 1 when something did not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="Kill everything while clients work.")
    parser.add_argument("--seed", type=int, default=None, help="what to choose; printed, so that a run can be repeated")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--jobs", type=int, default=500)
    parser.add_argument("--minutes", type=float, default=1e9, help="stop killing after so long, and audit")
    parser.add_argument("--keep", type=Path, default=None, help="folder for data and logs (default: a temporary one)")
    parser.add_argument("--json", type=Path, default=None, help="write the outcome here")
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(10**6) if options.seed is None else options.seed
    print(f"seed {seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="arc-chaos-") as temporary:
        folder = options.keep or Path(temporary)
        outcome = campaign.run(
            folder, seed=seed, kills=options.kills, jobs=options.jobs, minutes=options.minutes,
            say=lambda line: print(line, flush=True),
        )  # fmt: skip
    text = json.dumps(outcome.to_dict(), indent=1)
    print(text)
    if options.json:
        options.json.write_text(text)
    return 1 if outcome.problems else 0


if __name__ == "__main__":
    sys.exit(main())
