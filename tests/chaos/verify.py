"""What must be true in the end."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

import numpy as np

from arc_fabric.ledger import JobRecord, Ledger, NodeRecord
from arc_fabric.manager import StateManager
from arc_fabric.session import Session
from arc_fabric.state import WorldStateSnapshot
from arc_fabric.store import SnapshotStore
from tests.chaos.clients import Promise
from tests.chaos.world import World
from tests.support.toy_model import ToyModel
from workers.jobs.payloads import digest_of, digest_of_latents

EXPECTED_FAILURES = {"RewindBeyondRoot"}
OF_LOST_OBJECTS = {"DamagedSnapshot", "CheckpointUnavailable", "PiecesCollected", "StoreError"}
"""How jobs may fail whose session needs a checkpoint that has lost an object."""


DOES_NOT_LOAD = "does not load:"


class Audit:
    """Collects every violation instead of stopping at the first."""

    def __init__(self, world: World, promises: list[Promise]) -> None:
        self.problems: list[str] = []
        self.facts: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self._ledger: Ledger = world.ledger
        self._world = world
        self._promises = promises
        self._nodes: dict[str, NodeRecord] = {}

    def run(self, *, restores: int) -> None:
        """All checks; `restores` is how many stored checkpoints are loaded and continued."""
        jobs = self._all_jobs()
        self._promised_jobs(jobs)
        by_session: dict[str, list[JobRecord]] = defaultdict(list)
        for job in jobs.values():
            by_session[job.session_id].append(job)
        made: Counter[str] = Counter()
        for session_id, own in by_session.items():
            self._one_session(session_id, sorted(own, key=lambda j: j.seq), made)
        self._trees(made)
        self._bits()
        self._storage(restores)

    def _check(self, holds: bool, problem: str) -> None:
        if not holds:
            self.problems.append(problem)

    def _all_jobs(self) -> dict[str, JobRecord]:
        found: dict[str, JobRecord] = {}
        page = self._ledger.jobs.page(limit=500)
        while True:
            found |= {job.id: job for job in page.items}
            if page.next is None:
                return found
            page = self._ledger.jobs.page(limit=500, cursor=page.next)

    def _promised_jobs(self, jobs: dict[str, JobRecord]) -> None:
        """Every accepted request is a job, finished; a key has one job."""
        for promise in self._promises:
            self._check(promise.job_id in jobs, f"accepted job {promise.job_id} is gone")
        for job in jobs.values():
            self.facts[job.state] += 1
            self._check(job.ended, f"job {job.id} is stuck: {job.state} {job.progress} {job.placement}")
            if job.state == "failed":
                self.failures[job.error["type"]] += 1
                known = EXPECTED_FAILURES | (OF_LOST_OBJECTS if self._world.removed else set())
                self._check(job.error["type"] in known, f"job {job.id} failed: {job.error}")
        self.facts["jobs"] = len(jobs)

    def _one_session(self, session_id: str, jobs: list[JobRecord], made: Counter[str]) -> None:
        """Effects are those of the jobs in accepted order, each once: heads follow each other without a gap."""
        numbers = [j.seq for j in jobs]
        self._check(numbers == list(range(1, len(jobs) + 1)), f"{session_id}: job numbers {numbers}")
        session = self._ledger.sessions.get(session_id)
        head = session.parent_checkpoint
        last_start = 0.0
        for job in jobs:
            if job.started is not None:
                self._check(job.started >= last_start, f"{job.id} started before its predecessor")
                last_start = job.started
            head = self._effects(job, head, made)
        self._check(session.head == head, f"{session_id}: head is {session.head}, its jobs lead to {head}")

    def _effects(self, job: JobRecord, head: str | None, made: Counter[str]) -> str | None:
        result = job.result or {}
        if job.kind == "create" and job.state == "succeeded":
            made[result["checkpoint_id"]] += 1
            return result["checkpoint_id"]
        if job.kind == "rewind" and job.state == "succeeded":
            path = self._ledger.nodes.path(head)
            self._check(path.index(result["head"]) == job.params["n_steps"], f"rewind {job.id} went elsewhere")
            return result["head"]
        steps = result.get("steps", [])
        for step in steps:
            node = self._node(step["checkpoint_id"])
            self._check(node.parent == head, f"{node.id} of {job.id} follows {node.parent}, not {head}")
            self._check(node.job_id == job.id, f"{node.id} says job {node.job_id}, {job.id} lists it")
            made[node.id] += 1
            head = node.id
        wanted = {"step": job.params.get("steps", 1), "fork": job.params.get("steps", 0)}.get(job.kind, 0)
        done = len(steps)
        self._check(done <= wanted, f"{job.id} made {done} steps of {wanted}")
        self._check(job.state != "succeeded" or done == wanted, f"{job.id} succeeded with {done} steps of {wanted}")
        return head

    def _trees(self, made: Counter[str]) -> None:
        """Every node was made by one job, once, and is its parent's child once."""
        for session in self._ledger.sessions.page(limit=10_000).items:
            if session.tree_id is None or session.tree_id != session.root or session.parent_checkpoint:
                continue
            tree = self._ledger.nodes.tree(session.tree_id, limit=1_000_000)
            self._nodes |= {node.id: node for node in tree.nodes}
        self.facts["nodes"] = len(self._nodes)
        doubled = [node_id for node_id, times in made.items() if times != 1]
        self._check(not doubled, f"steps in effect more than once: {doubled[:5]}")
        self._check(set(made) == set(self._nodes), f"nodes without a job: {set(self._nodes) ^ set(made)}")
        children = Counter(child for node in self._nodes.values() for child in node.children)
        orphans = [n for n in self._nodes.values() if n.parent is not None and children[n.id] != 1]
        self._check(not orphans, f"nodes that are not one child of their parent: {[n.id for n in orphans[:5]]}")

    def _bits(self) -> None:
        """Every step has the bits of an undisturbed process."""
        model = ToyModel()
        manager = StateManager(model, 1_000_000)
        wrong = 0
        by_depth = sorted(self._nodes.values(), key=lambda n: n.frame_index)
        sessions: dict[str, str] = {}
        for node in by_depth:
            if node.parent is None:
                root = Session(node.session_id, model, manager, node.prompt, ToyModel.sample_frame(), seed=node.seed)
                sessions[node.id] = root.head
                continue
            again = Session.from_checkpoint(
                "check", model, manager, sessions[node.parent], prompt=node.prompt, seed=node.seed,
                prompt_mode=node.internal["_mode"],
            )  # fmt: skip
            action = np.asarray(node.actions, np.float32) if node.action_source == "given" else None
            result = again.step(action, node.state)
            sessions[node.id] = result.checkpoint_id
            wrong += digest_of(result) != node.internal["_digest"]
        manager.store.close()
        self._check(wrong == 0, f"{wrong} of {len(by_depth)} steps have other bits than undisturbed ones")

    def _storage(self, restores: int) -> None:
        """Everything became durable, and loads with the bits that the node names."""
        states = Counter(node.durability for node in self._nodes.values())
        known = {"durable", "damaged"} if self._world.removed else {"durable"}
        self._check(set(states) <= known, f"durability: {dict(states)}")
        store = SnapshotStore(self._world.backend())
        chosen = sorted(self._nodes.values(), key=lambda n: n.id)
        every = max(1, len(chosen) // restores)
        for node in chosen[::every]:
            self.facts["restored"] += 1
            problem = _restore(store, node)
            lost = problem is not None and problem.startswith(DOES_NOT_LOAD) and self._needs_what_is_lost(node)
            self.facts["not restored: an object was removed"] += lost
            self._check(problem is None or lost, f"{node.id}: {problem}")
        store.close()

    def _needs_what_is_lost(self, node: NodeRecord) -> bool:
        """Whether an object of it, or of one that it comes from, was removed: it may say so, and never load wrong."""
        return bool(self._world.removed & set(self._ledger.nodes.path(node.id)))

    def _node(self, node_id: str) -> NodeRecord:
        if node_id not in self._nodes:
            self._nodes[node_id] = self._ledger.nodes.get(node_id)
        return self._nodes[node_id]


def _restore(store: SnapshotStore, node: NodeRecord) -> str | None:
    """Load one stored checkpoint; what is wrong with it."""
    try:
        tensors, meta = store.get(node.id, "cpu")
        snapshot: Any = WorldStateSnapshot.from_entries(tensors, meta)
    except Exception as error:  # noqa: BLE001 - the audit lists it, whatever it is
        return f"{DOES_NOT_LOAD} {error!r}"
    if node.parent is None:
        return None if snapshot.frame_index == 0 else "is no root"
    return None if digest_of_latents(snapshot.step_latents) == node.internal["_digest"] else "loads with other latents"
