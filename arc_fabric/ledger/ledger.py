"""All parts of the ledger on one core."""

from __future__ import annotations

from collections.abc import Callable

from arc_fabric.ledger.core import Core, keys
from arc_fabric.ledger.core.limits import Limits
from arc_fabric.ledger.events import Events
from arc_fabric.ledger.execution import Execution
from arc_fabric.ledger.frames import Frames
from arc_fabric.ledger.imports import Imports
from arc_fabric.ledger.inputs import Inputs
from arc_fabric.ledger.jobs import Jobs
from arc_fabric.ledger.leases import Leases
from arc_fabric.ledger.media import Media
from arc_fabric.ledger.model_card import ModelCard
from arc_fabric.ledger.nodes import Nodes
from arc_fabric.ledger.sessions import Sessions
from arc_fabric.ledger.workers import Workers


class Ledger:
    """One part per noun. Cheap to make, thread-safe, one per process is enough. `clock` is for tests (see Core)."""

    def __init__(
        self, redis_url: str, *, limits: Limits | None = None, clock: Callable[[], float] | None = None
    ) -> None:
        self.core = core = Core(redis_url, limits or Limits(), clock)
        self.redis_url, self.redis, self.limits = redis_url, core.redis, core.limits
        self.model_card = ModelCard(core)
        self.jobs = Jobs(core)
        self.sessions = Sessions(core, self.jobs, self.model_card)
        self.nodes = Nodes(core)
        self.events = Events(core)
        self.frames = Frames(core)
        self.workers = Workers(core)
        self.leases = Leases(core)
        self.media = Media(core, self.jobs)
        self.execution = Execution(core, self.jobs, self.media)
        self.imports = Imports(core)
        self.inputs = Inputs(core)

    def close(self) -> None:
        """Close the connections."""
        self.core.close()

    def ping(self) -> bool:
        """Whether Redis answers."""
        return bool(self.redis.ping())

    def counts(self) -> dict[str, int]:
        """Totals: sessions open and known, jobs unfinished and known, nodes not stored yet, workers alive."""
        pipe = self.redis.pipeline(transaction=False)
        pipe.scard(keys.SESSIONS_OPEN)
        pipe.zcard(keys.SESSIONS)
        pipe.scard(keys.JOBS_ACTIVE)
        pipe.zcard(keys.JOBS)
        pipe.zcard(keys.PENDING)
        opened, known, active, jobs, pending = pipe.execute()
        alive = sum(w.state not in ("down", "starting") for w in self.workers.all())
        return {
            "sessions_open": opened,
            "sessions": known,
            "jobs_unfinished": active,
            "jobs": jobs,
            "nodes_pending": pending,
            "workers_alive": alive,
        }
