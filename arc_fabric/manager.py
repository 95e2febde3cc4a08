"""Saving and restoring the state of a model, through its public attributes only.

    manager = StateManager(model)                     # no store given: checkpoints stay in this process
    checkpoint_id = manager.checkpoint(session)
    snapshot = manager.restore(checkpoint_id)         # the model now continues from there

A model has one head and many sessions take turns on it. The manager knows which snapshot the head holds and
touches the head only when another one is wanted. Not thread-safe: it belongs to the thread that owns the
model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import Any, Protocol
from weakref import WeakValueDictionary, finalize

from torch import Tensor

from arc_fabric.base.lru import Lru
from arc_fabric.base.present import present
from arc_fabric.errors import CheckpointNotFound, CheckpointUnavailable, IdentityMismatch, ModelError, StateOverwritten
from arc_fabric.held.capture import keeper_of
from arc_fabric.ids import new_id
from arc_fabric.kv import KvRestorer
from arc_fabric.models.contract import (
    SCALARS,
    HeadState,
    Model,
    StateAccess,
    WorldModel,
    is_declared,
    state_device,
)
from arc_fabric.state import WorldStateSnapshot, identity_of
from arc_fabric.store import SnapshotStore
from arc_fabric.tree import TrajectoryTree, TreeNode

LISTED = 10_000
"""Checkpoints that `list_checkpoints` remembers; the oldest are forgotten there, not deleted."""
Attachments = Mapping[str, bytes | Callable[[], bytes]]


class HasSnapshot(Protocol):
    """Whatever carries a snapshot, such as a Session."""

    snapshot: WorldStateSnapshot


@dataclass(frozen=True)
class CheckpointInfo:
    """One line of `list_checkpoints`."""

    checkpoint_id: str
    session_id: str
    frame_index: int
    timestamp: float
    parent_checkpoint_id: str | None
    prompt: str
    seed: int
    bytes_total: int
    bytes_new: int

    def to_dict(self) -> dict[str, Any]:
        """JSON-safe form."""
        return asdict(self)


class StateManager:
    """The keeper of one model's state."""

    def __init__(
        self,
        model: Model,
        max_checkpoints: int = 50,
        *,
        store: SnapshotStore | None = None,
        tree: TrajectoryTree | None = None,
        resident_bytes: int = 1 << 30,
    ) -> None:
        """`store` keeps the checkpoints (None: this process's memory); `tree`, where given, gets a node per checkpoint.

        The latest `max_checkpoints` snapshots are also kept at hand, by reference, within `resident_bytes`; older ones
        are read from the store again. Beyond that only the head keeps a KV: that of a checkpointed session which is not
        in the head is let go, and comes back from the store when the session is stepped.

        Raises ModelError where a model that declares its state claims what only models of DreamZero's surface can.
        """
        self.model = model
        self.declared = model if is_declared(model) else None
        self._require_fitting_abilities()
        self.store = store or SnapshotStore(None)
        if store is None:
            finalize(self, self.store.close)
        self.tree = tree
        self.default_seed = 0 if self.declared else int(self.windowed.action_head.seed)
        self.identity = identity_of(model)
        self.capture = keeper_of(model, self._access())
        self._infos: dict[str, CheckpointInfo] = {}
        self._kv = KvRestorer(model, self.store, self.capture)
        self._kept: Lru[str, WorldStateSnapshot] = Lru(
            resident_bytes, WorldStateSnapshot.size_bytes, most=max_checkpoints
        )
        self._live: WeakValueDictionary[str, WorldStateSnapshot] = WeakValueDictionary()
        self._resident: WorldStateSnapshot | None = None

    @property
    def windowed(self) -> WorldModel:
        """The model, which has DreamZero's surface: not one that declares its state."""
        assert self.declared is None
        return self.model  # type: ignore[return-value]

    def _require_fitting_abilities(self) -> None:
        """Who believes them drops caches that nothing brings back, and joins steps that cannot be joined."""
        wrong = [name for name in ("batches", "rebuilds_kv") if self.declared and getattr(self.model.abilities, name)]
        if wrong:
            raise ModelError(
                f"The model declares its state, and its abilities say {', '.join(wrong)}: those are of models of "
                "DreamZero's surface.",
                hint="Set them False; rebuilds_world says that `rebuild` fills the caches.",
            )

    def _access(self) -> StateAccess:
        return self.declared or HeadState(self.windowed)

    def extract_state(self) -> WorldStateSnapshot:
        """What the model holds now. What it replaces is taken by reference (lists are copied, parts of larger tensors
        and the caller's own `language` are cloned); what it writes in place is copied on its device, as far as it is
        new."""
        held, scalars = self.capture.take()
        snapshot = WorldStateSnapshot(
            checkpoint_id=None,
            session_id="",
            held=held,
            seed=int(scalars["seed"]) if self.declared is None else 0,
            identity=self.identity,
            tokens_per_latent=self.model.geometry.tokens_per_latent,
        )
        if self.declared is None:
            snapshot.current_start_frame = int(scalars["current_start_frame"])
        else:
            snapshot.parts, snapshot.scalars = dict(self.declared.parts), scalars
        snapshot.kv_layers = len(snapshot.caches())
        snapshot.seal()
        return snapshot

    def restore_state(self, snapshot: WorldStateSnapshot) -> None:
        """Put a snapshot into the model, so that the next call continues it: no automatic reset fires.

        KV that the snapshot came without is read from the store or rebuilt. Tensors on another device are copied over.
        """
        self.set_resident(None)
        self.require_unwritten(snapshot)
        if self.declared is not None and snapshot.is_root:
            self.capture.reset()
            self.set_resident(snapshot)
            return
        self._put_back(snapshot)
        if not snapshot.has_kv and not snapshot.is_root:
            self._kv.fill(snapshot)
            self._put_back(snapshot)
            if snapshot.checkpoint_id in self._kept:
                self._keep(snapshot)  # it has grown
        snapshot.seal()
        self.set_resident(snapshot)

    def _put_back(self, snapshot: WorldStateSnapshot) -> None:
        scalars = snapshot.scalars if self.declared else {name: getattr(snapshot, name) for name in SCALARS}
        self.capture.put_back(snapshot.held, scalars)

    def require_unwritten(self, snapshot: WorldStateSnapshot) -> None:
        """Raise StateOverwritten where the model wrote into this snapshot's tensors. It is shared with nobody then: who
        asks for its checkpoint gets what is stored."""
        try:
            snapshot.require_unwritten()
        except StateOverwritten:
            if snapshot.checkpoint_id is not None:
                self._live.pop(snapshot.checkpoint_id, None)
                self._kept.pop(snapshot.checkpoint_id)
            raise

    def rebuilt_kv(self, checkpoint_id: str) -> dict[str, Tensor]:
        """A checkpoint's KV by its names in the store, made from its latents whatever is stored of it and checked
        against the record. The head is empty afterwards. Raises CheckpointUnavailable, KVRebuildMismatch, and what
        `load` raises."""
        if not self._kv.can_rebuild:
            raise CheckpointUnavailable("This model cannot rebuild its KV from latents.", checkpoint_id=checkpoint_id)
        snapshot = self.load(checkpoint_id)
        self.set_resident(None)
        if not snapshot.is_root:
            with self.keeping_seed():
                self._put_back(snapshot)
                self._kv.rebuild(snapshot)
        self.clear()
        return snapshot.caches()

    def recover(self, snapshot: WorldStateSnapshot) -> None:
        """After a failed call: put the snapshot back where that costs nothing, else leave the head empty until a
        session needs it."""
        if snapshot.has_kv or snapshot.is_root:
            with suppress(StateOverwritten), self.keeping_seed():
                self.restore_state(snapshot)
                return
        self.clear()

    def make_resident(self, snapshot: WorldStateSnapshot) -> None:
        """`restore_state`, unless the head holds this very snapshot."""
        if self._resident is not snapshot:
            with self.keeping_seed():
                self.restore_state(snapshot)

    @contextmanager
    def keeping_seed(self) -> Iterator[None]:
        """After it the head of a model of DreamZero's surface has the seed that it had before: between calls that is
        the model's own, the default of worlds that are given none."""
        head = getattr(self.model, "action_head", None) if self.declared is None else None
        seed = None if head is None else head.seed
        try:
            yield
        finally:
            if head is not None:
                head.seed = seed

    def clear(self) -> None:
        """Empty the head, so that the next call starts a window; frees what only the head held."""
        self.set_resident(None)
        self.capture.reset()

    def begin_window(self, snapshot: WorldStateSnapshot) -> None:
        """Empty the head, so that the next call starts a window in this snapshot's world. Where a model remembers, what
        the snapshot knows of that world (`ys`; nothing of a root) is its `memory`."""
        self.clear()
        if self.model.abilities.remembers:
            self.windowed.action_head.memory = None if snapshot.ys is None else self._on_device(snapshot.ys)

    def set_resident(self, snapshot: WorldStateSnapshot | None) -> None:
        """Note that the head holds this snapshot, which was just extracted from it (None: that it will change)."""
        left, self._resident = self._resident, snapshot
        if snapshot is None:
            self.capture.touched()
        if left is not None and left is not snapshot:
            self._let_go(left)

    def is_resident(self, checkpoint_id: str) -> bool:
        """Whether continuing from this checkpoint needs no read from the store."""
        snapshot = self._live.get(checkpoint_id)
        return snapshot is not None and (snapshot.has_kv or snapshot.is_root)

    def checkpoint(
        self, session: HasSnapshot | WorldStateSnapshot, *, checkpoint_id: str | None = None,
        attachments: Attachments | None = None, metadata: Mapping[str, Any] | None = None,
    ) -> str:  # fmt: skip
        """Hand a session's state to the store and return its checkpoint id; a state that has one keeps it.

        Returns without waiting for storage, except when the store's upload budget is full. `metadata` goes
        into the tree's node.
        """
        snapshot = session if isinstance(session, WorldStateSnapshot) else session.snapshot
        if snapshot.checkpoint_id is not None:
            return snapshot.checkpoint_id
        snapshot.checkpoint_id = checkpoint_id or new_id("ckp")
        try:
            receipt = self.store.put(
                snapshot.checkpoint_id, snapshot.entries(), snapshot.meta(),
                parent_id=snapshot.parent_checkpoint_id, attachments=attachments or {}, new_id=checkpoint_id is None,
            )  # fmt: skip
        except BaseException:
            snapshot.checkpoint_id = None
            raise
        self._remember(snapshot, receipt.bytes_total, receipt.bytes_new)
        if self.tree is not None:
            self.tree.add_node(node_of(snapshot, metadata or {}))
        return snapshot.checkpoint_id

    def restore(self, checkpoint_id: str, force: bool = False) -> WorldStateSnapshot:
        """Load a checkpoint and put it into the head. Raises CheckpointUnavailable, and IdentityMismatch unless
        `force`."""
        snapshot = self.load(checkpoint_id, force)
        self.make_resident(snapshot)
        if self.declared is None:
            self.windowed.action_head.seed = snapshot.seed
        return snapshot

    def load(self, checkpoint_id: str, force: bool = False) -> WorldStateSnapshot:
        """A checkpoint's snapshot, without touching the head. One that is still in use is shared; otherwise all but the
        KV is read from the store, and the KV follows when the head needs it (a full window never does)."""
        snapshot = self._live.get(checkpoint_id)
        if snapshot is None:
            tensors, meta = self.store.get(checkpoint_id, state_device(self.model), kv=False)
            snapshot = WorldStateSnapshot.from_entries(tensors, meta)
        self._check_identity(snapshot, force)
        self._keep(snapshot)
        return snapshot

    def load_meta(self, checkpoint_id: str) -> Mapping[str, Any]:
        """A checkpoint's facts, without its tensors."""
        snapshot = self._live.get(checkpoint_id)
        return self.store.manifest(checkpoint_id).meta if snapshot is None else snapshot.meta()

    def load_step(self, checkpoint_id: str) -> WorldStateSnapshot:
        """A checkpoint's snapshot to read what its step added; where nobody uses it, it comes without KV, in host
        memory, and is not kept. May be called from any thread."""
        snapshot = self._live.get(checkpoint_id)
        if snapshot is None:
            snapshot = WorldStateSnapshot.from_entries(*self.store.get(checkpoint_id, "cpu", kv=False))
        return snapshot

    def delete_checkpoint(self, checkpoint_id: str) -> None:
        """Drop a checkpoint's payload. Its node stays in the tree; checkpoints that share its pieces keep
        them."""
        if checkpoint_id not in self._infos and self.store.durability(checkpoint_id) == "absent":
            raise CheckpointNotFound(f"No checkpoint {checkpoint_id} is stored.", checkpoint_id=checkpoint_id)
        self.store.delete_payload(checkpoint_id)
        self._infos.pop(checkpoint_id, None)
        self._live.pop(checkpoint_id, None)
        self._kept.pop(checkpoint_id)

    def list_checkpoints(self, session_id: str | None = None) -> list[CheckpointInfo]:
        """The checkpoints this manager made and has not deleted (the latest 10,000), oldest first."""
        return [info for info in self._infos.values() if session_id in (None, info.session_id)]

    def info(self, checkpoint_id: str) -> CheckpointInfo | None:
        """What this manager knows of a checkpoint it made."""
        return self._infos.get(checkpoint_id)

    def _remember(self, snapshot: WorldStateSnapshot, bytes_total: int, bytes_new: int) -> None:
        self._keep(snapshot)
        self._infos[present(snapshot.checkpoint_id)] = CheckpointInfo(
            present(snapshot.checkpoint_id), snapshot.session_id, snapshot.frame_index, snapshot.timestamp,
            snapshot.parent_checkpoint_id, snapshot.prompt_text, snapshot.seed, bytes_total, bytes_new,
        )  # fmt: skip
        if len(self._infos) > LISTED:
            del self._infos[next(iter(self._infos))]

    def _keep(self, snapshot: WorldStateSnapshot) -> None:
        """Share this snapshot with whoever asks for its checkpoint while it lives, and keep the latest alive."""
        self._live[present(snapshot.checkpoint_id)] = snapshot
        for _, oldest in self._kept.add(present(snapshot.checkpoint_id), snapshot):
            self._let_go(oldest)

    def let_go_of(self, session_id: str) -> None:
        """Keep the snapshots that a session made at hand no longer: it will not be asked for again soon. They come from
        the store then, as any other."""
        for checkpoint_id, snapshot in self._kept.items():
            if snapshot.session_id == session_id:
                self._kept.pop(checkpoint_id)
                self._let_go(snapshot)

    def _let_go(self, snapshot: WorldStateSnapshot) -> None:
        """Free the KV of a stored snapshot that is neither in the head nor kept, whoever else holds the snapshot."""
        if snapshot is self._resident or snapshot.checkpoint_id is None or snapshot.checkpoint_id in self._kept:
            return
        snapshot.take_caches({})

    def _check_identity(self, snapshot: WorldStateSnapshot, force: bool) -> None:
        theirs, ours = (_ranks_of(identity) for identity in (snapshot.identity, self.identity))
        if theirs != ours:
            raise IdentityMismatch(
                f"Checkpoint {snapshot.checkpoint_id} is the state of a model over {theirs} rank(s), and this model "
                f"has {ours}: a state goes back onto the layout that it was taken from.",
                hint=f"Load the model over {theirs} rank(s); force=True does not help here.",
                checkpoint_id=snapshot.checkpoint_id,
                differences={"ranks": [theirs, ours]},
            )
        if force or snapshot.identity == self.identity:
            return
        names = sorted({*snapshot.identity, *self.identity})
        changed = [n for n in names if snapshot.identity.get(n) != self.identity.get(n)]
        raise IdentityMismatch(
            f"Checkpoint {snapshot.checkpoint_id} was made by another model: {', '.join(changed)} differ.",
            checkpoint_id=snapshot.checkpoint_id,
            differences={n: [snapshot.identity.get(n), self.identity.get(n)] for n in changed},
        )

    def _on_device(self, tensor: Tensor | None) -> Tensor | None:
        return None if tensor is None else tensor.to(self.model.device)


