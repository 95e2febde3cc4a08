"""A snapshot of one world: everything needed to take its next step with the same bits.

A snapshot is a value: nothing in it is written after it was made, so that sessions may share it. It has three
kinds of content. *Head state* is what the model keeps (`held`: KV caches, encoded anchor, buffers; and counters);
a root snapshot (frame_index 0) has none. *The window* is what the caller keeps: the latents since the last
anchor (the newest block is not in the KV yet), and what each call of the window was given. *The step* is what
this step added: latents and video frames.

>>> snapshot = WorldStateSnapshot("ckp_0", "ses_0", frames=torch.zeros(1, 8, 8, 3, dtype=torch.uint8))
>>> snapshot.is_root, snapshot.size_bytes()
(True, 192)
"""

from __future__ import annotations

import json
import os
import time
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from arc_fabric.errors import CheckpointUnavailable, StateOverwritten, UnknownFormat
from arc_fabric.held.names import Held, Layers, Single, in_order, part_of, parts_by_key
from arc_fabric.models.contract import Model, Part, Scalar, declaration_digest, is_declared
from arc_fabric.store.format.entry import TensorEntry
from arc_fabric.store.format.manifest import is_rebuildable
from arc_fabric.store.format.seal import checksums_of

FORMAT_VERSION = 1
LIST_FIELDS = {
    "kv_cache": "kv_cache1",
    "kv_cache_neg": "kv_cache_neg",
    "crossattn_cache": "crossattn_cache",
    "crossattn_cache_neg": "crossattn_cache_neg",
}
"""Snapshot field, a view -> attribute of `action_head`, which is also the tensors' name in the store."""
KV_FIELDS = ("kv_cache", "kv_cache_neg")
HEAD_FIELDS = ("clip_feas", "ys", "language")
"""Views of one tensor."""
HOST_FIELDS = ("latent_video", "step_latents", "frames", "observed", "action_history")
"""Tensors that always live in host memory."""
META_FIELDS = (
    "checkpoint_id", "session_id", "frame_index", "timestamp", "current_start_frame", "seed", "prompt_text",
    "parent_checkpoint_id", "state", "embodiment_id", "prompt_mode", "action_source", "steered", "identity",
    "tokens_per_latent", "kv_layers",
)  # fmt: skip
"""What is neither a tensor nor a call."""
_FIRST = (*LIST_FIELDS.values(), *HEAD_FIELDS)


@dataclass(frozen=True)
class CallRecord:
    """What one call of the current window was given; a KV rebuild needs it."""

    prompt: str
    """The prompt under which this call prefilled the block before it (for the first call: the anchor)."""
    state: list[float] | None = None
    observed: bool = False
    """The pending block came from observed frames, not from the model's own latents."""


