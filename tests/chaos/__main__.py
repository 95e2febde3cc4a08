"""`python -m tests.chaos --seed N --kills K --jobs J [--rounds R --book FILE] [--minutes M] [--keep FOLDER] [--cold]`.

Several rounds, with the seeds N, N + 1, ..., add up to one long run that may be interrupted: each audited round is a
line of the book, and rounds that are in it already are not run again. `--total FILE` only sums a book up.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.chaos import campaign
from tests.chaos.book import Book
from tests.support.nursery import Nursery


def main() -> int:
    """Run; exit status 1 when something did not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="Kill everything while clients work.")
    parser.add_argument("--seed", type=int, default=None, help="what to choose; printed, so that a run can be repeated")
    parser.add_argument("--kills", type=int, default=50, help="per round")
    parser.add_argument("--jobs", type=int, default=500, help="per round")
    parser.add_argument("--rounds", type=int, default=1, help="runs in a row, each with the next seed")
    parser.add_argument("--minutes", type=float, default=1e9, help="stop killing after so long, and audit")
    parser.add_argument("--keep", type=Path, default=None, help="folder for data and logs (default: a temporary one)")
    parser.add_argument("--book", type=Path, default=None, help="append each round's outcome to this file")
    parser.add_argument("--total", type=Path, default=None, help="sum up such a file and end")
    parser.add_argument("--cold", action="store_true", help="start every process anew instead of forking a warm one")
    options = parser.parse_args()
    if options.total is not None:
        print(json.dumps(Book(options.total).total(), indent=1))
        return 0
    first = random.SystemRandom().randrange(10**6) if options.seed is None else options.seed
    book = Book(options.book)
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="arc-chaos-")))
        nursery = None if options.cold else stack.enter_context(Nursery(home))
        for seed in range(first, first + options.rounds):
            if seed in book:
                continue
            outcome = _round(options, seed, nursery)
            print(json.dumps(outcome), flush=True)
            book.add(outcome)
            if outcome["problems"]:
                return 1
    if options.rounds > 1:
        print(json.dumps(book.total(), indent=1))
    return 0


def _round(options: argparse.Namespace, seed: int, nursery: Nursery | None) -> dict[str, Any]:
    print(f"seed {seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="arc-chaos-") as temporary:
        folder = Path(temporary) if options.keep is None else options.keep / str(seed)
        return campaign.run(
            folder, nursery, seed=seed, kills=options.kills, jobs=options.jobs, minutes=options.minutes,
            say=lambda line: print(line, flush=True),
        ).to_dict()  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
