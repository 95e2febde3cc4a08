"""Given pictures: those that a job or a node names stay through races and kills, the others go after their grace."""

from __future__ import annotations

import multiprocessing
import random
import threading
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from arc_fabric.base.input_keys import new_key
from arc_fabric.ledger import JobRecord, Ledger, Limits
from arc_fabric.settings import Settings
from arc_fabric.store.backends import Backend, MemoryBackend, backend_from_settings
from arc_fabric.store.backends.marks import marks
from arc_fabric.store.upkeep import unnamed_inputs
from arc_fabric.store.upkeep.collector import Collector
from tests.ledger.conftest import Hand
from tests.store.victims import Slow

KILLS = 20


@pytest.fixture
def ledger(redis_url: str) -> Iterator[Ledger]:
    """A ledger with room for the jobs of these tests."""
    made = Ledger(redis_url, limits=Limits(max_open_sessions=200, max_jobs_per_session=1000, max_jobs_total=5000))
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _short_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pictures be old at once; the race test sets what it needs."""
    monkeypatch.setattr(unnamed_inputs, "REQUEST_S", 0.0)


def _put(backend: Backend, data: bytes = b"png") -> str:
    key = new_key(data)
    backend.put(key, data)
    return key


def _inputs(backend: Backend) -> set[str]:
    return {info.key for info in backend.list("inputs/")}


def _collector(backend: Backend, ledger: Ledger, grace_s: float = 0.0) -> Collector:
    return Collector(backend, grace_s=grace_s, named_inputs=ledger.inputs.named)


def test_what_is_named_stays_and_the_rest_goes_in_two_runs(ledger: Ledger) -> None:
    """A queued job, a running one and nodes name pictures; a cancelled job and a refused request do not."""
    backend, hand = MemoryBackend(), Hand.up(ledger, "gpu.0")
    root, steps, queued, refused = (_put(backend) for _ in range(4))
    session, create = ledger.sessions.open(prompt="p", seed=1, input_key=root)
    assert ledger.inputs.named() == {root}
    hand.commit_node(hand.claim(create), internal={"_input_key": root})
    step = ledger.jobs.submit(session.id, "step", {"steps": 2, "observed": [steps, None]})
    claim = hand.claim(step)
    hand.commit_node(claim, final=False, internal={"_observed": steps})
    later = ledger.jobs.submit(session.id, "step", {"steps": 1, "observed": [queued]})
    for _ in range(3):
        report = _collector(backend, ledger).run()
    assert _inputs(backend) == {root, steps, queued} == ledger.inputs.named()
    hand.commit_node(claim)
    ledger.jobs.cancel(later.id)
    assert ledger.inputs.named() == {root, steps}
    report = _collector(backend, ledger).run(dry_run=True)
    assert (report.inputs, report.input_bytes, report.deleted, report.candidates) == (1, 3, 0, 1)
    assert _collector(backend, ledger).run().deleted == 0
    told = _collector(backend, ledger).run(dry_run=True)
    done = _collector(backend, ledger).run()
    assert told.freed_bytes == done.freed_bytes == 3 and told.deleted == done.deleted == 1
    assert _inputs(backend) == {root, steps} and refused not in _inputs(backend)


def test_young_pictures_and_those_of_an_unknown_ledger_stay(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request may be about to name it; a Redis without sessions, or none at all, says nothing."""
    backend = MemoryBackend()
    key = _put(backend)
    for collector in (_collector(backend, ledger), Collector(backend, grace_s=0)):
        for _ in range(3):
            assert collector.run().inputs is None
    ledger.sessions.open(prompt="p", seed=1, input_key="sample:table")
    for _ in range(3):
        assert _collector(backend, ledger, grace_s=3600).run().inputs == 0
    monkeypatch.setattr(unnamed_inputs, "REQUEST_S", 600.0)
    for _ in range(3):
        assert _collector(backend, ledger).run().inputs == 0
    assert _inputs(backend) == {key} and not marks(backend)


def test_a_picture_named_again_loses_its_mark(ledger: Ledger) -> None:
    """A script may name a key it knows; between the phases that saves it. Who knows no ledger leaves marks alone."""
    backend = MemoryBackend()
    key = _put(backend)
    ledger.sessions.open(prompt="p", seed=1, input_key="sample:table")
    _collector(backend, ledger).run()
    Collector(backend, grace_s=0).run()
    assert marks(backend)[key].state == "marked"
    ledger.sessions.open(prompt="p", seed=1, input_key=key)
    for _ in range(3):
        _collector(backend, ledger).run()
    assert _inputs(backend) == {key} and marks(backend)[key].state == "unmarked"


def test_equal_pictures_are_one_request(ledger: Ledger) -> None:
    """The same Idempotency-Key with the same picture, stored twice, is the same request; another picture is not."""
    one, same = new_key(b"a"), new_key(b"a")
    assert one != same
    session, job = ledger.sessions.open(prompt="p", seed=1, input_key=one, idempotency_key="k")
    again, replayed = ledger.sessions.open(prompt="p", seed=1, input_key=same, idempotency_key="k")
    assert (again.id, replayed.id) == (session.id, job.id)
    assert ledger.inputs.named() == {one}
    step = ledger.jobs.submit(session.id, "step", {"observed": [new_key(b"b")]}, idempotency_key="s")
    assert ledger.jobs.submit(session.id, "step", {"observed": [new_key(b"b")]}, idempotency_key="s").id == step.id
    with pytest.raises(Exception, match="another request"):
        ledger.jobs.submit(session.id, "step", {"observed": [new_key(b"c")]}, idempotency_key="s")


