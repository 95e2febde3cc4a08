"""Media jobs in the ledger: one per object, no lease of the session, taken up again when their worker is gone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from arc_fabric.errors import RateLimited
from arc_fabric.ledger import JobRecord, Ledger
from arc_fabric.ledger.core import keys
from tests.ledger.conftest import Hand

TARGET = "videos/ckp/0-9-8fps.mp4"


@dataclass
class MediaHand:
    """A media worker as the ledger sees it."""

    ledger: Ledger
    boot: str
    name: str = "media"

    @classmethod
    def up(cls, ledger: Ledger, boot: str = "boot") -> MediaHand:
        ledger.leases.take("media", boot, {"name": "media", "boot_id": boot, "role": "media", "state": "idle"})
        return cls(ledger, boot)

    def claim(self, job: JobRecord, attempts: int = 6) -> str:
        return self.ledger.media.claim(self.name, self.boot, job.id, attempts)[0]

    def commit(self, job: JobRecord, done: int, final: str = "", **told: object) -> bool:
        return self.ledger.media.commit(self.name, self.boot, job.id, done, final=final, **told)


def wanted(ledger: Ledger, session_id: str, target: str = TARGET, **params: Any) -> JobRecord:
    """The accepted job that makes an object."""
    return ledger.jobs.accept(ledger.media.request("video", session_id, params, target=target, total=9)).job


@pytest.fixture
def job(ledger: Ledger) -> JobRecord:
    """An accepted clip of a session."""
    session = Hand.up(ledger, "gpu.0").opened()
    return wanted(ledger, session.id, checkpoint_id=session.head)


def test_a_media_job_is_listed_and_leaves_the_session_alone(ledger: Ledger, job: JobRecord) -> None:
    """It runs while the session is worked on by another worker, and counts as no work of it."""
    media = MediaHand.up(ledger)
    before = ledger.sessions.get(job.session_id)
    assert media.claim(job) == "run"
    assert media.commit(job, 4)
    assert ledger.jobs.get(job.id).progress == {"done": 4, "total": 9}
    step = ledger.jobs.submit(job.session_id, "step")
    assert ledger.execution.claim("gpu.0", "boot", step.id).job.id == step.id
    assert media.commit(job, 9, "succeeded", result={"bytes": 1})
    after = ledger.sessions.get(job.session_id)
    assert (before.queued, before.epoch, after.running_job) == (0, after.epoch, step.id)
    done = ledger.jobs.get(job.id)
    assert (done.state, done.result, done.progress["done"], done.worker) == ("succeeded", {"bytes": 1}, 9, "media")
    assert [j.id for j in ledger.jobs.page(job.session_id, kind="video").items] == [job.id]
    assert media.claim(job) == "done"
    kinds = [e.kind for e in ledger.events.read([job.session_id], "0") if e.data["id"] == job.id]
    assert kinds == ["job.queued", "job.started", "job.progress", "job.finished"]


def test_one_job_per_object_until_it_has_ended(ledger: Ledger, job: JobRecord) -> None:
    """Asking again brings the unfinished job back; a finished one makes room for a new one."""
    again = wanted(ledger, job.session_id)
    assert (again.id, again.replayed) == (job.id, True)
    other = wanted(ledger, job.session_id, TARGET + "x")
    assert other.id != job.id
    assert ledger.jobs.cancel(job.id).state == "cancelled"
    assert wanted(ledger, job.session_id).id != job.id


def test_a_cancelled_job_is_told_at_the_next_report(ledger: Ledger, job: JobRecord) -> None:
    """The worker stops; its late end changes nothing; a step that waits in the mailbox is not touched."""
    media = MediaHand.up(ledger)
    step = ledger.jobs.submit(job.session_id, "step", {"steps": 3})
    media.claim(job)
    ledger.jobs.cancel(job.id)
    assert not media.commit(job, 5)
    assert not media.commit(job, 9, "succeeded")
    assert ledger.jobs.get(job.id).state == "cancelled"
    assert ledger.redis.lrange(keys.mailbox(job.session_id), 0, -1) == [step.id]
    assert ledger.sessions.get(job.session_id).internal["_pending"] == 3
    assert media.claim(job) == "done"


def test_a_dead_workers_job_is_taken_up_by_the_next(ledger: Ledger, job: JobRecord) -> None:
    """While its worker lives nobody else gets it; when the boot id holds no lease the sweep sends its ticket again."""
    first = MediaHand.up(ledger, "one")
    assert first.claim(job) == "run"
    assert ledger.media.sweep(0) == []
    second = MediaHand.up(ledger, "two")
    assert first.claim(job) == "fenced"
    assert ledger.media.sweep(0) == [job.id]
    assert (ledger.jobs.get(job.id).state, ledger.jobs.get(job.id).queue) == ("queued", "media")
    assert second.claim(job) == "run"
    assert not first.commit(job, 3)
    assert second.commit(job, 9, "succeeded", result={})


def test_a_lost_ticket_is_sent_again_when_the_worker_is_idle(ledger: Ledger, job: JobRecord) -> None:
    """Not while nobody is there to take it, and not while it has just been sent."""
    assert ledger.media.sweep(0) == []
    media = MediaHand.up(ledger)
    assert ledger.media.sweep(60) == []
    assert ledger.media.sweep(0) == [job.id]
    assert media.claim(job) == "run"
    assert media.commit(job, 2, "queued")
    assert ledger.jobs.get(job.id).state == "queued"


def test_a_job_that_kills_its_workers_fails(ledger: Ledger, job: JobRecord) -> None:
    """After so many attempts without an end."""
    for boot in ("a", "b"):
        assert MediaHand.up(ledger, boot).claim(job, attempts=2) == "run"
    assert MediaHand.up(ledger, "c").claim(job, attempts=2) == "done"
    failed = ledger.jobs.get(job.id)
    assert (failed.state, failed.error["type"]) == ("failed", "ServiceError")


def test_readers_start_no_more_than_a_few_however_many_ask_at_once(ledger: Ledger, job: JobRecord) -> None:
    """It is counted in the script that accepts: of twenty that ask together only so many get in."""

    def ask(number: int) -> bool:
        request = ledger.media.request("video", job.session_id, {}, target=f"videos/{number}", total=9, most=4)
        try:
            return bool(ledger.jobs.accept(request).job.id)
        except RateLimited:
            return False

    with ThreadPoolExecutor(20) as pool:
        assert sum(pool.map(ask, range(20))) == 3, "one is being made already"
    again = ledger.media.request("video", job.session_id, {}, target=TARGET, total=9, most=4)
    assert ledger.jobs.accept(again).job.id == job.id
    assert wanted(ledger, job.session_id, "videos/of-a-writer").state == "queued"
