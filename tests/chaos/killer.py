"""Hurts one process after the other, by a seeded choice."""

from __future__ import annotations

import random
import time
from collections import Counter

from arc_fabric.ledger.core import keys
from tests.chaos.world import World
from tests.support.refusals import KINDS

WEIGHTS = {
    "kill -9 worker": 40, "freeze worker": 20, "stop worker": 6, "kill -9 media": 4, "kill -9 redis": 12,
    "kill -9 store": 8, "kill -9 web": 10, "kill -9 everything": 3, "refuse writes": 12, "remove an object": 4,
    "fill the disk": 3, "fill the store": 5,
}  # fmt: skip


TIMEOUT_S = 4.0
JAM, JAM_TIMEOUT_S = 40, 20.0


class Killer:
    """`hurt()` does one thing and returns what it was."""

    def __init__(self, world: World, seed: str) -> None:
        self.done: Counter[str] = Counter()
        self.hit_running = 0
        self._world = world
        self._random = random.Random(seed)

    def hurt(self) -> str:
        """One act of violence, and the healing that belongs to it."""
        world, what = self._world, self._random.choices(list(WEIGHTS), weights=list(WEIGHTS.values()))[0]
        pause = self._random.uniform(0.1, 1.5)
        worker = self._victim() if "worker" in what else ""
        if what == "kill -9 worker":
            world.kill(worker)
        elif what == "freeze worker":
            world.freeze(worker, 1.5 + pause)
        elif what == "stop worker":
            world.stop_in_order(worker)
        elif what == "kill -9 media":
            world.kill("media")
        elif what == "kill -9 redis":
            world.kill_redis(pause)
        elif what == "kill -9 store":
            world.kill_store(pause)
        elif what == "kill -9 web":
            world.kill("web")
        elif what == "kill -9 everything":
            world.kill_everything(pause)
        elif what == "refuse writes":
            world.refuse_writes(self._random.choice(KINDS), 2 * pause)
        elif what == "remove an object":
            world.remove_an_object(self._random)
        elif what == "fill the disk":
            world.fill_the_disk(2 * pause)
        elif what == "fill the store":
            world.fill_the_store(4 * pause)
        self.done[what] += 1
        world.revive()
        return what

    def _unfinished(self) -> int:
        return int(self._world.ledger.redis.scard(keys.JOBS_ACTIVE))

    def _victim(self) -> str:
        """A worker in the middle of a job, if one is found within a few seconds."""
        names = self._random.sample(("gpu.0", "gpu.1"), 2)
        deadline = time.monotonic() + TIMEOUT_S
        while time.monotonic() < deadline:
            busy = [name for name in names if self._world.runs_a_job(name)]
            if busy:
                self.hit_running += 1
                return busy[0]
            time.sleep(0.02)
        return names[0]

    def rest(self) -> None:
        """A while in which work may go on; longer when it lags behind, so that kills meet work and not a jam."""
        time.sleep(self._random.uniform(0.1, 1.2))
        deadline = time.monotonic() + JAM_TIMEOUT_S
        while self._unfinished() > JAM and time.monotonic() < deadline:
            time.sleep(0.2)
