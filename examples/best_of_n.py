"""Try N continuations, keep the best: `python examples/best_of_n.py --url http://127.0.0.1:8321 --n 8`.

Every try is a branch of the tree with its score; the session moves to the end of the best one.
"""

from __future__ import annotations

import argparse
from functools import partial

from arc_fabric.client import ArcFabric
from arc_fabric.evaluation.scorers import motion
from arc_fabric.search import Explorer, best_of


def main(url: str, n: int, steps: int) -> None:
    """Search."""
    with ArcFabric(url) as fabric:
        trunk = fabric.new_session("pick up the red cup", seed=7, label="best of n")
        explorer = Explorer(trunk, partial(motion, least=1.0))
        best = best_of(explorer, steps, seeds=range(n))
        for found in explorer.tries:
            print(f"seed {found.seed}: {found.score.reason}{' <- best' if found is best else ''}")
        winner = trunk.fork(best.checkpoint, label="the best")
        print(f"session {winner.id} goes on from {best.checkpoint}, step {winner.frame_index}")
        winner.close()
        trunk.close()


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--url", default="http://127.0.0.1:8321")
    options.add_argument("--n", type=int, default=8)
    options.add_argument("--steps", type=int, default=4)
    main(**vars(options.parse_args()))
