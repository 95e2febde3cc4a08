"""A running Arc Fabric as its client sees it: checkpoints, jobs, nodes, clips and streams, by their ids."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from arc_fabric import errors
from arc_fabric.base.terms import TERMINAL
from arc_fabric.client.evaluation import EvaluationInfo, RemoteEvaluation
from arc_fabric.client.exports import export
from arc_fabric.client.heartbeats import Heartbeats
from arc_fabric.client.stream import Stream
from arc_fabric.client.transport import Transport, named_error, object_of
from arc_fabric.client.views import Comparison, Job, Node, SessionInfo, TreeInfo
from arc_fabric.ids import new_id
from arc_fabric.protocol import SessionProtocol, head_of

FORMS_PER_REQUEST = 500
"""The most job forms that the server takes in one list."""
_PAUSE_S = 1.0
Progress = Callable[[Job], None]


class Server:
    """What a server answers about things that are named by an id. `ArcFabric` adds sessions as objects."""

    def __init__(self, url: str = "http://127.0.0.1:8321", token: str | None = None, *, timeout: float = 90.0) -> None:
        self.transport = Transport(url, token, timeout)
        self.heartbeats = Heartbeats(self._heartbeat)
        """Of this client's sessions with a lease."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections. Sessions with a lease are closed by the server when it has run out."""
        self.heartbeats.close()
        self.transport.close()

    def sessions(self, state: str | None = None) -> list[SessionInfo]:
        """All sessions, newest first; `state` "open" or "closed"."""
        return [SessionInfo.of(item) for item in self.transport.pages("/api/sessions", state=state)]

    def trees(self, words: str = "") -> list[TreeInfo]:
        """Trees, newest first; with `words` those in whose id, prompt, labels or tags all of them stand."""
        return [TreeInfo.of(item) for item in self.transport.pages("/api/trees", q=words or None)]

    def delete_tree(self, tree_id: str, *, close: bool = False) -> TreeInfo:
        """Delete a tree for good: its checkpoints, sessions and jobs. What it was.

        Raises NotFound, and Conflict while it is in use, unless `close`: then its sessions are closed first.
        """
        query = {"close": "true"} if close else {}
        answer = self.transport.send("DELETE", f"/api/trees/{tree_id}", params=query)
        return TreeInfo.of(object_of(answer)["tree"])

    def job(self, job_id: str) -> Job:
        """A job as it is now."""
        return Job.of(self.transport.json("GET", f"/api/jobs/{job_id}"))

    def jobs(self, session: str | None = None, state: str | None = None, kind: str | None = None) -> list[Job]:
        """Jobs, newest first."""
        return [Job.of(item) for item in self.transport.pages("/api/jobs", session=session, state=state, kind=kind)]

    def cancel(self, job_id: str) -> Job:
        """Cancel a job; the steps it has committed stay."""
        return Job.of(self.transport.json("DELETE", f"/api/jobs/{job_id}"))

    def wait(self, job_id: str, *, timeout: float = 600.0, on_progress: Progress | None = None) -> Job:
        """Wait for a job. Raises its error if it failed, Cancelled, or DeadlineExceeded after `timeout` seconds.

        `on_progress` gets the job every half second or so, and once at the end.
        """
        deadline = time.monotonic() + timeout
        while True:
            left = deadline - time.monotonic()
            pause = max(0.0, min(left, 0.5 if on_progress else 20.0))
            job = Job.of(self.awaited(job_id, pause))
            if on_progress is not None:
                on_progress(job)
            if job.ended:
                return _succeeded(job)
            if left <= 0:
                raise errors.DeadlineExceeded(f"job {job_id} is {job.state} after {timeout:g} s", job_id=job_id)

    def awaited(self, job_id: str, seconds: float) -> dict[str, Any]:
        """The job's JSON once it has ended, or as it is after `seconds`. Where too many wait the server answers at
        once: then this sleeps for a moment, so that whoever asks again does not ask without pause."""
        began = time.monotonic()
        view: dict[str, Any] = self.transport.json("GET", f"/api/jobs/{job_id}", params={"wait": seconds})
        if view["state"] not in TERMINAL:
            pause(seconds - (time.monotonic() - began))
        return view

    def submit(self, jobs: Sequence[dict[str, Any]]) -> list[Job | errors.ArcFabricError]:
        """Submit many jobs at once, each {kind, session_id, params}; an entry is its job or why it was refused."""
        found: list[Job | errors.ArcFabricError] = []
        for start in range(0, len(jobs), FORMS_PER_REQUEST):
            forms = list(jobs[start : start + FORMS_PER_REQUEST])
            headers = {"Idempotency-Key": new_id("key")}
            answer = object_of(self.transport.send("POST", "/api/jobs", json=forms, headers=headers))
            found += [_job_or_error(item) for item in answer["items"]]
        return found

    def checkpoint(self, checkpoint_id: str) -> Node:
        """A checkpoint with its lineage."""
        return Node.of(self.transport.json("GET", f"/api/checkpoints/{checkpoint_id}"))

    def update_node(self, checkpoint_id: str, **changes: Any) -> Node:
        """Change label, bookmarked, failed, score, score_better, note, tags. None clears all but marks and tags."""
        return Node.of(object_of(self.transport.send("PATCH", f"/api/nodes/{checkpoint_id}", json=changes)))

    def pin(self, checkpoint_id: str) -> Node:
        """Keep a checkpoint's pieces in host memory and its KV whole. Raises PinLimitReached."""
        return Node.of(self.transport.json("POST", f"/api/checkpoints/{checkpoint_id}/pin"))

    def unpin(self, checkpoint_id: str) -> Node:
        """Undo `pin`; no error when it is not pinned."""
        return Node.of(self.transport.json("POST", f"/api/checkpoints/{checkpoint_id}/unpin"))

    def compare(self, *branches: SessionProtocol | str, limit: int = 256) -> Comparison:
        """Where two to eight branches part, and how far: sessions (their heads) or checkpoints."""
        params = {"nodes": ",".join(map(head_of, branches)), "limit": limit}
        return Comparison.of(self.transport.json("GET", "/api/compare", params=params))

    def clip(
        self, path: str, params: dict[str, Any], *, timeout: float = 600.0, on_progress: Progress | None = None
    ) -> bytes:
        """The clip at a `.../video` address; one that must be made first is waited for. Raises what its job raised."""
        answer = self.transport.send("GET", path, params={k: v for k, v in params.items() if v is not None})
        while answer.status_code == 202:
            job = self.wait(object_of(answer)["job"]["id"], timeout=timeout, on_progress=on_progress)
            answer = self.transport.send("GET", (job.result or {})["href"])  # names this clip, even if the head moved
        return answer.content

    def model(self) -> dict[str, Any]:
        """Geometry, abilities and identity of the model that runs."""
        card: dict[str, Any] = self.transport.json("GET", "/api/model")
        return card

    def samples(self) -> list[str]:
        """Names for `sample:<name>`."""
        return [item["name"] for item in self.transport.pages("/api/samples")]

    def workers(self) -> list[dict[str, Any]]:
        """Worker processes."""
        return list(self.transport.pages("/api/workers"))

    def usage(self) -> list[dict[str, Any]]:
        """Open sessions and stored bytes per token, with its quota: {name, sessions_open, bytes_stored,
        sessions_allowed, bytes_allowed}."""
        return list(self.transport.pages("/api/usage"))

    def evaluation(self, evaluation_id: str) -> RemoteEvaluation:
        """An evaluation by its id."""
        found = self.transport.json("GET", f"/api/evaluations/{evaluation_id}")
        return RemoteEvaluation(self.transport, EvaluationInfo.of(found))

    def evaluations(self, state: str | None = None, tag: str | None = None) -> list[EvaluationInfo]:
        """All evaluations, newest first; those in this state and with this tag."""
        return [EvaluationInfo.of(item) for item in self.transport.pages("/api/evaluations", state=state, tag=tag)]

    def export(self, what: SessionProtocol | str, target: str | Path, form: str | None = None) -> Path:
        """A branch (a session, its head; or a checkpoint), or `trees/<id>` or `evaluations/<id>`, as a LeRobot dataset
        (a new folder), a Rerun recording (.rrd), or a table of actions and scores (.parquet, .csv)."""
        named = what if isinstance(what, str) and "/" in what else f"checkpoints/{head_of(what)}"
        return export(self.transport, named, target, form)

    def stream(self, *session_ids: str, last_id: str | None = None, frames: bool = True) -> Stream:
        """Events and live frames of these sessions; without ids the events of all."""
        return Stream(self.transport.url, session_ids, headers=self.transport.headers, last_id=last_id, frames=frames)

    def _heartbeat(self, session_id: str) -> None:
        self.transport.json("POST", f"/api/sessions/{session_id}/heartbeat")


def pause(left: float) -> None:
    """Sleep for a moment, `left` seconds at most, before asking again what was answered too soon."""
    time.sleep(max(0.0, min(left, random.uniform(0.5, 1.0) * _PAUSE_S)))


def _succeeded(job: Job) -> Job:
    if job.state == "cancelled":
        raise errors.Cancelled(f"job {job.id} was cancelled", job_id=job.id)
    if job.state == "failed":
        error: Mapping[str, Any] = job.error or {}
        context = {"job_id": job.id} | dict(error.get("context") or {})
        raise named_error(
            error.get("type", ""), error.get("message", "the job failed"), error.get("what_to_do", ""), context
        )
    return job


def _job_or_error(item: dict[str, Any]) -> Job | errors.ArcFabricError:
    if "job" in item:
        return Job.of(item["job"])
    problem = item["problem"]
    return named_error(problem["code"], problem["detail"], problem["what_to_do"], {"problem": problem})
