"""Train a policy on groups of imagined rollouts: `python examples/rl_group.py --url http://127.0.0.1:8321`.

A group is some worlds that begin in one state and differ by their seeds and actions. What counts is how each did
compared with its group (GRPO: Shao et al., DeepSeekMath, 2024, section 4.1), so no value function is needed. The policy
here is a Gaussian around one action chunk, and the reward is how much the picture changes: enough to see returns rise.
"""

from __future__ import annotations

import argparse
import json
from contextlib import closing
from typing import Any

import numpy as np

from arc_fabric.client import ArcFabric
from arc_fabric.client.vector import WorldVectorEnv


def changed(frames: np.ndarray, info: dict[str, Any]) -> float:
    """How far the last frame of a step is from its first, in grey levels."""
    return float(np.abs(frames[-1].astype(float) - frames[0]).mean())


def advantages(returns: np.ndarray) -> np.ndarray:
    """Of each world within its group: how many standard deviations it is better than the mean."""
    spread = returns.std()
    return (returns - returns.mean()) / spread if spread > 0 else np.zeros_like(returns)


def train(envs: WorldVectorEnv, rounds: int, steps: int, seed: int = 0) -> list[float]:
    """The mean return of each round."""
    rng, space = np.random.default_rng(seed), envs.single_action_space
    scale = (space.high - space.low) / 4
    mean, found = np.zeros(space.shape, np.float32), []
    for number in range(rounds):
        envs.reset(seed=seed + 1000 * number)
        returns, noises = np.zeros(envs.num_envs), []
        for _ in range(steps):
            noises.append(rng.standard_normal(envs.action_space.shape))
            actions = np.clip(mean + scale * noises[-1], space.low, space.high)
            returns += envs.step(actions.astype(np.float32))[1]
        push = np.einsum("n,snha->ha", advantages(returns), np.stack(noises)) / (steps * envs.num_envs)
        mean = np.clip(mean + scale * push, space.low, space.high).astype(np.float32)
        found.append(float(returns.mean()))
    return found


def main() -> None:
    """Train, and print what came of it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8321")
    parser.add_argument("--prompt", default="pick up the red cup")
    parser.add_argument("--worlds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=3)
    options = parser.parse_args()
    with (
        ArcFabric(options.url) as fabric,
        closing(WorldVectorEnv(fabric, options.worlds, options.prompt, reward=changed)) as envs,
    ):
        returns = train(envs, options.rounds, options.steps)
        print(json.dumps({"returns": returns, "heads": envs.states()}))


if __name__ == "__main__":
    main()
