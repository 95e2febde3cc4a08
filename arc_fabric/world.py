"""World: a model, its store and its tree in one process, from memory.

>>> from arc_fabric import World
>>> with World("tabletop") as world:
...     trunk = world.session("pick up the red cup", seed=7)
...     steps = trunk.step(3)
...     push = trunk.fork(at=2, prompt="push the cup to the left", steps=1)
...     divergence = world.compare(trunk, push)
>>> divergence.parts_at, len(divergence.frame_distances)
(3, 8)

Sessions have the form of `arc_fabric.protocol`, as those on a server have. Beneath lie `StateManager`, `Session` and
`TrajectoryTree`: `world.manager`, `session.session`, `world.tree`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import torch

from arc_fabric.base.rewind import step_of_checkpoint
from arc_fabric.base.terms import CLIP_FORMS, PromptMode, ScoreBetter
from arc_fabric.errors import (
    CheckpointNotFound,
    FrameNotFound,
    InvalidImage,
    InvalidRequest,
    SessionClosed,
)
from arc_fabric.ids import new_id
from arc_fabric.manager import StateManager, node_of_meta
from arc_fabric.media import video
from arc_fabric.media.clip import plan
from arc_fabric.media.comparison import Comparison, compare
from arc_fabric.media.given import read as read_picture
from arc_fabric.models.contract import Model
from arc_fabric.models.registry import load_model
from arc_fabric.protocol import Actions, At, SessionProtocol, Step, head_of
from arc_fabric.session import Session
from arc_fabric.settings import Settings, load_settings
from arc_fabric.state import WorldStateSnapshot
from arc_fabric.steps.request import array_of, settings_of
from arc_fabric.steps.result import StepResult
from arc_fabric.store import SnapshotStore
from arc_fabric.store.backends import Backend, DiskBackend, backend_from_settings
from arc_fabric.tree import TrajectoryTree, TreeNode

Picture = str | bytes | Path | np.ndarray
"""A sample's name, an image file's path or bytes, or uint8 [H, W, 3]."""
MOST_SEED = 2**31 - 1


class World:
    """A model and everything that happened on it. Belongs to one thread; use it in a `with` block, or close it."""

    def __init__(
        self,
        model: str | Model = "tabletop",
        *,
        store: str | Path | Settings | Backend | SnapshotStore | None = None,
        device: str | None = None,
        max_checkpoints: int = 50,
    ) -> None:
        """`model`: a name (`arc_fabric.models.registry`), loaded onto `device` (a GPU where there is one), or a model.

        `store` keeps the checkpoints beyond this process: a folder, "s3://<bucket>" (endpoint and keys from the
        settings), settings, a backend, or a store that the caller closes. None: this process's memory.
        """
        device = device or ("cuda:0" if torch.cuda.is_available() else "cpu")
        self.model = load_model(model, device) if isinstance(model, str) else model
        self.name = model if isinstance(model, str) else self.model.identity().name
        self.tree = TrajectoryTree()
        self.store = _store_of(store, self.model)
        self.manager = StateManager(self.model, max_checkpoints, store=self.store, tree=self.tree)
        self.sessions: list[WorldSession] = []
        """The open ones, oldest first."""
        self._lent = store is self.store

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        kept = type(self.store.backend).__name__.removesuffix("Backend").lower()
        held = f"{len(self.sessions)} sessions, {len(self.tree)} checkpoints in a {kept} store"
        return f"<World of {self.name} on {self.model.device}: {held}>"

    def close(self) -> None:
        """Store what is pending, and let the model's state go. What was stored can be opened by another World."""
        for session in list(self.sessions):
            session.close()
        self.manager.clear()
        if self._lent:
            self.store.flush()
        else:
            self.store.close()

    def session(
        self,
        prompt: str,
        frame: Picture | Sequence[Picture] | None = None,
        *,
        seed: int | None = None,
        model_settings: Mapping[str, float] | None = None,
        state: Any = None,
        embodiment_id: int = 0,
        label: str | None = None,
    ) -> WorldSession:
        """Begin a world from a picture (default: the model's first sample, or none where it needs none; of several
        cameras a list) and a prompt.
        `state` [state_dim]: the robot's proprioceptive state at the start. Raises InvalidRequest, InvalidImage."""
        _check(prompt, seed)
        alone = frame is None and not self.model.abilities.needs_picture
        picture = None if alone else self._picture(frame)
        made = Session(
            new_id("ses"), self.model, self.manager, prompt, picture, embodiment_id, seed=seed, state=state,
            model_settings=model_settings,
        )  # fmt: skip
        return WorldSession(self, made, label)

    def open(
        self,
        checkpoint_id: str,
        *,
        prompt: str | None = None,
        seed: int | None = None,
        model_settings: Mapping[str, float] | None = None,
        prompt_mode: PromptMode = "keep",
        steps: int = 0,
        actions: Actions | None = None,
        label: str | None = None,
    ) -> WorldSession:
        """A new session that begins at a checkpoint of this world's store, also one that another process made;
        `steps` and `actions` as of `WorldSession.fork`. Raises CheckpointNotFound, CheckpointUnavailable,
        IdentityMismatch where another model made it."""
        _check(prompt, seed)
        self.node(checkpoint_id)
        if actions is not None:
            steps = steps or len(actions)
            self._check_actions(_per_step(steps, "actions", actions))
        made = Session.from_checkpoint(
            new_id("ses"), self.model, self.manager, checkpoint_id, prompt=prompt, seed=seed, prompt_mode=prompt_mode,
            model_settings=model_settings,
        )  # fmt: skip
        opened = WorldSession(self, made, label, parent=checkpoint_id)
        if steps:
            opened.step(steps, actions=actions)
        return opened

    def compare(self, *branches: SessionProtocol | str, limit: int = 256) -> Comparison:
        """Where branches part and how far, over at most `limit` steps: sessions (their heads) or checkpoints."""
        return Comparison(**compare(_Branches(self), [head_of(branch) for branch in branches], limit=limit))

    def samples(self) -> dict[str, np.ndarray]:
        """Initial frames that ship with the model: name -> uint8 [H, W, 3]."""
        return self.model.samples() if hasattr(self.model, "samples") else {}

    def node(self, checkpoint_id: str) -> TreeNode:
        """A checkpoint's node; those that another process stored are taken into the tree with their ancestors."""
        unknown, wanted = [], checkpoint_id
        while wanted is not None and wanted not in self.tree:
            if self.store.durability(wanted) == "absent":
                raise CheckpointNotFound(f"No checkpoint {wanted} is stored.", checkpoint_id=wanted)
            unknown.append(self.manager.load_meta(wanted))
            wanted = unknown[-1]["parent_checkpoint_id"]
        for meta in reversed(unknown):
            self.tree.add_node(node_of_meta(meta, self.model.geometry.frames_per_step))
        return self.tree.get_node(checkpoint_id)

    def _check_actions(self, acts: Sequence[Any]) -> None:
        """Whether given actions have the model's sizes. Raises InvalidRequest."""
        for action in acts:
            sizes = (self.model.geometry.action_horizon, self.model.geometry.action_dim)
            array_of(action, sizes, "actions of a step")

    def _picture(self, given: Picture | Sequence[Picture] | None) -> np.ndarray:
        """uint8 [h, w, 3], or [V, h, w, 3] for a list."""
        if isinstance(given, np.ndarray):
            return given
        if isinstance(given, (list, tuple)):
            return np.stack([self._picture(view) for view in given])
        samples = self.samples()
        name = next(iter(samples), None) if given is None else str(given).removeprefix("sample:")
        if name in samples:
            return samples[name]
        try:
            return read_picture(given if isinstance(given, bytes) else Path(str(given)).read_bytes())
        except OSError as error:
            raise InvalidImage(
                "The frame is neither an image file nor the name of a sample.",
                hint=f"Give a file, uint8 [h, w, 3], or one of the samples: {', '.join(samples) or 'there are none'}.",
            ) from error


