"""A vector environment of many worlds against as many single ones."""

from __future__ import annotations

import argparse
import os
import time
from contextlib import closing

from arc_fabric.client import ArcFabric
from arc_fabric.client.env import WorldEnv
from arc_fabric.client.vector import WorldVectorEnv
from benchmarks._forks.system import PROMPT, system
from benchmarks.rows import Report

ROUNDS = 4


def vector(report: Report, options: argparse.Namespace) -> None:
    """Steps per second of 16 worlds in one environment / in 16 environments one after another; by turns, twice."""
    worlds = options.worlds
    together, apart = [], []
    with system(options.workers, max_open_sessions=worlds) as (_, fabric):
        for _ in range(2):
            together.append(_together(fabric, worlds))
            apart.append(_apart(fabric, worlds))
    facts = {"together_steps_s": together, "apart_steps_s": apart, "workers": options.workers, "load": os.getloadavg()}
    ratio = sum(together) / sum(apart)
    report.add(f"{worlds} worlds in a vector environment / {worlds} single ones, steps/s", ratio, "ratio",
               at_least=1.5, baselines=facts)  # fmt: skip


def _together(fabric: ArcFabric, worlds: int) -> float:
    with closing(WorldVectorEnv(fabric, worlds, PROMPT)) as envs:
        envs.reset(seed=0)
        envs.step(envs.action_space.sample())
        began = time.perf_counter()
        for _ in range(ROUNDS):
            envs.step(envs.action_space.sample())
        return worlds * ROUNDS / (time.perf_counter() - began)


def _apart(fabric: ArcFabric, worlds: int) -> float:
    envs = [WorldEnv(fabric, PROMPT) for _ in range(worlds)]
    try:
        for number, env in enumerate(envs):
            env.reset(seed=number)
            env.step(env.action_space.sample())
        began = time.perf_counter()
        for _ in range(ROUNDS):
            for env in envs:
                env.step(env.action_space.sample())
        return worlds * ROUNDS / (time.perf_counter() - began)
    finally:
        for env in envs:
            env.close()
