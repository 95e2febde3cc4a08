"""RemoteSession: one session on a server; the same words as the SDK's Session."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from arc_fabric.base.frames import first_frame_of
from arc_fabric.client.pictures import Frames, frames_of
from arc_fabric.client.server import Progress, Server
from arc_fabric.client.views import Job, Node, SessionInfo, Step
from arc_fabric.extras import extra
from arc_fabric.media.frames import decode_png, unpack_strip, unpack_views

if TYPE_CHECKING:
    import torch
OnFrame = Callable[[int, np.ndarray], None]
Actions = Sequence[Sequence[Sequence[float]] | np.ndarray | None] | np.ndarray


class RemoteSession:
    """A session. `info` is what the server last said; methods that do work wait for it and refresh it."""

    def __init__(self, fabric: Server, info: SessionInfo) -> None:
        self._fabric = fabric
        self.info = info

    def __repr__(self) -> str:
        return f"RemoteSession({self.id}, frame_index={self.info.frame_index}, prompt={self.info.prompt!r})"

    @property
    def id(self) -> str:
        """Session id."""
        return self.info.id

    @property
    def head(self) -> str | None:
        """Its current checkpoint, as last known."""
        return self.info.head

    @property
    def path(self) -> str:
        """Its address below the server's URL."""
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
        state: Sequence[float] | None = None,
        prompt: str | None = None,
        seed: int | None = None,
        if_head: str | None = None,
        on_frame: OnFrame | None = None,
        on_progress: Progress | None = None,
        timeout: float = 600.0,
    ) -> list[Step]:
        """Run `n` steps and wait. `actions` per step: [horizon, dim] or None to let the policy predict. `observed`
        per step: the real frames seen since the step before, uint8 [T, H, W, 3] or a list of pictures, in place of
        the imagined ones (closed loop), or None.

        `on_frame(number, image)` gets every new video frame, lossless and in order, as steps are committed.
        """
        seen = None if observed is None else [None if frames is None else frames_of(frames) for frames in observed]
        params = {"steps": n, "actions": _plain(actions), "observed": seen, "state": _plain(state), "prompt": prompt,
                  "seed": seed, "if_head": if_head}  # fmt: skip
        if on_frame is None:
            done = self._fabric.wait(self.submit("step", **params).id, timeout=timeout, on_progress=on_progress)
        else:
            done = self._follow(params, on_frame, on_progress, timeout)
        self.refresh()
        return [Step.of(entry) for entry in (done.result or {}).get("steps", ())]

    def fork(
        self,
        checkpoint_id: str | None = None,
        *,
        prompt: str | None = None,
        seed: int | None = None,
        prompt_mode: str = "keep",
        steps: int = 0,
        bulk: bool = False,
        label: str | None = None,
        wait: bool = True,
        timeout: float = 600.0,
        on_progress: Progress | None = None,
    ) -> RemoteSession:
        """A new session from a checkpoint (default: the head); `steps` of it run at once."""
        body = {"checkpoint_id": checkpoint_id or self.refresh().head, "new_prompt": prompt, "new_seed": seed,
                "prompt_mode": prompt_mode, "steps": steps, "bulk": bulk, "label": label}  # fmt: skip
        answer = self._fabric.transport.json("POST", f"{self.path}/fork", body=body)
        fork = RemoteSession(self._fabric, SessionInfo.of(answer["session"]))
        if wait:
            self._fabric.wait(answer["job"]["id"], timeout=timeout, on_progress=on_progress)
            fork.refresh()
        return fork

    def rewind(self, n_steps: int = 1, *, checkpoint_id: str | None = None, timeout: float = 120.0) -> str:
        """Move the head back by steps or to a checkpoint of the lineage; the new head."""
        where = {"checkpoint_id": checkpoint_id} if checkpoint_id else {"n_steps": n_steps}
        done = self._fabric.wait(self.submit("rewind", **where).id, timeout=timeout)
        self.refresh()
        return str((done.result or {})["head"])

    def checkpoint(self, label: str | None = None, *, timeout: float = 120.0) -> str:
        """Name the head and wait until it is in object storage; its id."""
        done = self._fabric.wait(self.submit("checkpoint", label=label).id, timeout=timeout)
        return str((done.result or {})["checkpoint_id"])

    def submit(self, kind: str, **params: Any) -> Job:
        """Submit step, rewind or checkpoint without waiting; `ArcFabric.wait` waits for it."""
        return Job.of(self._fabric.transport.json("POST", f"{self.path}/{kind}", body=params)["job"])

    def close(self) -> SessionInfo:
        """Close it: its slot is free, its tree stays."""
        self.info = SessionInfo.of(self._fabric.transport.json("DELETE", self.path)["session"])
        return self.info

    def reopen(self) -> SessionInfo:
        """Open it again at its head."""
        self.info = SessionInfo.of(self._fabric.transport.json("POST", f"{self.path}/reopen")["session"])
        return self.info

    def frame(self, n: int) -> np.ndarray:
        """Video frame `n` (0 = the initial frame), uint8 [H, W, 3]."""
        return decode_png(self._fabric.transport.bytes(f"{self.path}/frames/{n}"))

    def frames(self, checkpoint_id: str | None = None) -> np.ndarray:
        """All video frames from the root to the head (or to a checkpoint), uint8 [F, H, W, 3]."""
        path = self._fabric.checkpoint(checkpoint_id or str(self.refresh().head)).lineage
        return np.concatenate([self.strip(node) for node in path])

    def strip(self, checkpoint_id: str) -> np.ndarray:
        """The frames that one checkpoint added, uint8 [F, H, W, 3]."""
        return unpack_strip(self._fabric.transport.bytes(f"/api/checkpoints/{checkpoint_id}/frames"))

    def observed(self, checkpoint_id: str) -> np.ndarray:
        """The real frames that were given with one checkpoint's step, in the size they came, uint8 [T, V, H, W, 3]
        (V cameras)."""
        return unpack_views(self._fabric.transport.bytes(f"/api/checkpoints/{checkpoint_id}/observed"))

    def latents(self, n: int) -> np.ndarray:
        """The latents that step `n` added, [B, K, C, h, w] (bfloat16 as float32, exactly)."""
        data = self._fabric.transport.bytes(f"{self.path}/latents/{n}")
        return np.load(io.BytesIO(data), allow_pickle=False)

    def latents_torch(self, n: int) -> torch.Tensor:
        """The latents that step `n` added as a torch tensor in the stored dtype. Needs the extra `sdk`."""
        with extra("sdk"):
            from safetensors.torch import load

        return load(self._fabric.transport.bytes(f"{self.path}/latents/{n}", format="safetensors"))["latents"]

    def video(self, target: Path | str, **options: Any) -> Path:
        """Save the branch as a clip; options: fps, start, end, format (default: by the file's name).

        A long clip is made by a job on the server: this waits for it (`timeout` seconds, default 600), and
        `on_progress` gets the job now and then.
        """
        target = Path(target)
        params = {"fps": options.get("fps"), "from": options.get("start"), "to": options.get("end"),
                  "format": options.get("format") or target.suffix[1:] or "mp4"}  # fmt: skip
        wait = {name: options[name] for name in ("timeout", "on_progress") if name in options}
        target.write_bytes(self._fabric.clip(f"{self.path}/video", params, **wait))
        return target

    def tree(self) -> list[Node]:
        """All nodes of the tree it grows in, parents before children."""
        return [Node.of(node) for node in self._fabric.transport.json("GET", f"{self.path}/tree")["nodes"]]

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


def _plain(values: Any) -> Any:
    """Arrays as lists of floats."""
    if values is None or isinstance(values, (int, float)):
        return values
    if isinstance(values, np.ndarray):
        return values.astype(float).tolist()
    return [_plain(value) for value in values]
