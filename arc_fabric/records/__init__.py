"""What is known of a session, a job, a checkpoint and a worker: each defined once.

What the ledger stores, what HTTP shows and OpenAPI describes, what a client holds and what a bundle brings follow from
these definitions. A new member of a record is one line here:

>>> mood: str = member("How it feels.", "calm", example="calm", later=True)     # in the class, for example Node
"""

from arc_fabric.records.evaluation import Evaluation
from arc_fabric.records.imports import brought
from arc_fabric.records.job import Job, Progress
from arc_fabric.records.node import Node
from arc_fabric.records.record import Record, hints, member, members
from arc_fabric.records.session import Session
from arc_fabric.records.tree import Tree
from arc_fabric.records.worker import Worker

__all__ = [
    "Evaluation",
    "Job",
    "Node",
    "Progress",
    "Record",
    "Session",
    "Tree",
    "Worker",
    "brought",
    "hints",
    "member",
    "members",
]
