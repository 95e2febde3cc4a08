"""Plan in the world model, act, plan again: `python examples/mpc.py --url http://127.0.0.1:8321`.

Model predictive control: the cross-entropy method looks a few steps ahead for actions whose imagined end is near a goal
picture, the session takes the first step of the best plan, and so on. Restoring is exact, so every plan starts from the
very same world.
"""

from __future__ import annotations

import argparse
from functools import partial

from arc_fabric.client import ArcFabric
from arc_fabric.evaluation.scorers import goal_distance
from arc_fabric.search import Explorer, cem


def main(url: str, steps: int, ahead: int, population: int, rounds: int) -> None:
    """Act."""
    with ArcFabric(url) as fabric:
        sizes = fabric.model()["geometry"]
        low = sizes["action_low"] or [-1.0] * sizes["action_dim"]
        high = sizes["action_high"] or [1.0] * sizes["action_dim"]
        robot = fabric.new_session("pick up the red cup", seed=7, label="mpc")
        wanted = robot.fork(seed=3, steps=ahead + steps, label="the goal")  # what another run came to
        judge = partial(goal_distance, goal=str(wanted.head))
        for number in range(steps):
            best, actions = cem(
                Explorer(robot, judge), ahead, low=low, high=high, horizon=sizes["action_horizon"],
                rounds=rounds, population=population, elite=max(1, population // 4), seed=number,
            )  # fmt: skip
            robot.step(1, actions=actions[:1])
            print(f"step {robot.frame_index}: planned to end {best.score.value:.1f} grey levels from the goal")
        wanted.close()
        robot.close()


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--url", default="http://127.0.0.1:8321")
    options.add_argument("--steps", type=int, default=3)
    options.add_argument("--ahead", type=int, default=2)
    options.add_argument("--population", type=int, default=8)
    options.add_argument("--rounds", type=int, default=2)
    main(**vars(options.parse_args()))