class Client(threading.Thread):
    """Stores pictures, then names them in jobs, or is refused; a worker commits some of them, others are cancelled."""

    def __init__(self, me: int, ledger: Ledger, hand: Hand, backend: Backend) -> None:
        super().__init__()
        self.dice, self.ledger, self.hand, self.backend = random.Random(me), ledger, hand, backend
        self.needed: set[str] = set()
        self.refused: set[str] = set()
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            for _ in range(15):
                self.round()
        except BaseException as error:
            self.error = error
            raise

    def round(self) -> None:
        """One session: its root, and steps with pictures in all states."""
        root = self.stored()
        session, create = self.ledger.sessions.open(prompt="p", seed=1, input_key=root)
        self.needed.add(root)
        self.hand.commit_node(self.hand.claim(create), internal={"_input_key": root})
        for _ in range(self.dice.randrange(4)):
            keys = [self.stored() for _ in range(self.dice.randrange(1, 3))]
            if self.dice.random() < 0.2:
                self.refused.update(keys)
                continue
            job = self.ledger.jobs.submit(session.id, "step", {"steps": len(keys), "observed": keys})
            end = self.dice.choice(("committed", "committed", "cancelled", "queued", "running"))
            self.end(job, keys, end)
            if end in ("queued", "running"):
                return  # the jobs behind it would wait

    def stored(self) -> str:
        """A picture, and the moment in which nothing names it."""
        key = _put(self.backend)
        time.sleep(self.dice.random() * 0.05)
        return key

    def end(self, job: JobRecord, keys: list[str], end: str) -> None:
        """Bring the job there, and note what it leaves named."""
        (self.refused if end == "cancelled" else self.needed).update(keys)
        if end == "cancelled":
            self.ledger.jobs.cancel(job.id)
        if end in ("committed", "running"):
            claim = self.hand.claim(job)
            for at, key in enumerate(keys if end == "committed" else keys[:-1]):
                answer = self.hand.commit_node(claim, final=at == len(keys) - 1, internal={"_observed": key})
                assert answer == "ok"


def test_pictures_named_while_a_collector_runs_are_kept(
    ledger: Ledger, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four clients beside two collectors without grace: all that is named is there, all that is not goes."""
    monkeypatch.setattr(unnamed_inputs, "REQUEST_S", 3.0)  # a stored picture is named within 50 ms here
    backend = backend_from_settings(settings)
    hand = Hand.up(ledger, "gpu.0")
    stop = threading.Event()

    def collect() -> None:
        while not stop.is_set():
            _collector(backend, ledger).run()

    clients = [Client(i, ledger, hand, backend) for i in range(4)]
    cleaners = [threading.Thread(target=collect) for _ in range(2)]
    for thread in (*clients, *cleaners):
        thread.start()
    for client in clients:
        client.join(120)
    monkeypatch.setattr(unnamed_inputs, "REQUEST_S", 0.0)  # no request is under way any more
    stop.set()
    for cleaner in cleaners:
        cleaner.join(30)
    assert [client.error for client in clients] == [None] * 4
    needed = set().union(*(client.needed for client in clients))
    refused = set().union(*(client.refused for client in clients))
    assert needed == ledger.inputs.named()
    for _ in range(2):
        _collector(backend, ledger).run()
    assert refused and _inputs(backend) == needed


def _collect_for_ever(path: str, redis_url: str, told: Connection) -> None:
    unnamed_inputs.REQUEST_S = 0.0
    collector = _collector(Slow(Path(path), sync=False), Ledger(redis_url))
    told.send("ready")
    while True:
        collector.run()


def test_killing_collectors_loses_no_picture_that_is_named(ledger: Ledger, redis_url: str, tmp_path: Path) -> None:
    """Twenty collectors are killed at random moments; what is named is there, and the last one ends their work."""
    backend, hand, dice = Slow(tmp_path / "objects", sync=False), Hand.up(ledger, "gpu.0"), random.Random(9)
    named: set[str] = set()
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.upkeep.test_unnamed_inputs"])
    for _ in range(KILLS):
        for _ in range(8):
            _put(backend)
        named.add(root := _put(backend))
        session, create = ledger.sessions.open(prompt="p", seed=1, input_key=root)
        hand.commit_node(hand.claim(create), internal={"_input_key": root})
        named.add(queued := _put(backend))
        ledger.jobs.submit(session.id, "step", {"observed": [queued]})
        mine, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_collect_for_ever, args=(str(tmp_path / "objects"), redis_url, theirs))
        process.start()
        assert mine.poll(60)
        time.sleep(dice.uniform(0, 0.15))
        process.kill()
        process.join(10)
        assert named <= _inputs(backend)
    for _ in range(3):
        _collector(backend, ledger).run()
    assert _inputs(backend) == named == ledger.inputs.named()