class WorldSession(SessionProtocol):
    """One line of a World (see `SessionProtocol`); `session` is the SDK's Session beneath."""

    def __init__(self, world: World, session: Session, label: str | None, parent: str | None = None) -> None:
        self.world, self.session, self.label, self._parent = world, session, label, parent
        self.reopen()

    @property
    def id(self) -> str:
        return self.session.session_id

    @property
    def head(self) -> str:
        return str(self.session.head)

    @property
    def frame_index(self) -> int:
        return self.session.frame_index

    @property
    def prompt(self) -> str:
        return self.session.prompt

    @property
    def seed(self) -> int:
        return self.session.seed

    @property
    def model_settings(self) -> Mapping[str, float]:
        return self.session.model_settings

    def step(
        self,
        n: int = 1,
        *,
        actions: Actions | None = None,
        observed: Any = None,
        state: Any = None,
        prompt: str | None = None,
        seed: int | None = None,
        model_settings: Mapping[str, float] | None = None,
    ) -> list[Step]:
        self._require_open()
        _check(prompt, seed)
        acts, seen = _per_step(n, "actions", actions), _per_step(n, "observed", observed)
        self.world._check_actions(acts)
        array_of(state, (self.world.model.geometry.state_dim,), "state")
        given = None if model_settings is None else settings_of(model_settings, self.world.model.abilities)
        before = self.session.prompt, self.session.seed, self.session.model_settings
        self.session.prompt = before[0] if prompt is None else prompt
        self.session.seed = before[1] if seed is None else seed
        self.session.model_settings = before[2] if given is None else given
        done: list[Step] = []
        try:
            for action, frames in zip(acts, seen, strict=True):
                pictures = None if frames is None else [self.world._picture(frame) for frame in frames]
                done.append(self._step_of(self.session.step(action, state, observed=pictures)))
        except BaseException:
            if not done:
                self.session.prompt, self.session.seed, self.session.model_settings = before
            raise
        return done

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
        label: str | None = None,
    ) -> WorldSession:
        options: dict[str, Any] = {"prompt_mode": prompt_mode, "steps": steps, "actions": actions, "label": label,
                                   "model_settings": model_settings}  # fmt: skip
        return self.world.open(self.checkpoint_at(at), prompt=prompt, seed=seed, **options)

    def rewind(self, n: int = 1, *, to: At | None = None) -> str:
        self._require_open()
        if to is not None:
            n = self.frame_index - step_of_checkpoint(self.lineage(), self.world.node(self.checkpoint_at(to)).id)
            if n == 0:
                return self.head
        return self.session.rewind(n)

    def checkpoint(self, label: str | None = None) -> str:
        self._require_open()
        self.world.store.wait_durable(self.head)
        if label is not None:
            self.world.tree.label(self.head, label)
        return self.head

    def mark(
        self, at: At, score: float | None, *, better: ScoreBetter | None = None, failed: bool | None = None
    ) -> None:
        value = score if score is not None and math.isfinite(score) else None
        self.world.tree.mark(self.checkpoint_at(at), value, better=better, failed=failed)

    def lineage_of(self, checkpoint_id: str) -> list[str]:
        self.world.node(checkpoint_id)
        return [node.id for node in self.world.tree.get_lineage(checkpoint_id)]

    def tree(self) -> list[TreeNode]:
        known: set[str | None] = {self.lineage()[0]}
        known.update(node.id for node in self.world.tree if node.parent in known)  # parents come first
        return [node for node in self.world.tree if node.id in known]

    def strip(self, at: At) -> np.ndarray:
        return _added(self._snapshot(at).frames, "frames").numpy().copy()

    def latents(self, at: At) -> np.ndarray:
        return _numpy(self.latents_torch(at))

    def latents_torch(self, at: At) -> torch.Tensor:
        return _added(self._snapshot(at).step_latents, "latents").clone()

    def actions(self, at: At) -> np.ndarray:
        return _added(self._snapshot(at).action_history, "actions")[-1].numpy().copy()

    def frame(self, i: int) -> np.ndarray:
        return self.session.get_decoded_frame(i)

    def save_video(
        self,
        target: Path | str,
        *,
        fps: float | None = None,
        start: int = 0,
        end: int | None = None,
        format: Any = None,
    ) -> Path:
        target = Path(target)
        form = format or target.suffix[1:] or "mp4"
        if form not in CLIP_FORMS:
            raise InvalidRequest(f"A clip is one of {', '.join(CLIP_FORMS)}, not {form!r}.")
        geometry = self.world.model.geometry
        clip = plan(self.lineage(), geometry.frames_per_step, start, end, fps=fps or geometry.fps, form=form)
        target.write_bytes(video.encode(clip.frames(self.strip, clip.start, clip.end), fps=clip.fps, form=form))
        return target

    def close(self) -> None:
        if self in self.world.sessions:
            self.world.sessions.remove(self)

    def reopen(self) -> None:
        if self not in self.world.sessions:
            self.world.sessions.append(self)

    def to_dict(self) -> dict[str, Any]:
        more = {"state": "open" if self in self.world.sessions else "closed", "label": self.label}
        more |= {"model": self.world.name, "root": self.lineage()[0], "parent_checkpoint": self._parent}
        return self.session.to_dict() | more

    def _require_open(self) -> None:
        if self not in self.world.sessions:
            raise SessionClosed(f"Session {self.id} is closed.", session_id=self.id)

    def _step_of(self, taken: StepResult) -> Step:
        steered = taken.steered if taken.action_source == "given" else None
        step = Step(
            str(taken.checkpoint_id), taken.frame_index, taken.wall_s, taken.bytes_new, taken.action_source, steered
        )
        return step.of_session(self)

    def _snapshot(self, at: At) -> WorldStateSnapshot:
        return self.world.manager.load_step(self.world.node(self.checkpoint_at(at)).id)


