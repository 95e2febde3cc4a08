"""Which prompt works, how often, and how sure is that? `python examples/sweep.py --url http://127.0.0.1:8321`.

A world, two prompts over some seeds, judged by the server: rates with 95 % intervals, and a report that opens offline.
The same as a file: a plan in TOML for `arc-fabric eval run` (docs/how-to/evaluate.md).
"""

from __future__ import annotations

import argparse

from arc_fabric.client import ArcFabric


def main(url: str, seeds: int, steps: int, report: str) -> None:
    """Sweep."""
    with ArcFabric(url) as fabric:
        start = fabric.root("pick up the red cup", seed=7)
        evaluation = fabric.evaluate(
            checkpoints=[start], prompts=["pick up the red cup", "push the red cup to the left"], repeats=seeds,
            steps=steps, scorers=[{"name": "tabletop_success"}, {"name": "seed_spread"}], label="which verb works",
        )  # fmt: skip
        for row in evaluation.as_completed():
            print(f"{row['prompt']!r}, seed {row['seed']}: {row['verdict']} ({row['scores'][0]['reason']})")
        for group in evaluation.summary()["by"]["prompt"]:
            rate = "not judged" if group["rate"] is None else f"{group['rate']:.0%}"
            print(f"{group['prompt']!r}: {rate}, {group['low']:.0%} to {group['high']:.0%} of {group['n']}")
        print(evaluation.save(report, videos=4))


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--url", default="http://127.0.0.1:8321")
    options.add_argument("--seeds", type=int, default=16)
    options.add_argument("--steps", type=int, default=8)
    options.add_argument("--report", default="report.html")
    main(**vars(options.parse_args()))
