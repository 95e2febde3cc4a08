"""What the ledger's scripts cost Redis in a small fleet and in a large one.

Time is Redis's own (`usec` of EVALSHA): while a script runs nobody else is served. The fleets are written as version
0.1 left them, without any of today's counters, so that the audit which makes them is part of the run.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

from arc_fabric.ids import new_id
from arc_fabric.ledger import Commit, JobRecord, Ledger, Limits, SessionRecord
from arc_fabric.ledger.core import codec, keys
from arc_fabric.services.valkey import ValkeyServer
from benchmarks.rows import Report

T = TypeVar("T")
SMALL, LARGE = (2, 5), (1000, 10_000)
"""Workers and sessions."""
BARS = {"create": 2.0, "step over the bound": 2.0, "sweep": 2.0, "claim": 1.5, "commit": 1.5}
_LIMITS = Limits(max_open_sessions=10**6, max_jobs_total=10**6, lease_ttl_s=3600)
_STEPS = 8
"""A fifth of the sessions of every other worker wait for so many steps, more than the affinity bound."""
_BATCH = 500


def placement(report: Report, times: int = 60) -> None:
    """create, a step whose owner is over its bound, claim, commit and the reaper's sweep; and what operators read."""
    found = {}
    with tempfile.TemporaryDirectory(prefix="arc-bench-") as folder:
        server = ValkeyServer(Path(folder))
        server.start()
        try:
            for database, (workers, sessions) in enumerate((SMALL, LARGE)):
                ledger = Ledger(server.database(database), limits=_LIMITS)
                with contextlib.closing(ledger):
                    fill(ledger, workers, sessions)
                    found[workers] = _scripts(ledger, times) | _reads(ledger)
        finally:
            server.stop()
    small, large = (found[workers] for workers, _ in (SMALL, LARGE))
    for name, bar in BARS.items():
        report.add(f"{name} at 1,000 workers and 10,000 sessions / at 2 and 5", large[name] / small[name], "ratio",
                   at_most=bar, baselines={"small_ms": small[name], "large_ms": large[name]})  # fmt: skip
    for name in sorted(set(large) - set(BARS)):
        report.add(f"{name} at 1,000 workers", large[name], "ms", baselines={"at 2 workers_ms": small[name]})


def fill(ledger: Ledger, workers: int, sessions: int) -> None:
    """Live workers, and idle and waiting sessions that they own, as version 0.1 wrote them; then counted."""
    names = [f"gpu.{i}" for i in range(workers)]
    for name in names:
        fields = {"name": name, "boot_id": "boot", "role": "gpu", "state": "idle", "device": "cpu", "model": "toy"}
        ledger.leases.take(name, "boot", fields | {"started": time.time(), "memory": {"rss_bytes": 1}})
    pipe = ledger.redis.pipeline(transaction=False)
    for i in range(sessions):
        waits = i % workers % 2 == 0 and i // workers % 5 == 0
        session = SessionRecord(id=new_id("ses"), prompt="pick up the red cup", worker=names[i % workers], queued=waits)
        hidden = {"_epoch": 1, "_boot": "boot", "_seq": 0, "_pending": _STEPS if waits else 0}
        pipe.hset(keys.session(session.id), mapping=_encoded(session.to_dict() | hidden))
        pipe.zadd(keys.SESSIONS, {session.id: 0})
        pipe.sadd(keys.SESSIONS_OPEN, session.id)
        pipe.sadd(keys.owned(names[i % workers]), session.id)
        if waits:
            job = JobRecord(id=new_id("job"), kind="step", session_id=session.id, created=time.time(), seq=1)
            inner = {"_total": _STEPS, "_done": 0, "_queue": session.worker, "_priority": 0, "_sent": 1}
            pipe.hset(keys.job(job.id), mapping=_encoded(job.to_dict() | inner))
            pipe.rpush(keys.mailbox(session.id), job.id)
            pipe.zadd(keys.BUSY, {session.id: time.time()})
            pipe.zadd(keys.JOBS, {job.id: 0})
            pipe.sadd(keys.JOBS_ACTIVE, job.id)
            pipe.lpush(str(session.worker), "ticket")
        if i % _BATCH == _BATCH - 1:
            pipe.execute()
    pipe.execute()
    ledger.audit.whole()


def _encoded(fields: dict[str, Any]) -> Mapping[Any, str]:
    return codec.encode(fields)


class _Times:
    """Milliseconds in Redis by script."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.found: dict[str, list[float]] = defaultdict(list)

    def of(self, name: str, call: Callable[[], T]) -> T:
        """Answer what `call` answers, and note what its scripts took."""
        before = self._usec()
        answer = call()
        self.found[name].append((self._usec() - before) / 1e3)
        return answer

    def _usec(self) -> int:
        return int(self._ledger.redis.info("commandstats").get("cmdstat_evalsha", {}).get("usec", 0))


def _scripts(ledger: Ledger, times: int) -> dict[str, float]:
    """Median milliseconds in Redis by script."""
    spent = _Times(ledger)
    away = next(s for s in map(ledger.sessions.get, sorted(ledger.workers.sessions_of("gpu.0"))) if not s.queued)
    for _ in range(times):
        _turn(ledger, spent)
        moved = spent.of("step over the bound", lambda: ledger.jobs.submit(away.id, "step"))
        assert "steps waiting" in moved.placement["reason"], moved.placement
        ledger.jobs.cancel(moved.id)
        _give_back(ledger, away.id, moved.queue)
    return {name: median(values) for name, values in spent.found.items()}


def _turn(ledger: Ledger, spent: _Times) -> None:
    """One session from its creation to its end."""
    session, job = spent.of("create", lambda: ledger.sessions.open(prompt="cup", input_key="sample:table"))
    claim = spent.of("claim", lambda: ledger.execution.claim(job.queue, "boot", job.id))
    assert claim.session is not None
    change = Commit(session.id, job.id, claim.session.epoch, final="succeeded", result={})
    spent.of("commit", lambda: ledger.execution.commit(job.queue, "boot", change))
    spent.of("sweep", ledger.execution.sweep)
    spent.of("look for other work", lambda: ledger.execution.others_waiting(job.queue, session.id))
    ledger.sessions.close(session.id)


def _give_back(ledger: Ledger, session_id: str, holder: str) -> None:
    """Undo a move of an idle session."""
    ledger.redis.smove(keys.owned(holder), keys.owned("gpu.0"), session_id)
    ledger.redis.hset(keys.session(session_id), "worker", codec.dumps("gpu.0"))


def _reads(ledger: Ledger) -> dict[str, float]:
    """Median milliseconds of this process for what an operator reads."""
    reads: dict[str, Callable[[], object]] = {
        "a page of 500 workers": lambda: ledger.workers.page(limit=500),
        "all workers": ledger.workers.all,
        "all queues": ledger.workers.queues,
        "totals": ledger.counts,
    }
    found: dict[str, list[float]] = defaultdict(list)
    for _ in range(5):
        for name, call in reads.items():
            began = time.perf_counter()
            call()
            found[name].append((time.perf_counter() - began) * 1e3)
    return {name: median(values) for name, values in found.items()}
