"""Any sequence of steps, forks, evictions, drops, deletions, collections and restarts, against a deep-copy oracle."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from arc_fabric.errors import CheckpointUnavailable
from arc_fabric.store import SnapshotStore
from arc_fabric.store.backends import DiskBackend, MemoryBackend
from arc_fabric.store.upkeep.check import Checker
from arc_fabric.store.upkeep.collector import Collector
from tests.store.states import State, kv_names, same_bits

HOST_BYTES, DISK_BYTES = 6000, 20_000
ANY = st.integers(0, 9999)
FIRST = "c000"
"""The one that is never deleted."""


class StoreMachine(RuleBasedStateMachine):
    """`alive` is the oracle: what every checkpoint that was not deleted must restore to, as deep copies."""

    operations = 0

    @initialize(disk=st.booleans())
    def begin(self, disk: bool) -> None:
        """An empty store over memory or over files, with tiers that overflow."""
        self.folder = tempfile.TemporaryDirectory()
        self.backend = DiskBackend(Path(self.folder.name) / "objects", sync=False) if disk else MemoryBackend()
        self.alive: dict[str, dict[str, torch.Tensor]] = {}
        self.light: set[str] = set()
        """Checkpoints whose KV may be missing."""
        self.durable: set[str] = set()
        self.parent: dict[str, str | None] = {}
        self.names = (f"c{i:03d}" for i in itertools.count())
        self.open()
        self.put(State.root(), None, "full")
        self.store.flush(20)

    def open(self) -> None:
        self.store = SnapshotStore(
            self.backend,
            host_cache_bytes=HOST_BYTES,
            disk_cache_bytes=DISK_BYTES,
            disk_cache_dir=Path(self.folder.name) / "cache",
            upload_budget_bytes=20_000,
            on_durable=lambda checkpoint_id, _: self.durable.add(checkpoint_id),
        )

    def put(self, state: State, parent: str | None, policy: str) -> None:
        name = next(self.names)
        self.alive[name] = state.clone().tensors
        self.parent[name] = parent
        if policy != "full" or parent in self.light:
            self.light.add(name)
        self.store.put(name, state.entries(), {"name": name}, parent_id=parent, policy=policy)

    def pick(self, index: int) -> str:
        """A living checkpoint. What a crash leaves is not determined, so draws must not depend on it."""
        living = sorted(self.alive)
        return living[index % len(living)]

    def restored(self, name: str) -> State:
        """The store's answer, checked against the oracle; KV left out is filled in as a rebuild would."""
        tensors, meta = self.store.get(name)
        expected = self.alive[name]
        assert meta == {"name": name}
        if not any(kv in tensors for kv in kv_names()) and any(kv in expected for kv in kv_names()):
            assert name in self.light, f"{name} lost its KV"
            tensors = tensors | {kv: expected[kv].clone() for kv in kv_names()}
        assert same_bits(tensors, expected), f"{name} came back with other bits"
        return State({key: tensors[key] for key in expected})

    @rule(index=ANY, seed=st.integers(0, 9), policy=st.sampled_from(["full", "full", "full", "light"]))
    def step(self, index: int, seed: int, policy: str) -> None:
        """Restore any checkpoint (head, rewound or forked from) and step from it."""
        parent = self.pick(index)
        state = self.restored(parent)
        longest = state.tensors["kv_cache1/00"].shape[2]
        self.put(state.reset(seed) if longest > 28 else state.step(seed), parent, policy)

    @rule(index=ANY)
    def restore(self, index: int) -> None:
        """Any checkpoint at any time."""
        self.restored(self.pick(index))

    @rule(seed=st.integers(0, 3))
    def root(self, seed: int) -> None:
        """Another session."""
        self.put(State.root(seed), None, "full")

    @rule(index=ANY)
    def same_again(self, index: int) -> None:
        """A checkpoint of an unchanged state."""
        parent = self.pick(index)
        self.put(self.restored(parent), parent, "full")

    @rule(index=ANY, wait=st.booleans())
    def delete(self, index: int, wait: bool) -> None:
        """Drop a payload; others that share its pieces must not notice."""
        name = self.pick(index)
        if name == FIRST:
            return
        if wait:
            self.store.flush(20)
        self.store.delete_payload(name)
        del self.alive[name]
        with pytest.raises(CheckpointUnavailable):
            self.store.get(name)

    @rule(index=ANY)
    def drop_kv(self, index: int) -> None:
        """Make a checkpoint light; it and whoever shares its KV may come back without."""
        name = self.pick(index)
        self.store.drop_kv(name)
        self.light |= {other for other in self.alive if name in self.lineage(other)}

    def lineage(self, name: str) -> set[str]:
        found: set[str] = set()
        at: str | None = name
        while at is not None:
            found.add(at)
            at = self.parent[at]
        return found

    @rule(index=ANY, pin=st.booleans())
    def evict_or_pin(self, index: int, pin: bool) -> None:
        """Tiers change, answers do not."""
        name = self.pick(index)
        if pin:
            self.store.pin(name)
            self.store.unpin(name)
        else:
            self.store.evict(name)

    @rule()
    def collect(self) -> None:
        """Two passes without grace: whatever may go goes."""
        self.store.flush(20)
        for _ in range(2):
            Collector(self.backend, grace_s=0).run()

    @rule()
    def restart(self) -> None:
        """A clean restart: nothing is lost."""
        self.store.close(20)
        self.open()

    @rule()
    def crash(self) -> None:
        """Uploads under way are abandoned: what was durable is there, the rest is there in full or not at all."""
        safe = set(self.durable)
        self.store.close(timeout=0)
        self.open()
        for name in sorted(set(self.alive) - safe):
            if self.store.durability(name) == "absent":
                del self.alive[name]

    @invariant()
    def budgets_hold(self) -> None:
        """No tier is over its budget."""
        if hasattr(self, "store"):
            type(self).operations += 1
            usage = self.store.usage()
            assert usage["host"]["bytes"] - usage["host"]["pinned_bytes"] <= HOST_BYTES
            assert usage["disk"]["bytes"] <= DISK_BYTES

    def teardown(self) -> None:
        if not hasattr(self, "store"):
            return
        self.store.flush(20)
        assert self.store.status()["failed"] == 0
        report = Checker(self.backend, read_data=1.0).run()
        assert report.ok, report.problems
        fresh = SnapshotStore(self.backend)
        self.store.close(5)
        self.store = fresh
        for name in self.alive:
            self.restored(name)
        fresh.close(5)
        self.folder.cleanup()


def _run(examples: int, steps: int) -> int:
    before = StoreMachine.operations
    options = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize=examples < 10,
    )
    run_state_machine_as_test(StoreMachine, settings=options)
    return StoreMachine.operations - before


def test_a_few_hundred_operations() -> None:
    """The short profile of the normal suite."""
    assert _run(6, 40) >= 150


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_thousands_of_operations() -> None:
    """The long profile."""
    count = _run(60, 60)
    print(f"{count} operations against the oracle")
    assert count >= 1000
