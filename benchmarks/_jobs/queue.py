"""What the queue costs: an empty job there and back, beside other queues; many forks; commits in a large tree."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from statistics import median

import redis

from arc_fabric.client import ArcFabric
from arc_fabric.ids import new_id
from arc_fabric.ledger import Claim, Commit, Ledger, Limits, NodeRecord
from arc_fabric.ledger.core import codec
from arc_fabric.ledger.core.scripts import source
from benchmarks._jobs.world import (
    TOY,
    Client,
    World,
    any_sample,
    awaited,
    cpu_between,
    percentile,
    round_trips,
)
from benchmarks.rows import Report

BLOCKS, PER_BLOCK = 30, 20
"""Short turns: all four ways meet the same moments of a machine whose speed changes within seconds."""


def round_trip(report: Report, world: World) -> None:
    """An empty job from submit to done, in turns with bare Celery, RQ and Dramatiq on the same Redis."""
    ours, bare = world.settings(1, model=TOY), world.settings(2)
    celery = ["celery", "-A", "benchmarks._jobs.bare_celery", "worker", "-P", "threads", "-c", "1", "-Q", "bare",
              "-n", "bare@%h", "-l", "ERROR", "--without-gossip", "--without-mingle"]  # fmt: skip
    dramatiq = ["dramatiq", "benchmarks._jobs.bare_dramatiq", "--processes", "1", "--threads", "1"]
    with contextlib.ExitStack() as stack:
        stack.enter_context(world.process("bare-celery", celery, bare))
        stack.enter_context(world.process("bare-rq", ["benchmarks._jobs.bare_rq"], bare))
        stack.enter_context(world.process("bare-dramatiq", dramatiq, bare))
        client = stack.enter_context(world.workers(ours, ("gpu.0",), 1))
        session = client.create("noop", any_sample())
        ways = {"arc fabric": lambda: client.run(session, "noop")} | _others(bare.redis_url)
        times: dict[str, list[float]] = {name: [] for name in ways}
        for block in range(BLOCKS):
            for name, once in ways.items():
                times[name] += round_trips(once, PER_BLOCK, warm=20 if block == 0 else 3)
        commands = {name: _commands(client.ledger.redis, once) for name, once in ways.items()}
    p50 = {name: round(median(found), 3) for name, found in times.items()}
    p99 = {f"{name} p99_ms": round(percentile(found, 0.99), 2) for name, found in times.items()}
    facts = {f"{name} p50_ms": value for name, value in p50.items()} | p99
    facts |= {f"{name} redis commands": found for name, found in commands.items()}
    report.add("no-op job round trip / bare Celery", p50["arc fabric"] / p50["celery"], "ratio", at_most=1.5,
               baselines=facts)  # fmt: skip
    report.add("no-op job round trip / RQ", p50["arc fabric"] / p50["rq"], "ratio", at_most=1.0)
    report.add("no-op job round trip / Dramatiq", p50["arc fabric"] / p50["dramatiq"], "ratio", at_most=1.0)


def _commands(server: redis.Redis, once: Callable[[], object]) -> float:
    """Commands that Redis runs for one job, those within scripts included: a figure that does not depend on load."""
    jobs, before = 50, _calls(server)
    for _ in range(jobs):
        once()
    return round((_calls(server) - before) / jobs, 1)


def _calls(server: redis.Redis) -> int:
    return sum(int(facts["calls"]) for facts in server.info("commandstats").values())


def _others(url: str) -> dict[str, object]:
    """One empty task through each of the others."""
    import os

    os.environ["BENCH_REDIS_URL"] = url
    from kombu.pools import producers
    from rq import Queue

    from benchmarks._jobs import bare_celery, bare_dramatiq, bare_rq

    client = redis.Redis.from_url(url)
    connection = bare_celery.app.connection_for_write(url)
    rq_queue = Queue("bench-rq", connection=redis.Redis.from_url(url))

    def celery(key: str) -> None:
        with producers[connection].acquire(block=True) as producer:
            bare_celery.noop.apply_async((key,), queue="bare", producer=producer)

    return {
        "celery": awaited(client, celery),
        "rq": awaited(client, lambda key: rq_queue.enqueue(bare_rq.noop, key, result_ttl=0)),
        "dramatiq": awaited(client, bare_dramatiq.noop.send),
    }


def forks(report: Report, world: World) -> None:
    """500 bulk forks accepted and sent, while a worker begins to run them: over the ledger, and over HTTP."""
    settings = world.settings(3, model=TOY)
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(world.workers(settings, ("gpu.0",), 1))
        fabric = stack.enter_context(ArcFabric(stack.enter_context(world.web(settings))))
        session = client.create("fork", any_sample())
        head = client.ledger.sessions.get(session).head
        _fork_alone(report, client, session, head)
        fabric.submit([{"kind": "fork", "params": {"checkpoint_id": head, "bulk": True}}])
        before, start = world.cpu_seconds(), time.perf_counter()
        accepted = client.dispatcher.accept_many(
            [client.ledger.sessions.fork_request(checkpoint_id=head, seed=s, steps=1, bulk=True) for s in range(500)]
        )
        took = time.perf_counter() - start
        cpu = cpu_between(before, world.cpu_seconds())
        report.add("enqueue of 500 forks", took, "s", at_most=2.0, baselines=cpu)
        for answer in accepted:
            client.ledger.jobs.cancel(answer.job.id)
        before, start = world.cpu_seconds(), time.perf_counter()
        jobs = fabric.submit([
            {"kind": "fork", "params": {"checkpoint_id": head, "new_seed": s, "steps": 1, "bulk": True}}
            for s in range(500)
        ])  # fmt: skip
        took = time.perf_counter() - start
        cpu = cpu_between(before, world.cpu_seconds())
        report.add("enqueue of 500 forks over HTTP, in one list", took, "s", at_most=2.0, baselines=cpu)
        for job in jobs:
            client.ledger.jobs.cancel(job.id)


def _fork_alone(report: Report, client: Client, session: str, head: str) -> None:
    """A fork without steps from request to done, in turns with an empty job, which goes to a worker and back."""

    def fork() -> None:
        made = client.dispatcher.accept(client.ledger.sessions.fork_request(checkpoint_id=head))
        client.ledger.sessions.close(client.done(made.job).session_id)

    ways = {"fork": fork, "no-op": lambda: client.run(session, "noop")}
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(BLOCKS):
        for name, once in ways.items():
            times[name] += round_trips(once, 5, warm=2)
    facts = {f"{name} p50_ms": round(median(found), 3) for name, found in times.items()}
    facts |= {f"{name} redis commands": _commands(client.ledger.redis, once) for name, once in ways.items()}
    ratio = median(times["fork"]) / median(times["no-op"])
    report.add("fork without steps and its close / no-op job round trip", ratio, "ratio", at_most=1.0, baselines=facts)


def interactive(report: Report, world: World) -> None:
    """How long an interactive step waits while 200 bulk forks run on two workers, in model steps."""
    with world.workers(world.settings(4, model=TOY), ("gpu.0", "gpu.1"), 1) as client:
        session = client.create("sleep 0.1", any_sample())
        client.run(session, "step")
        head = client.ledger.sessions.get(session).head
        forks = [
            client.ledger.sessions.fork_request(checkpoint_id=head, seed=s, steps=2, bulk=True) for s in range(200)
        ]
        bulk = [accepted.job for accepted in client.dispatcher.accept_many(forks)]
        while sum(client.ledger.jobs.get(job.id).state != "queued" for job in bulk[:6]) < 3:
            time.sleep(0.05)
        waits, steps = _interactive_waits(client, session)
        report.add("start of an interactive step beside 200 bulk forks, p95 / model step",
                   percentile(waits, 0.95) / median(steps), "steps", at_most=2.0,
                   baselines={"p50_wait_s": round(median(waits), 4), "p95_wait_s": round(percentile(waits, 0.95), 4),
                              "model_step_s": round(median(steps), 4), "samples": len(waits)})  # fmt: skip
        for job in bulk:
            client.ledger.jobs.cancel(job.id)


def _interactive_waits(client: Client, session: str) -> tuple[list[float], list[float]]:
    waits, steps = [], []
    for i in range(80):
        time.sleep(0.013 * (i % 7))  # so that arrivals fall anywhere in a bulk step
        job = client.run(session, "step")
        waits.append(job.started - job.created)
        steps.append(job.result["steps"][0]["wall_s"])
    return waits, steps


def commits(report: Report, world: World) -> None:
    """Milliseconds of one commit in a tree of 100 nodes and of 100,000."""
    settings = world.settings(5)
    with contextlib.closing(Ledger(settings.redis_url, limits=Limits(max_steps_per_job=10**6))) as ledger:
        grow = _Growth(ledger)
        grow.to(100)
        small = grow.measured(400)
        grow.to(100_000)
        large = grow.measured(400)
        small += grow.fresh().measured(400)
    report.add("commit time at 100,000 nodes / at 100", median(large) / median(small), "ratio", at_most=1.2,
               baselines={"p50_ms at 100": round(median(small), 4),
                          "p50_ms at 100000": round(median(large), 4)})  # fmt: skip


class _Growth:
    """A tree that grows by commits of one endless job."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        record = {"name": "gpu.0", "boot_id": "bench", "role": "gpu", "state": "idle"}
        ledger.leases.take("gpu.0", "bench", record)
        session, job = ledger.sessions.open(prompt="p", input_key=any_sample())
        claim = ledger.execution.claim("gpu.0", "bench", job.id)
        self._head, self._size, self._sha = "", 0, ledger.redis.script_load(source("jobs/commit"))
        root = self._change(claim, final="succeeded")
        self._tree = root.node.id
        ledger.execution.commit("gpu.0", "bench", root)
        job = ledger.jobs.submit(session.id, "step", {"steps": 10**6})
        self._claim = ledger.execution.claim("gpu.0", "bench", job.id)

    def fresh(self) -> _Growth:
        """Another tree of 100 nodes beside the first."""
        other = _Growth(self._ledger)
        other.to(100)
        return other

    def to(self, size: int) -> None:
        """Grow fast: many commits per round trip."""
        while self._size < size:
            self._ledger.leases.take("gpu.0", "bench", {"state": "busy"})
            pipe = self._ledger.redis.pipeline(transaction=False)
            for _ in range(min(500, size - self._size)):
                change = self._change(self._claim)
                node = change.node.to_dict()
                del node["children"]
                pipe.evalsha(
                    self._sha, 0, "gpu.0", "bench", change.session_id, change.job_id, change.epoch, change.node.id,
                    codec.pack(node), codec.pack(change.session), codec.dumps(change.step), "", "null", "null", "{}",
                )  # fmt: skip
            answers = pipe.execute()
            if any(answer[0] != "ok" for answer in answers):
                raise RuntimeError(f"a commit was refused: {answers[-1]}")

    def measured(self, count: int) -> list[float]:
        """Milliseconds of single commits."""
        changes = [self._change(self._claim) for _ in range(count)]
        following = iter(changes)
        self._ledger.leases.take("gpu.0", "bench", {"state": "busy"})
        return round_trips(
            lambda: self._ledger.execution.commit("gpu.0", "bench", next(following)), count - 50, warm=50
        )

    def _change(self, claim: Claim, final: str | None = None) -> Commit:
        node_id = new_id("ckp")
        parent, self._head = self._head or None, node_id
        node = NodeRecord(
            id=node_id, parent=parent, session_id=claim.session.id, tree_id=(parent and self._tree) or node_id,
            frame_index=self._size, prompt="pick up the red cup", seed=7, action_source="predicted",
            actions=[[0.1, 0.2, 0.3, 0.4]] * 8, job_id=claim.job.id, worker="gpu.0", n_frames=8,
        )  # fmt: skip
        self._size += 1
        changes = {"head": node_id, "frame_index": node.frame_index, "tree_id": node.tree_id}
        step = {"checkpoint_id": node_id, "frame_index": node.frame_index, "wall_s": 0.1}
        return Commit(claim.session.id, claim.job.id, claim.session.epoch, node=node, session=changes, step=step,
                      final=final, result={})  # fmt: skip
