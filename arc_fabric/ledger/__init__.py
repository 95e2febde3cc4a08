"""The ledger: what is true about sessions, jobs, trees and workers, kept in Redis, changed by Lua scripts.

    ledger = Ledger("redis://127.0.0.1:6379/0")
    request = ledger.sessions.open_request(prompt="pick up the red cup", input_key="sample:table", seed=7)
    accepted = Dispatcher(ledger).accept(request)         # arc_fabric.queue.dispatch: with its Celery ticket
    ledger.jobs.wait(accepted.job.id, timeout=10).state   # 'succeeded'

Every change that must be seen together (node + head + job + event) is one script, so a reader never sees
half of it and a crash never leaves half of it.
"""

from __future__ import annotations

from collections.abc import Callable

from arc_fabric.ledger.audit import Audit
from arc_fabric.ledger.core import Core, Limits, Page, keys
from arc_fabric.ledger.core.connection import REDIS_OUTAGE, WritesRefused
from arc_fabric.ledger.evaluations import Evaluations
from arc_fabric.ledger.events import Events
from arc_fabric.ledger.execution import Claim, Commit, Execution
from arc_fabric.ledger.frames import Frames
from arc_fabric.ledger.freeable import Freeable
from arc_fabric.ledger.jobs import Jobs
from arc_fabric.ledger.leases import Leases
from arc_fabric.ledger.logins import Logins
from arc_fabric.ledger.media import Media
from arc_fabric.ledger.owners import Owners, Usage
from arc_fabric.ledger.records import (
    EvaluationRecord,
    Event,
    JobRecord,
    NodeRecord,
    SessionRecord,
    TreeView,
    WorkerRecord,
)
from arc_fabric.ledger.requests import Accepted, JobRequest
from arc_fabric.ledger.sessions import Sessions
from arc_fabric.ledger.trees.erasing import Erasing
from arc_fabric.ledger.trees.imports import Imported, Imports
from arc_fabric.ledger.trees.inputs import Inputs
from arc_fabric.ledger.trees.listing import Trees
from arc_fabric.ledger.trees.nodes import Nodes
from arc_fabric.ledger.trees.resting import Resting
from arc_fabric.ledger.workers import ModelCard, Workers

__all__ = [
    "REDIS_OUTAGE",
    "Accepted",
    "Claim",
    "Commit",
    "EvaluationRecord",
    "Event",
    "Imported",
    "JobRecord",
    "JobRequest",
    "Ledger",
    "Limits",
    "NodeRecord",
    "Page",
    "SessionRecord",
    "TreeView",
    "Usage",
    "WorkerRecord",
    "WritesRefused",
]


class Ledger:
    """One part per noun. Cheap to make, thread-safe, one per process is enough. `clock` is for tests (see Core)."""

    def __init__(
        self, redis_url: str, *, limits: Limits | None = None, clock: Callable[[], float] | None = None
    ) -> None:
        self.core = core = Core(redis_url, limits or Limits(), clock)
        self.redis_url, self.redis, self.limits = redis_url, core.redis, core.limits
        self.model_card = ModelCard(core)
        self.jobs = Jobs(core)
        self.resting = Resting(core)
        self.sessions = Sessions(core, self.jobs, self.resting)
        self.nodes = Nodes(core, self.resting)
        self.trees = Trees(core, self.resting)
        self.erasing = Erasing(core)
        self.events = Events(core)
        self.frames = Frames(core)
        self.workers = Workers(core)
        self.leases = Leases(core)
        self.media = Media(core)
        self.execution = Execution(core, self.jobs, self.media)
        self.imports = Imports(core, self.resting)
        self.inputs = Inputs(core, self.resting)
        self.logins = Logins(core)
        self.owners = Owners(core)
        self.audit = Audit(core)
        self.evaluations = Evaluations(core)
        self.freeable = Freeable(core)

    def close(self) -> None:
        """Close the connections."""
        self.core.close()

    def takes_writes(self) -> bool:
        """True; raises one of REDIS_OUTAGE where Redis does not answer, or refuses writes (WritesRefused says why)."""
        return bool(self.redis.set(keys.PROBE, 1, px=10_000))

    def counts(self) -> dict[str, int]:
        """Totals: sessions open and known, jobs unfinished and known, nodes not stored yet, workers alive."""
        pipe = self.redis.pipeline(transaction=False)
        pipe.scard(keys.SESSIONS_OPEN)
        pipe.zcard(keys.SESSIONS)
        pipe.scard(keys.JOBS_ACTIVE)
        pipe.zcard(keys.JOBS)
        pipe.zcard(keys.PENDING)
        pipe.zcount(keys.ALIVE, self.core.now(), "+inf")
        pipe.zcard(keys.TREES)
        pipe.zcard(keys.RESTING)
        pipe.zcard(keys.SESSIONS_RESTING)
        names = (
            "sessions_open", "sessions", "jobs_unfinished", "jobs", "nodes_pending", "workers_alive", "trees",
            "trees_resting",
        )  # fmt: skip
        *found, resting = pipe.execute()
        counts = dict(zip(names, found, strict=True))
        return counts | {"sessions": counts["sessions"] + resting}
