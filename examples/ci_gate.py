"""Fail a build when a change makes things worse: `python examples/ci_gate.py BEFORE AFTER`.

BEFORE and AFTER are two evaluations over the same seeds, of two models, prompts or policies. Ends with 1 where AFTER is
worse and that is no chance (exact McNemar test on the pairs, 5 %), with 0 otherwise. In a shell it is
`arc-fabric eval compare BEFORE AFTER --fail-if-worse`.
"""

from __future__ import annotations

import argparse
import sys

from arc_fabric.client import ArcFabric


def main(url: str, before: str, after: str) -> int:
    """Compare."""
    with ArcFabric(url) as fabric:
        found = fabric.evaluation(before).compare(after)
    print(f"{found['pairs']} pairs; good in the first only: {found['only_first']}, in the second only: "
          f"{found['only_second']}; p = {found['p']:.3g}")  # fmt: skip
    if not found["worse"] and found["pairs_needed"]:
        print(f"no difference is shown; one of this size needs {found['pairs_needed']} pairs")
    return int(found["worse"])


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--url", default="http://127.0.0.1:8321")
    options.add_argument("before")
    options.add_argument("after")
    sys.exit(main(**vars(options.parse_args())))
