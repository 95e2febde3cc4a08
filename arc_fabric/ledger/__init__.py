"""The ledger: what is true about sessions, jobs, trees and workers, kept in Redis, changed by Lua scripts.

    ledger = Ledger("redis://127.0.0.1:6379/0")
    request = ledger.sessions.open_request(prompt="pick up the red cup", input_key="sample:table", seed=7)
    accepted = Dispatcher(ledger).accept(request)         # arc_fabric.queue.dispatch: with its Celery ticket
    ledger.jobs.wait(accepted.job.id, timeout=10).state   # 'succeeded'

Every change that must be seen together (node + head + job + event) is one script, so a reader never sees
half of it and a crash never leaves half of it.
"""

from arc_fabric.ledger.core.limits import Limits
from arc_fabric.ledger.core.pages import Page
from arc_fabric.ledger.execution import Claim, Commit
from arc_fabric.ledger.imports import Imported
from arc_fabric.ledger.ledger import Ledger
from arc_fabric.ledger.records import Event, JobRecord, NodeRecord, SessionRecord, TreeView, WorkerRecord
from arc_fabric.ledger.requests import Accepted, JobRequest

__all__ = [
    "Accepted",
    "Claim",
    "Commit",
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
    "WorkerRecord",
]
