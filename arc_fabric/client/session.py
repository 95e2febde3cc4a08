"""RemoteSession: one session on a server, in the form of `arc_fabric.protocol`."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from arc_fabric.base.frames import first_frame_of
from arc_fabric.base.renamed import renamed
from arc_fabric.base.terms import PromptMode, ScoreBetter
from arc_fabric.client.pictures import Frames, frames_of
from arc_fabric.client.server import Progress, Server
from arc_fabric.client.views import Job, Node, SessionInfo, Step
from arc_fabric.errors import FrameNotFound
from arc_fabric.extras import extra
from arc_fabric.media.frames import decode_png, unpack_strip, unpack_views
from arc_fabric.protocol import Actions, At, SessionProtocol

if TYPE_CHECKING:
    import torch
OnFrame = Callable[[int, np.ndarray], None]


class RemoteSession(SessionProtocol):
    """A session. `info` is what the server last said; methods that do work wait for it and refresh it."""

    def __init__(self, fabric: Server, info: SessionInfo) -> None:
        self._fabric = fabric
        self.info = info
        self._path: list[str] = []
        """The lineage that was asked for last; that of a checkpoint never changes."""

    @property
    def id(self) -> str:
        """Session id."""
        return self.info.id

    @property
    def head(self) -> str | None:
        """The session's current checkpoint, as last known."""
        return self.info.head

    @property
    def frame_index(self) -> int:
        """Steps from the root, as last known."""
        return self.info.frame_index

    @property
    def prompt(self) -> str:
        """Its prompt, as last known."""
        return self.info.prompt

    @property
    def seed(self) -> int | None:
        """Its seed, as last known."""
        return self.info.seed

    @property
    def model_settings(self) -> Mapping[str, float]:
        """Its settings of the model that are not the defaults, as last known."""
        return self.info.model_settings

    @property
    def path(self) -> str:
        """The session's address below the server's URL."""
        return f"/api/sessions/{self.id}"

    def refresh(self) -> SessionInfo:
        """Ask the server again."""
        self.info = SessionInfo.of(self._fabric.transport.json("GET", self.path))
        return self.info

    def step(
        self,
        n: int = 1,
        *,
        actions: Actions | None = None,
        observed: Sequence[Frames | None] | np.ndarray | None = None,
        state: Sequence[float] | np.ndarray | None = None,
        prompt: str | None = None,
        seed: int | None = None,
        model_settings: Mapping[str, float] | None = None,
        if_head: str | None = None,
        on_frame: OnFrame | None = None,
        on_progress: Progress | None = None,
        timeout: float = 600.0,
    ) -> list[Step]:
        """Run `n` steps in one job and wait for it. Entries of `observed` may also be lists of pictures.

        `on_frame(number, image)` gets every new video frame, lossless and in order, as steps are committed.
        """
        seen = None if observed is None else [None if frames is None else frames_of(frames) for frames in observed]
        params = {"steps": n, "actions": _plain(actions), "observed": seen, "state": _plain(state), "prompt": prompt,
                  "seed": seed, "model_settings": plain_settings(model_settings), "if_head": if_head}  # fmt: skip
        if on_frame is None:
            done = self._fabric.wait(self.submit("step", **params).id, timeout=timeout, on_progress=on_progress)
        else:
            done = self._follow(params, on_frame, on_progress, timeout)
        self.refresh()
        return [Step.of(entry).of_session(self) for entry in (done.result or {}).get("steps", ())]

    @renamed(checkpoint_id="at")
    def fork(
        self,
        at: At | None = None,
        *,
        prompt: str | None = None,
        seed: int | None = None,
        model_settings: Mapping[str, float] | None = None,
        prompt_mode: PromptMode = "keep",
        steps: int = 0,
        actions: Actions | None = None,
        bulk: bool = False,
        spread: bool = False,
        label: str | None = None,
        lease_s: float | None = None,
        wait: bool = True,
        timeout: float = 600.0,
        on_progress: Progress | None = None,
    ) -> RemoteSession:
        """A new session that begins at `at` (default: the head); `steps` of it run at once (default: one per entry of
        `actions`, else none), under `actions` where they are given. A `bulk` fork takes no slot and closes at its
        end; one that is `spread` goes to the worker with the least to do. For `lease_s` see
        `ArcFabric.new_session`."""
        body = {"new_prompt": prompt, "new_seed": seed, "prompt_mode": prompt_mode,
                "model_settings": plain_settings(model_settings), "steps": steps or None, "actions": _plain(actions),
                "bulk": bulk, "spread": spread or None, "label": label, "lease_s": lease_s}  # fmt: skip
        fork, job = fork_of(self._fabric, self.checkpoint_at(at), body)
        if wait and not job.ended:
            self._fabric.wait(job.id, timeout=timeout, on_progress=on_progress)
            fork.refresh()
        return fork

    @renamed(n_steps="n", checkpoint_id="to")
    def rewind(self, n: int = 1, *, to: At | None = None, timeout: float = 120.0) -> str:
        """Move the head back by `n` steps, or to `to`, of the lineage; the new head."""
        where = {"n_steps": n} if to is None else {"checkpoint_id": self.checkpoint_at(to)}
        done = self._fabric.wait(self.submit("rewind", **where).id, timeout=timeout)
        self.refresh()
        return str((done.result or {})["head"])

    def checkpoint(self, label: str | None = None, *, timeout: float = 120.0) -> str:
        """Name the head and wait until it is in object storage; its id."""
        done = self._fabric.wait(self.submit("checkpoint", label=label).id, timeout=timeout)
        return str((done.result or {})["checkpoint_id"])

    def mark(
        self, at: At, score: float | None, *, better: ScoreBetter | None = None, failed: bool | None = None
    ) -> None:
        changes: dict[str, Any] = {"score": score if score is not None and isfinite(score) else None}
        if better is not None:
            changes["score_better"] = better
        if failed is not None:
            changes["failed"] = failed
        self._fabric.update_node(self.checkpoint_at(at), **changes)

    def submit(self, kind: str, **params: Any) -> Job:
        """Submit step, rewind or checkpoint without waiting; `ArcFabric.wait` waits for it."""
        return Job.of(self._fabric.transport.json("POST", f"{self.path}/{kind}", body=params)["job"])

    def close(self) -> SessionInfo:
        """Close it: its slot is free, its tree stays."""
        self._fabric.heartbeats.drop(self.id)
        self.info = SessionInfo.of(self._fabric.transport.json("DELETE", self.path)["session"])
        return self.info

    def keep_alive(self) -> None:
        """Send heartbeats for it, where it has a lease, until it or the client is closed."""
        if self.info.lease_s is not None:
            self._fabric.heartbeats.keep(self.id, self.info.lease_s)

    def reopen(self, *, lease_s: float | None = None) -> SessionInfo:
        """Open it again at its head. For `lease_s` see `ArcFabric.new_session`."""
        answer = self._fabric.transport.json("POST", f"{self.path}/reopen", body={"lease_s": lease_s})
        self.info = SessionInfo.of(answer["session"])
        self.keep_alive()
        return self.info

    @renamed(n="i")
    def frame(self, i: int) -> np.ndarray:
        """Video frame `i` (0 = the initial frame), uint8 [H, W, 3]."""
        return decode_png(self._fabric.transport.bytes(f"{self.path}/frames/{i}"))

    @renamed(checkpoint_id="at")
    def frames(self, at: At | None = None) -> np.ndarray:
        """All video frames from the root to the head (or to `at`), uint8 [F, H, W, 3]."""
        return super().frames(at)

    def lineage_of(self, checkpoint_id: str) -> list[str]:
        """The checkpoints from the root to any checkpoint."""
        if self._path[-1:] != [checkpoint_id]:
            self._path = self._fabric.checkpoint(checkpoint_id).lineage
        return list(self._path)

    def checkpoint_at(self, at: At | None) -> str:
        """The checkpoint of a step; the head, as it is now, for None."""
        return super().checkpoint_at(str(self.refresh().head) if at is None else at)

    @renamed(checkpoint_id="at")
    def strip(self, at: At) -> np.ndarray:
        """The frames that one step added, uint8 [F, H, W, 3]."""
        return unpack_strip(self._part(at, "frames"))

    def observed(self, checkpoint_id: str) -> np.ndarray:
        """The real frames that were given with one checkpoint's step, in the size they came, uint8 [T, V, H, W, 3]
        (V cameras)."""
        return unpack_views(self._fabric.transport.bytes(f"/api/checkpoints/{checkpoint_id}/observed"))

    @renamed(n="at")
    def latents(self, at: At) -> np.ndarray:
        """The latents that one step added, [B, K, C, h, w] (bfloat16 as float32, exactly)."""
        latents: np.ndarray = np.load(io.BytesIO(self._part(at, "latents")), allow_pickle=False)
        return latents

    @renamed(n="at")
    def latents_torch(self, at: At) -> torch.Tensor:
        """The same as a torch tensor in the stored dtype. Needs the extra `sdk`."""
        with extra("sdk"):
            from safetensors.torch import load

        return load(self._part(at, "latents", format="safetensors"))["latents"]

    def actions(self, at: At) -> np.ndarray:
        """The actions of one step, float32 [action_horizon, action_dim]."""
        node = self._fabric.checkpoint(self.checkpoint_at(at))
        if node.actions is None:
            raise FrameNotFound("The root has no actions.", hint="Ask for a later step.")
        return np.array(node.actions, np.float32)

    def save_video(
        self,
        target: Path | str,
        *,
        fps: float | None = None,
        start: int = 0,
        end: int | None = None,
        format: Any = None,
        timeout: float = 600.0,
        on_progress: Progress | None = None,
    ) -> Path:
        """Save video frames `start` to `end` (exclusive) of the branch as MP4, GIF or WebP, by the file's name.

        A long clip is made by a job on the server: this waits for it, and `on_progress` gets the job now and then.
        """
        target = Path(target)
        params = {"fps": fps, "from": start, "to": end, "format": format or target.suffix[1:] or "mp4"}
        clip = self._fabric.clip(f"{self.path}/video", params, timeout=timeout, on_progress=on_progress)
        target.write_bytes(clip)
        return target

    video = save_video

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe facts, as last known."""
        return self.info.to_dict() | self.info.extra

    def tree(self) -> list[Node]:
        """All nodes of the tree it grows in, parents before children."""
        nodes: list[Node] = []
        cursor = None
        while True:
            page = self._fabric.transport.json("GET", f"{self.path}/tree", params={"cursor": cursor})
            nodes += map(Node.of, page["nodes"])
            cursor = page["next"]
            if cursor is None:
                return nodes

    def _part(self, at: At, name: str, **params: Any) -> bytes:
        return self._fabric.transport.bytes(f"/api/checkpoints/{self.checkpoint_at(at)}/{name}", **params)

    def _follow(self, params: dict[str, Any], on_frame: OnFrame, on_progress: Progress | None, timeout: float) -> Job:
        """Submit, and deliver the frames of each step when its commit is announced on the stream."""
        deadline = time.monotonic() + timeout
        with self._fabric.stream(self.id, frames=False) as stream:
            job = self.submit("step", **params)
            while time.monotonic() < deadline:
                event = stream.next(timeout=5.0)
                if not isinstance(event, dict):
                    continue
                data = event["data"]
                if event["kind"] == "node.committed" and data["job_id"] == job.id:
                    self._deliver(Node.of(data), on_frame)
                if event["kind"].startswith("job.") and data["id"] == job.id:
                    if on_progress is not None:
                        on_progress(Job.of(data))
                    if Job.of(data).ended:
                        break
        return self._fabric.wait(job.id, timeout=max(deadline - time.monotonic(), 0.0))

    def _deliver(self, node: Node, on_frame: OnFrame) -> None:
        first = first_frame_of(node.frame_index, node.n_frames)
        for number, image in enumerate(self.strip(node.id), first):
            on_frame(number, image)


def fork_of(fabric: Server, checkpoint_id: str, body: dict[str, Any]) -> tuple[RemoteSession, Job]:
    """A new session on a checkpoint, and its job; `body` as the server takes it."""
    answer = fabric.transport.json("POST", f"/api/checkpoints/{checkpoint_id}/fork", body=body)
    fork = RemoteSession(fabric, SessionInfo.of(answer["session"]))
    fork.keep_alive()
    return fork, Job.of(answer["job"])


def plain_settings(settings: Mapping[str, float] | None) -> dict[str, float] | None:
    """As the server takes them."""
    return dict(settings) if isinstance(settings, Mapping) else settings


def _plain(values: Any) -> Any:
    """Arrays as lists of floats; an action by name stays one. What cannot be actions is the server's to refuse."""
    if values is None or isinstance(values, (int, float, str)):
        return values
    if isinstance(values, Mapping):
        return {name: _plain(value) for name, value in values.items()}
    if isinstance(values, np.ndarray):
        return values.astype(float).tolist()
    return [_plain(value) for value in values]