class _Branches:
    """What a comparison reads of a World."""

    def __init__(self, world: World) -> None:
        self._world = world

    def lineage(self, checkpoint_id: str) -> list[TreeNode]:
        self._world.node(checkpoint_id)
        return self._world.tree.get_lineage(checkpoint_id)

    def frames(self, checkpoint_id: str) -> np.ndarray:
        return _added(self._world.manager.load_step(checkpoint_id).frames, "frames").numpy()

    def latents_array(self, checkpoint_id: str) -> np.ndarray:
        return _numpy(_added(self._world.manager.load_step(checkpoint_id).step_latents, "latents"))


def _store_of(given: Any, model: Model) -> SnapshotStore:
    if isinstance(given, SnapshotStore):
        return given
    if isinstance(given, str) and given.startswith("s3://"):
        given = load_settings(s3_bucket=given.removeprefix("s3://").strip("/"))
    if isinstance(given, (str, Path)):
        given = DiskBackend(given)
    if isinstance(given, Settings):
        given = backend_from_settings(given)
    return SnapshotStore(given, policy="auto" if model.abilities.rebuilds_kv else "full")


def _check(prompt: str | None, seed: int | None) -> None:
    if prompt is not None and (not isinstance(prompt, str) or not prompt):
        raise InvalidRequest(f"The prompt must be a text, got {prompt!r}.")
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= MOST_SEED):
        raise InvalidRequest(f"The seed must be a whole number from 0 to {MOST_SEED}, got {seed!r}.")


def _per_step(n: int, name: str, given: Any) -> list[Any]:
    """One entry per step."""
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise InvalidRequest(f"The number of steps is a whole number of at least 1, not {n!r}.")
    if given is not None and len(given) != n:
        raise InvalidRequest(f"{name} has {len(given)} entries for {n} steps: give one per step.")
    return [None] * n if given is None else list(given)


def _added(tensor: torch.Tensor | None, what: str) -> torch.Tensor:
    if tensor is None:
        raise FrameNotFound(f"The root adds no {what}, or the model works without.", hint="Ask for a later step.")
    return tensor


def _numpy(tensor: torch.Tensor) -> np.ndarray:
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy().copy()
