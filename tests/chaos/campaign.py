"""One run: clients work while the killer kills, then everything settles and is audited."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from arc_fabric.ledger.core import keys
from tests.chaos.clients import PROMPTS, Allowance, Client
from tests.chaos.killer import Killer
from tests.chaos.verify import Audit
from tests.chaos.world import World
from tests.support.nursery import Nursery

SESSIONS, CLIENTS = 5, 3
SETTLE_S = 180.0


@dataclass
class Outcome:
    """What a run found."""

    seed: int
    kills: dict[str, int]
    promises: int
    seconds: float
    facts: dict[str, int] = field(default_factory=dict)
    failures: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    hit_running: int = 0
    """Kills of a worker that was running a job at that moment."""
    resubmitted: int = 0
    settle_s: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe."""
        return dict(vars(self)) | {"total_kills": sum(self.kills.values())}


def run(
    folder: Path, nursery: Nursery | None, *, seed: int, kills: int, jobs: int, minutes: float = 1e9,
    say: Callable[[str], None] = print,
) -> Outcome:  # fmt: skip
    """Do it; the outcome's `problems` is empty when all held. After `minutes` no more is killed or asked."""
    world, began = World(folder, nursery), time.monotonic()
    try:
        world.start()
        allowance = Allowance()
        opener = Client(world, "opener", f"{seed}-open", [], allowance)
        sessions = [opener.open(PROMPTS[i], f"{seed}-open-{i}") for i in range(SESSIONS)]
        clients = [Client(world, f"client-{i}", f"{seed}-{i}", sessions, allowance) for i in range(CLIENTS)]
        killer = Killer(world, f"{seed}-kill")
        for client in clients:
            client.start()
        allowed = 0
        for number in range(kills):
            if time.monotonic() - began > 60 * minutes:
                say(f"time is up after {number} kills")
                break
            allowed = jobs * (number + 1) // kills
            allowance.more(jobs * (number + 1) // kills - jobs * number // kills)
            killer.rest()
            what = killer.hurt()
            if number % 10 == 9 or number == kills - 1:
                say(f"{number + 1}/{kills} {what}; {sum(len(c.promises) for c in clients)} jobs accepted")
        _let_ask(world, clients, allowed)
        promises = [p for c in (opener, *clients) for p in c.promises]
        outcome = Outcome(seed, dict(killer.done), len(promises), 0.0)
        outcome.hit_running = killer.hit_running
        outcome.problems += [f"{c.name}: {c.error!r}" for c in clients if c.error is not None]
        outcome.resubmitted = _ask_again(world, opener, promises)
        outcome.settle_s = _settle(world)
        audit = Audit(world, promises)
        audit.run(restores=300)
        outcome.problems += audit.problems
        outcome.facts, outcome.failures = dict(audit.facts), dict(audit.failures)
        outcome.seconds = round(time.monotonic() - began, 1)
        if outcome.problems:
            say(world.logs(200))
        return outcome
    finally:
        world.stop()


def _let_ask(world: World, clients: list[Client], jobs: int) -> None:
    """Until all that was allowed has been asked for. Another process of the machine may hold the port of a killed web
    process for a while: it ends then, and is started again like everything else."""
    deadline = time.monotonic() + SETTLE_S
    while sum(c.asked for c in clients) < jobs and time.monotonic() < deadline:
        world.revive()
        time.sleep(0.2)
    for client in clients:
        client.stop.set()
    while any(client.is_alive() for client in clients) and time.monotonic() < deadline + SETTLE_S:
        world.revive()  # who has asked may still be waiting for the web
        time.sleep(0.2)


def _ask_again(world: World, client: Client, promises: list[Any]) -> int:
    """Redis may lose the last second at a crash: clients send such requests again under the same key."""
    again = 0
    for promise in promises:
        if not world.ledger.redis.exists(keys.job(promise.job_id)):
            answer = client.send(promise.path, promise.body, promise.key)
            assert answer is not None, f"{promise} was refused when it was sent again"
            promise.job_id = answer["job"]["id"]
            again += 1
    return again


def _settle(world: World) -> float:
    """Wait until no job is unfinished and no node is pending, as long as there is progress; the seconds it took."""
    began = moved = time.monotonic()
    last: tuple[int, ...] = ()
    while time.monotonic() - moved < SETTLE_S:
        world.revive()
        counts = world.ledger.counts()
        if counts["jobs_unfinished"] == 0 and counts["nodes_pending"] == 0:
            break
        now = (counts["jobs_unfinished"], counts["nodes_pending"])
        if now != last:
            last, moved = now, time.monotonic()
        time.sleep(0.5)
    return round(time.monotonic() - began, 1)