def _ranks_of(identity: Mapping[str, Any]) -> int:
    """How many processes hold the state that has this identity."""
    return len(identity.get("sampler", {}).get("ranks", ())) or 1


def node_of_meta(meta: Mapping[str, Any], frames_per_step: int) -> TreeNode:
    """The tree's node for a stored checkpoint, as far as its facts alone say it: without the step's actions."""
    steps = meta["frame_index"]
    return TreeNode(
        id=meta["checkpoint_id"], parent=meta["parent_checkpoint_id"], session_id=meta["session_id"], frame_index=steps,
        created=meta["timestamp"], prompt=meta["prompt_text"], seed=meta["seed"], prompt_mode=meta["prompt_mode"],
        action_source=meta["action_source"], steered=meta["steered"] if meta["action_source"] == "given" else None,
        model_settings=dict(meta.get("settings", {})), n_frames=frames_per_step if steps else 1,
        window_start=0 if "parts" in meta else steps - len(meta["calls"]),
    )  # fmt: skip


def node_of(snapshot: WorldStateSnapshot, metadata: Mapping[str, Any]) -> TreeNode:
    """The tree's node for a checkpointed snapshot."""
    actions = None if snapshot.action_history is None else snapshot.action_history[-1].tolist()
    return TreeNode(
        id=present(snapshot.checkpoint_id), parent=snapshot.parent_checkpoint_id, session_id=snapshot.session_id,
        frame_index=snapshot.frame_index, created=snapshot.timestamp, prompt=snapshot.prompt_text,
        seed=snapshot.seed, prompt_mode=snapshot.prompt_mode, model_settings=dict(snapshot.settings),
        action_source=snapshot.action_source, actions=actions,
        steered=snapshot.steered if snapshot.action_source == "given" else None,
        n_frames=len(present(snapshot.frames)), window_start=snapshot.window_start, metadata=dict(metadata),
    )  # fmt: skip
