"""Arc Fabric as a world-model backend of RLinf (github.com/RLinf/RLinf, `rlinf/envs/world_model/backend.py`).

RLinf's environment owns episodes and rewards; its backend advances frames: `open_session`, `generate`,
`close_session`, `offload`, `onload`. Here each environment slot is a session of the server, and slots that begin with
one picture and one task (a GRPO group) are forks of one state.

>>> backend = RLinfBackend(ArcFabric(url), prompt=lambda task_id: tasks[task_id])       # doctest: +SKIP

It needs torch (the extra `sdk`), for RLinf speaks in tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from arc_fabric.client.fabric import ArcFabric
from arc_fabric.client.many import Slot
from arc_fabric.client.session import RemoteSession
from arc_fabric.errors import ArcFabricError, InvalidRequest
from arc_fabric.extras import extra

if TYPE_CHECKING:
    import torch

FrameQueue = Sequence[Sequence["torch.Tensor"]]
LEASE_S = 600.0
"""An environment may train for a while between two chunks; heartbeats come from this process all the same."""
_CLOSE = 2.5
"""Grey levels that may lie between a frame that we gave and the same one as it comes back."""


@dataclass
class _Row:
    session: RemoteSession
    seed: int | None
    """For its first chunk."""
    last: np.ndarray
    """uint8 [H, W, 3]: the frame it stands at."""


class RLinfBackend:
    """The backend that RLinf's world-model environments ask for."""

    def __init__(
        self, fabric: ArcFabric, prompt: str | Callable[[Any], str], *, lease_s: float | None = LEASE_S
    ) -> None:
        """`prompt`: what all tasks are, or what a task id is, in words. Raises InvalidRequest for a model that does not
        follow given actions, or has not one action per frame."""
        card = fabric.model()
        geometry = card["geometry"]
        if not card["abilities"]["steers_with_actions"]:
            raise InvalidRequest(f"The model {card['name']} does not follow given actions.")
        if geometry["action_horizon"] != geometry["frames_per_step"]:
            raise InvalidRequest("RLinf wants one frame per action, and this model has another number of them.")
        self._fabric, self._prompt, self._lease_s = fabric, prompt, lease_s
        self.chunk: int = geometry["action_horizon"]
        """Actions, and frames, per call."""
        self.condition_frame_length = 1
        """Frames that a session begins from; what came later is in its state."""
        self.image_size = (geometry["image_height"], geometry["image_width"])
        self._rows: dict[int, _Row] = {}

    def open_session(
        self,
        env_ids: Sequence[int],
        init_frames: FrameQueue,
        task_ids: Sequence[Any],
        seeds: Sequence[int],
        init_actions: torch.Tensor | None = None,
    ) -> None:
        """Start a trajectory per slot from the last of its frames [C, 1, H, W] in [-1, 1]. `init_actions` (of later
        versions of RLinf) led to those frames; a session here begins with the picture alone.

        Raises InvalidRequest for a slot that has a session, and SessionLimitReached; nothing is left open then.
        """
        taken = [env_id for env_id in env_ids if int(env_id) in self._rows]
        if taken or len({*map(int, env_ids)}) < len(env_ids):
            raise InvalidRequest(f"Slots {taken or list(env_ids)} have a session.", hint="close_session first.")
        if not len(env_ids) == len(init_frames) == len(task_ids) == len(seeds):
            raise InvalidRequest("env_ids, init_frames, task_ids and seeds must be of one length.")
        begun: dict[tuple[bytes, str], RemoteSession] = {}
        opened: dict[int, _Row] = {}
        try:
            for env_id, frames, task_id, seed in zip(env_ids, init_frames, task_ids, seeds, strict=True):
                picture, words = picture_of(frames[-1]), self._words(task_id)
                first = begun.get((picture.tobytes(), words))
                session = self._begin(first, picture, words)
                begun.setdefault((picture.tobytes(), words), session)
                opened[int(env_id)] = _Row(session, int(seed), picture)
        except BaseException:
            for row in opened.values():
                row.session.close()
            raise
        self._rows |= opened

    def generate(
        self, env_ids: Sequence[int], actions: torch.Tensor, condition: FrameQueue | None = None
    ) -> torch.Tensor:
        """Advance one chunk: actions [B, T, action_dim] -> frames float32 [B, C, T, H, W] in [-1, 1]; T is a multiple
        of `chunk`.

        `condition`, where it is given, must end with the frame that each slot stands at: a session goes on from its
        state, not from pictures. Raises InvalidRequest, or the error of the first row that failed.
        """
        with extra("sdk"):
            import torch
        given = np.asarray(torch.as_tensor(actions).detach().float().cpu())
        rows = self._checked(env_ids, given, condition)
        videos = []
        for start in range(0, given.shape[1], self.chunk):
            results = self._fabric.step_many([
                Slot(row.session, given[n, start : start + self.chunk], seed=row.seed) for n, row in enumerate(rows)
            ])  # fmt: skip
            for row, result in zip(rows, results, strict=True):
                if isinstance(result, ArcFabricError):
                    raise result
                row.seed, row.last = None, result.frames[-1]  # type: ignore[index]
            videos.append(np.stack([result.frames for result in results]))  # type: ignore[union-attr, misc]
        video = np.concatenate(videos, 1).transpose(0, 4, 1, 2, 3)
        return torch.from_numpy(np.ascontiguousarray(video, np.float32) / 127.5 - 1.0)

    def close_session(self, env_ids: Sequence[int]) -> None:
        """End the trajectories of these slots; those without a session are ignored. The trees stay."""
        for env_id in env_ids:
            row = self._rows.pop(int(env_id), None)
            if row is not None:
                row.session.close()

    def offload(self) -> None:
        """Nothing: no weights are in this process. Those on the server stay on its devices."""

    def onload(self) -> None:
        """Nothing, as `offload`."""

    def checkpoint_of(self, env_id: int) -> str:
        """The checkpoint that a slot stands at: what RLinf has no name for, and can be forked, watched and compared."""
        return str(self._rows[int(env_id)].session.refresh().head)

    def _words(self, task_id: Any) -> str:
        return self._prompt if isinstance(self._prompt, str) else self._prompt(task_id)

    def _begin(self, first: RemoteSession | None, picture: np.ndarray, words: str) -> RemoteSession:
        if first is None:
            return self._fabric.new_session(words, picture, lease_s=self._lease_s)
        return self._fabric.open(str(first.info.root), lease_s=self._lease_s, spread=True)

    def _checked(self, env_ids: Sequence[int], actions: np.ndarray, condition: FrameQueue | None) -> list[_Row]:
        missing = [int(env_id) for env_id in env_ids if int(env_id) not in self._rows]
        if missing:
            raise InvalidRequest(f"Slots {missing} have no session.", hint="open_session first.")
        if actions.ndim != 3 or len(actions) != len(env_ids) or actions.shape[1] % self.chunk or not actions.shape[1]:
            raise InvalidRequest(
                f"actions must be [{len(env_ids)}, T, action_dim] with T a multiple of {self.chunk}, "
                f"got {list(actions.shape)}."
            )
        rows = [self._rows[int(env_id)] for env_id in env_ids]
        for row, frames in zip(rows, condition or [()] * len(rows), strict=True):
            if len(frames) and not _alike(picture_of(frames[-1]), row.last):
                raise InvalidRequest(
                    "condition does not end with the frame that the slot stands at.",
                    hint="Begin another trajectory with close_session and open_session.",
                )
        return rows


def picture_of(frame: torch.Tensor) -> np.ndarray:
    """[C, 1, H, W] in [-1, 1] -> uint8 [H, W, 3]."""
    values = np.asarray(frame.detach().float().cpu())
    if values.ndim != 4 or values.shape[:2] != (3, 1):
        raise InvalidRequest(f"A frame is [3, 1, H, W] in [-1, 1], got {list(values.shape)}.")
    pixels: np.ndarray = ((values[:, 0].transpose(1, 2, 0) + 1.0) * 127.5).round().clip(0, 255).astype(np.uint8)
    return pixels


def _alike(a: np.ndarray, b: np.ndarray) -> bool:
    if a.shape != b.shape:
        return False
    return bool(np.abs(a.astype(np.int16) - b).mean() <= _CLOSE)
