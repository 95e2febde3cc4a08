"""Pictures, prompts, states and actions as DreamZero wants them, through its own transforms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from arc_fabric.errors import InvalidImage, ModelUnavailable

NEUTRAL_PROMPT = "Perform the default behavior."


class Transforms(Protocol):
    """What surrounds the VLA. Deterministic: the same arguments give the same tensors."""

    cameras: int
    state_dim: int
    action_dim: int
    action_names: tuple[str, ...]

    def compose(self, views: np.ndarray) -> np.ndarray:
        """Camera pictures uint8 [V, h, w, 3] -> the one picture the model sees, uint8 [H, W, 3]."""

    def condition(self, prompt: str, state: np.ndarray | None) -> dict[str, Tensor]:
        """state [1, 1, 64], embodiment_id [1], and text, text_negative with their masks [1, 512]."""

    def actions(self, normalised: Tensor, state: np.ndarray | None) -> Tensor:
        """Predicted actions [1, horizon, 32] -> actions in the robot's units, float32 [1, horizon, action_dim]."""


@dataclass(frozen=True)
class Embodiment:
    """The keys of one robot in DreamZero's data, in order."""

    tag: str
    video_keys: tuple[str, ...]
    """The order in which pictures are given."""
    state_keys: tuple[tuple[str, int], ...]
    """Key and width; concatenated they are our `state`."""
    action_keys: tuple[tuple[str, int], ...]
    language_key: str
    """Any name with "annotation" in it: the transforms take the one that they are given."""


DROID = Embodiment(
    tag="oxe_droid",
    video_keys=("video.exterior_image_1_left", "video.exterior_image_2_left", "video.wrist_image_left"),
    state_keys=(("state.joint_position", 7), ("state.gripper_position", 1)),
    action_keys=(("action.joint_position", 7), ("action.gripper_position", 1)),
    language_key="annotation.language.action_text",
)


def tag_of(metadata: Mapping[str, Any], wanted: str = "") -> str:
    """Whose statistics of a checkpoint's metadata.json are used: those of `wanted`; else of the only robot there, or of
    DROID. Raises ModelUnavailable, naming those that there are."""
    tags = sorted(metadata)
    tag = wanted or (tags[0] if len(tags) == 1 else DROID.tag)
    if tag in metadata:
        return tag
    raise ModelUnavailable(
        f"The checkpoint was not trained for the robot {tag!r}; its metadata.json has {', '.join(tags) or 'none'}.",
        hint="Name one of them after the directory: dreamzero:<checkpoint dir>#<robot>.",
        embodiments=tags,
    )


def embodiment_of(tag: str, policy: Any, metadata: Mapping[str, Any]) -> Embodiment:
    """The keys of a checkpoint's robot, in the order in which its own transforms join them, with the widths that its
    metadata.json states."""
    orders = next((t for t in policy.eval_transform.transforms if getattr(t, "video_concat_order", None)), None)
    if orders is None:
        raise ModelUnavailable(f"The checkpoint's transforms for {tag} state no order of cameras.")
    modalities = metadata[tag]["modalities"]

    def widths(kind: str, names: Sequence[str] | None) -> tuple[tuple[str, int], ...]:
        return tuple((name, prod(modalities[kind][name.removeprefix(f"{kind}.")]["shape"])) for name in names or ())

    return Embodiment(
        tag=tag,
        video_keys=tuple(orders.video_concat_order),
        state_keys=widths("state", orders.state_concat_order),
        action_keys=widths("action", orders.action_concat_order),
        language_key=DROID.language_key,
    )


class PolicyTransforms:
    """Transforms of a loaded `GrootSimPolicy` (groot.vla.model.n1_5.sim_policy)."""

    def __init__(
        self, policy: Any, batch_type: Any, resolution: tuple[int, int], embodiment: Embodiment = DROID
    ) -> None:
        """`batch_type` is tianshou's Batch; `resolution` the (height, width) of one camera in the checkpoint's data."""
        self._policy = policy
        self._batch = batch_type
        self._resolution = resolution
        self._embodiment = embodiment
        self.cameras = len(embodiment.video_keys)
        self.state_dim = sum(width for _, width in embodiment.state_keys)
        self.action_dim = sum(width for _, width in embodiment.action_keys)
        self.action_names = tuple(
            f"{key.removeprefix('action.')}_{i}" for key, width in embodiment.action_keys for i in range(width)
        )

    def compose(self, views: np.ndarray) -> np.ndarray:
        """The mosaic of the robot's cameras (DROID: exterior 1, exterior 2, wrist); cameras not given are black."""
        if views.shape[0] > self.cameras:
            raise InvalidImage(f"{views.shape[0]} pictures were given; this robot has {self.cameras} cameras.")
        height, width = self._resolution
        frames = np.zeros((self.cameras, height, width, 3), np.uint8)
        frames[: len(views)] = [_resize(view, height, width) for view in views]
        images = self._apply(frames, NEUTRAL_PROMPT, None)["images"]
        first: np.ndarray = np.asarray(images).reshape(-1, *images.shape[-3:])[0].astype(np.uint8)
        return first

    def condition(self, prompt: str, state: np.ndarray | None) -> dict[str, Tensor]:
        """Everything but the picture, by the checkpoint's own tokenizer and statistics."""
        made = self._apply(np.zeros((self.cameras, *self._resolution, 3), np.uint8), prompt, state)
        names = (
            "state",
            "embodiment_id",
            "text",
            "text_attention_mask",
            "text_negative",
            "text_attention_mask_negative",
        )
        return {name: torch.as_tensor(made[name]) for name in names}

    def actions(self, normalised: Tensor, state: np.ndarray | None) -> Tensor:
        """Denormalised, relative joints made absolute with the state given (zero where none was)."""
        observation = {key: value[None] for key, value in self._split(state).items()}
        result = self._policy.unapply(self._batch(normalized_action=normalised.float().cpu()), obs=observation)
        parts = [torch.as_tensor(np.asarray(result.act[key])).float() for key, _ in self._embodiment.action_keys]
        horizon = normalised.shape[1]
        return torch.cat([part.reshape(1, horizon, -1) for part in parts], dim=2)

    def _apply(self, frames: np.ndarray, prompt: str, state: np.ndarray | None) -> dict[str, Any]:
        observation: dict[str, Any] = dict(zip(self._embodiment.video_keys, frames[:, None, None], strict=True))
        observation |= {key: value[None] for key, value in self._split(state).items()}
        observation[self._embodiment.language_key] = np.array([prompt])
        made = self._policy.apply(self._batch(obs=observation)).normalized_obs
        fields: dict[str, Any] = made.__getstate__() if isinstance(made, self._batch) else made
        return fields

    def _split(self, state: np.ndarray | None) -> dict[str, np.ndarray]:
        """Our flat state as float64 [1, width] per key; zeros where none was given, as DreamZero's servers do."""
        flat = np.zeros(self.state_dim) if state is None else np.asarray(state, np.float64)
        ends = np.cumsum([width for _, width in self._embodiment.state_keys])
        parts = np.split(flat, ends[:-1])
        return {key: part[None] for (key, _), part in zip(self._embodiment.state_keys, parts, strict=True)}


def _resize(view: np.ndarray, height: int, width: int) -> np.ndarray:
    if view.dtype != np.uint8 or view.ndim != 3 or view.shape[2] != 3:
        raise InvalidImage(f"A camera picture must be uint8 [h, w, 3], got {view.dtype} {list(view.shape)}.")
    if view.shape[:2] == (height, width):
        return view
    from PIL import Image

    return np.asarray(Image.fromarray(view).resize((width, height), Image.Resampling.BILINEAR))
