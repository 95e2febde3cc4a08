"""kill -9 between any two calls on the way to rest and back: nothing is lost, and another process goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from arc_fabric.ledger import Ledger, Limits
from arc_fabric.ledger.core import keys
from arc_fabric.ledger.trees import resting as ledger_resting
from arc_fabric.resting import attach, bed, objects
from arc_fabric.resting.rest import finish_drops, rest_due, rest_tree
from arc_fabric.store.backends import Backend, MemoryBackend
from tests.ledger.conftest import Hand
from tests.resting.conftest import dump, grown


class Killed(BaseException):
    """The process is gone."""


class Deadly:
    """A process that dies at its n-th call of Redis or storage, before the call or after it."""

    def __init__(self, url: str, backend: Backend, at: int, *, after: bool) -> None:
        self.ledger = attach(Ledger(url, limits=Limits(lease_ttl_s=600)), _Storage(backend, self))
        self.backend = _Storage(backend, self)
        self._left, self._after = at, after
        run = self.ledger.core.scripts.run
        self.ledger.core.scripts.run = lambda *args: self.call(lambda: run(*args))  # type: ignore[method-assign]

    @property
    def outlived(self) -> bool:
        """Whether it did what it had to do in fewer calls."""
        return self._left > 0

    def call(self, do: Callable[[], Any]) -> Any:
        """One call."""
        self._left -= 1
        if self._left == 0 and not self._after:
            raise Killed
        answer = do()
        if self._left == 0:
            raise Killed
        return answer


class _Storage(MemoryBackend):
    def __init__(self, backend: Backend, process: Deadly) -> None:
        super().__init__()
        self._real, self._process = backend, process

    def put(self, key: str, parts: Any) -> None:
        self._process.call(lambda: self._real.put(key, parts))

    def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        found: bytes = self._process.call(lambda: self._real.get(key, offset, length))
        return found


@pytest.fixture(autouse=True)
def _small_slices(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """So that a small tree takes many calls; and what a dead process held runs out at once."""
    monkeypatch.setattr(objects, "NODES_PER_CHUNK", 3)
    monkeypatch.setattr("arc_fabric.resting.rest.NODES_PER_CHUNK", 3)
    monkeypatch.setattr("arc_fabric.resting.rest.SESSIONS_PER_CHUNK", 2)
    monkeypatch.setattr(bed, "_SLICE", 2)
    monkeypatch.setattr(ledger_resting, "WAKE_MS", 200)
    monkeypatch.setattr(ledger_resting.Resting.drop, "__defaults__", (2,))
    yield


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_on_the_way_to_rest(redis_url: str, *, after: bool) -> None:
    """At every call: the tree is here or rests, all of it can be read, and the next pass brings it to rest."""
    backend, at, done = MemoryBackend(), 0, False
    ledger = attach(Ledger(redis_url, limits=Limits(lease_ttl_s=600)), backend)
    tree = grown(Hand.up(ledger, "gpu.0"))
    before = dump(ledger)
    while not done:
        at += 1
        process = Deadly(redis_url, backend, at, after=after)
        with suppress(Killed):
            rest_tree(process.ledger, process.backend, tree.tree_id)
            done = process.outlived
        ids = [node.id for node in tree.nodes]
        assert ledger.nodes.known(ids) == set(ids)
        listed = {s.id for bulk in (False, True) for s in ledger.sessions.page(bulk=bulk).items}
        assert listed == {session.id for session in tree.sessions}
        if at % 2 and not done:
            finish_drops(ledger)
        assert [n.to_dict() for n in ledger.nodes.tree(tree.tree_id).nodes] == [n.to_dict() for n in tree.nodes]
        ledger.redis.delete(keys.rest_claim(tree.tree_id))
        assert dump(ledger) == before
        process.ledger.close()
    assert at > 15, "there were many places to die at"
    ledger.redis.zadd(keys.TOUCHED, {tree.tree_id: 1})
    assert rest_due(ledger, backend, 10) == 1
    ledger.close()


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_on_the_way_back(redis_url: str, *, after: bool) -> None:
    """At every call: another process, or the janitor's pass, finds the tree whole."""
    backend, at, done = MemoryBackend(), 0, False
    ledger = attach(Ledger(redis_url, limits=Limits(lease_ttl_s=600)), backend)
    tree = grown(Hand.up(ledger, "gpu.0"))
    before = dump(ledger)
    while not done:
        at += 1
        assert rest_tree(ledger, backend, tree.tree_id)
        process = Deadly(redis_url, backend, at, after=after)
        with suppress(Killed):
            process.ledger.core.wake(tree.tree_id)
            done = process.outlived
        if at % 2 and not done and ledger.resting.row(tree.tree_id):
            while ledger.redis.exists(keys.waking(tree.tree_id)):
                pass
            finish_drops(ledger)
            ids = [node.id for node in tree.nodes]
            assert not ledger.nodes.many(ids, wake=False), "the janitor dropped what had been put back"
            assert ledger.nodes.known(ids) == set(ids)
        assert [n.to_dict() for n in ledger.nodes.tree(tree.tree_id).nodes] == [n.to_dict() for n in tree.nodes]
        assert dump(ledger) == before
        process.ledger.close()
    assert at > 10, "there were many places to die at"
    ledger.close()