@dataclass(eq=False)
class WorldStateSnapshot:
    """The state of one world after `frame_index` steps."""

    checkpoint_id: str | None
    """None until the snapshot was checkpointed."""
    session_id: str
    frame_index: int = 0
    """Steps from the root."""
    timestamp: float = field(default_factory=time.time)

    held: Held = field(default=Held(), kw_only=True)
    """The model's state: every tensor of it by its name in the store (see `arc_fabric.held.names`)."""
    kv_cache: Layers = Layers("kv_cache1")  # noqa: RUF009  (a descriptor)
    """One tensor per layer, [2, B, seq, heads, head_dim]; of the conditional branch. This and the fields below that are
    so declared are views of `held`, for models of DreamZero's shape."""
    kv_cache_neg: Layers = Layers("kv_cache_neg")  # noqa: RUF009  (a descriptor)
    crossattn_cache: Layers = Layers("crossattn_cache")  # noqa: RUF009  (a descriptor)
    crossattn_cache_neg: Layers = Layers("crossattn_cache_neg")  # noqa: RUF009  (a descriptor)
    latent_video: Tensor | None = None
    """The window's latents from the anchor to the newest block, [B, T, C, h, w], on the CPU."""
    clip_feas: Single = Single("clip_feas")  # noqa: RUF009  (a descriptor)
    """[B, 257, 1280] for DreamZero."""
    ys: Single = Single("ys")  # noqa: RUF009  (a descriptor)
    """[B, c, T, h, w]."""
    prompt_embs: Tensor | None = None
    """None where the model encodes the prompt anew at every call, as both models here do."""
    current_start_frame: int = 0
    language: Single = Single("language")  # noqa: RUF009  (a descriptor)
    seed: int = 0
    prompt_text: str = ""
    action_history: Tensor | None = None
    """Actions of the current window's steps, oldest first, float32 [len(calls), action_horizon, action_dim]: a snapshot
    costs the same at every depth. Those of earlier steps are in the checkpoints of the lineage (version 0.1.0 kept all
    of them here; what it stored is read as it is)."""
    parent_checkpoint_id: str | None = None

    step_latents: Tensor | None = None
    """Latents this step added, [B, K, C, h, w]; None for a root."""
    frames: Tensor | None = None
    """Video frames this step added, uint8 [F, H, W, 3]; the initial frame for a root."""
    pictured: bool = True
    """Of a root: a picture was given. Else the world begins from its prompt alone, and its initial frame is black."""
    observed: Tensor | None = None
    """Real frames given with this step (closed loop), uint8 [T, H, W, 3]."""
    calls: tuple[CallRecord, ...] = ()
    """The calls of the current window, oldest first."""
    state: list[float] | None = None
    """Proprioceptive state given with this step."""
    embodiment_id: int = 0
    settings: Mapping[str, float] = field(default_factory=dict)
    """Of the model's settings per session those that this step had otherwise than by default; of a root those of the
    steps to come."""
    prompt_mode: str | None = None
    """How this step took up a new prompt within a window (keep, recache, reset); None where it had none."""
    action_source: str | None = None
    """"given" or "predicted"; None for a root."""
    steered: bool = False
    """Whether the actions given steered the model."""
    identity: dict[str, Any] = field(default_factory=dict)
    kv_layers: int | None = None
    """Layers with a KV cache when it was captured; None: not known (version 0.1.0 did not record it)."""
    tokens_per_latent: int = 1
    """Where the KV may be cut."""
    parts: Mapping[str, Part] = field(default_factory=dict)
    """The declaration that `held` follows; empty for DreamZero's attributes."""
    scalars: Mapping[str, Scalar] = field(default_factory=dict)
    """The scalar parts of a declared state."""
    sealed: dict[str, tuple[weakref.ref[Tensor], int]] = field(default_factory=dict, repr=False)
    """Of the tensors that the head may hold, by name: which one, and its checksum when it was captured."""

    @property
    def is_root(self) -> bool:
        """Whether no model call has been made."""
        return self.frame_index == 0

    @property
    def has_kv(self) -> bool:
        """False where a KV belongs to it that is not here: it is light, or its KV was let go. True for a model without
        KV, too; a root has none yet."""
        return self.kv_layers == 0 or any(map(is_rebuildable, self.held))

    def caches(self) -> dict[str, Tensor]:
        """The KV, by its names in the store; also of a declared model."""
        return {name: tensor for name, tensor in self.held.items() if is_rebuildable(name)}

    def take_caches(self, tensors: Mapping[str, Tensor]) -> None:
        """Have the KV among these tensors, and no other: none of them lets it go."""
        rest = {name: tensor for name, tensor in self.held.items() if not is_rebuildable(name)}
        self.held = rest | {name: tensor for name, tensor in tensors.items() if is_rebuildable(name)}

    @property
    def window_start(self) -> int:
        """frame_index at which the current window was anchored; 0 where no window ends."""
        return 0 if self.parts else self.frame_index - len(self.calls)

    def seal(self) -> None:
        """Take the checksums of the tensors that the head may hold, of those that have none yet."""
        new = {name: t for name, t in self._in_head().items() if self._checksum(name, t) is None}
        sums = zip(new.items(), checksums_of(new.values()), strict=True)
        self.sealed = self.sealed | {name: (weakref.ref(tensor), number) for (name, tensor), number in sums}

    def require_unwritten(self) -> None:
        """Raise StateOverwritten where a tensor was written in place since `seal`."""
        known = {name: t for name, t in self._in_head().items() if self._checksum(name, t) is not None}
        sums = zip(known, checksums_of(known.values()), strict=True)
        if written := [name for name, number in sums if number != self.sealed[name][1]]:
            raise StateOverwritten(
                f"{', '.join(written[:3])}{' and others' if len(written) > 3 else ''} of the state after step "
                f"{self.frame_index} of {self.session_id} changed in place since it was captured.",
                tensors=written,
                checkpoint_id=self.checkpoint_id,
            )

    def _in_head(self) -> dict[str, Tensor]:
        """The tensors that the model may have in hand, by their names in the store: not the copies of buffers, nor of
        what other ranks hold."""
        held = self.held if self.prompt_embs is None else self.held | {"prompt_embs": self.prompt_embs}
        by_key = parts_by_key(self.parts)
        found = {name: (tensor, part_of(name, by_key)) for name, tensor in held.items()}
        return {
            name: t for name, (t, part) in found.items()
            if part is None or (part.kind in ("appended", "replaced") and not part.rank)
        }  # fmt: skip

    def to_cpu(self) -> WorldStateSnapshot:
        """A snapshot with every tensor in host memory."""
        return self._moved("cpu")

    def to_gpu(self, device: str | torch.device = "cuda") -> WorldStateSnapshot:
        """A snapshot with the head's tensors on `device`; latents and frames stay in host memory."""
        return self._moved(device)

    def size_bytes(self) -> int:
        """Bytes of all tensors; a tensor that appears twice counts once."""
        sizes = {(t.data_ptr(), t.nbytes): t.nbytes for t in self.tensors().values()}
        return sum(sizes.values())

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor under the name it has in the store, e.g. `kv_cache1/07`."""
        single = {name: getattr(self, name) for name in ("prompt_embs", *HOST_FIELDS)}
        return in_order(self.held, _FIRST) | {name: tensor for name, tensor in single.items() if tensor is not None}

    def entries(self) -> list[TensorEntry]:
        """The tensors with the axis and unit on which the store may cut and share them."""
        added = 0 if self.step_latents is None else self.step_latents.shape[1]
        kv = (2, self.tokens_per_latent, added * self.tokens_per_latent)
        cuts: dict[str, tuple[int | None, int, int]] = {"kv_cache1": kv, "kv_cache_neg": kv}
        cuts |= {"latent_video": (1, 1, added), "action_history": (0, 1, 1)}
        cuts |= {key: (p.axis, p.unit, 0) for key, p in parts_by_key(self.parts).items() if p.kind == "appended"}
        return [
            self._entry(name, tensor, *cuts.get(name if name in cuts else name.rpartition("/")[0], (None, 1, 0)))
            for name, tensor in self.tensors().items()
        ]

    def _entry(self, name: str, tensor: Tensor, axis: int | None, unit: int, fresh: int) -> TensorEntry:
        return TensorEntry(name, tensor, axis, unit, fresh=fresh, checksum=self._checksum(name, tensor))

    def _checksum(self, name: str, tensor: Tensor) -> int | None:
        ref, number = self.sealed.get(name, (None, None))
        return number if ref is not None and ref() is tensor else None

    def meta(self) -> dict[str, Any]:
        """Everything but the tensors, JSON-safe."""
        calls = [vars(call) for call in self.calls]
        facts = {"version": FORMAT_VERSION, **{name: getattr(self, name) for name in META_FIELDS}, "calls": calls}
        if self.is_root:
            facts["pictured"] = self.pictured
        if self.settings:
            facts["settings"] = dict(self.settings)
        if self.parts:
            facts["parts"] = {name: part.to_json() for name, part in self.parts.items()}
            facts["scalars"] = dict(self.scalars)
        return facts

    @classmethod
    def from_entries(cls, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> WorldStateSnapshot:
        """Put together what `entries()` and `meta()` took apart."""
        values = dict(meta)
        version = values.pop("version", None)
        if version != FORMAT_VERSION:
            raise UnknownFormat(f"Snapshot format {version!r} is not known; expected {FORMAT_VERSION}.")
        calls = tuple(CallRecord(**call) for call in values.pop("calls"))
        values["parts"] = {name: Part.from_json(part) for name, part in values.pop("parts", {}).items()}
        values["prompt_embs"] = tensors.get("prompt_embs")
        values |= {name: tensors[name].cpu() for name in HOST_FIELDS if name in tensors}
        if values["frame_index"] == 0 and "frames" in tensors:  # before that was kept, a black picture stood for none
            values.setdefault("pictured", bool(tensors["frames"].any()))
        made = cls(**values, calls=calls)
        made.held = {name: t for name, t in tensors.items() if name not in (*HOST_FIELDS, "prompt_embs")}
        return made

    def save(self, path: str | os.PathLike[str], *, light: bool = False) -> None:
        """Write one safetensors file with the JSON metadata in its header; replaced atomically.

        Raises CheckpointUnavailable where the KV is not here (a session that waits lets it go), unless `light`: a model
        that rebuilds its KV can go on from the file without it.
        """
        if not (light or self.has_kv or self.is_root):
            raise CheckpointUnavailable(
                f"The KV of the state after step {self.frame_index} is not in memory; the file would lack it.",
                hint="Session.save(path) brings it back first; save(path, light=True) leaves it out.",
                checkpoint_id=self.checkpoint_id,
            )
        path = Path(path)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in self.tensors().items()}
        try:
            save_file(tensors, temporary, metadata={"arc_fabric": json.dumps(self.meta(), allow_nan=False)})
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> WorldStateSnapshot:
        """Read what `save` wrote, into host memory."""
        with safe_open(path, "pt") as file:
            header = (file.metadata() or {}).get("arc_fabric")
            if header is None:
                raise UnknownFormat(f"{path} is not a saved snapshot.", hint="Expected a file made by save().")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return cls.from_entries(tensors, json.loads(header))

    def _moved(self, device: str | torch.device) -> WorldStateSnapshot:
        embs = None if self.prompt_embs is None else self.prompt_embs.to(device)
        made = replace(self, sealed={}, prompt_embs=embs)
        made.held = {name: tensor.to(device) for name, tensor in self.held.items()}
        return made


def identity_of(model: Model) -> dict[str, Any]:
    """The model's identity as it reads in a stored manifest; of a declared one with its declaration's digest."""
    identity: dict[str, Any] = json.loads(json.dumps(model.identity().to_dict()))
    return identity | ({"state": declaration_digest(model.parts)} if is_declared(model) else {})
