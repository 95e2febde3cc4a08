"""Brings the payload of a committed checkpoint within this worker's reach, or makes it again.

A node is committed before its payload has reached storage (uploads overlap the next step). When the worker that made
it dies in between, nothing is lost: a step is a pure function of its parent's snapshot and of what the node records
(prompt, seed, settings, actions, state, where the observed frames lie), so another worker takes the same steps from the
nearest stored ancestor and stores them under the same ids. The latents' digest in the node proves that the bits are the
same.
"""

from __future__ import annotations

import hashlib
import logging
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch

from arc_fabric.advance import root_snapshot
from arc_fabric.base.input_keys import NO_PICTURE
from arc_fabric.base.present import present
from arc_fabric.errors import CheckpointUnavailable, DamagedSnapshot, InvalidImage
from arc_fabric.ledger import Ledger, NodeRecord
from arc_fabric.media.frames import STRIP, pack_strip, unpack_views
from arc_fabric.models import tabletop
from arc_fabric.session import Session
from arc_fabric.steps.request import StepRequest, settings_of
from arc_fabric.steps.result import StepResult
from workers.process.retry import through_store_outages
from workers.process.runtime import Runtime

log = logging.getLogger(__name__)
SAMPLE = "sample:"
_SAMPLES = Path(tabletop.__file__).parent / "samples"
_POLL_S = 0.02
_MAKER_TIMEOUT_S = 120.0


def digest_of(taken: StepResult) -> str:
    """What a replayed step must reproduce: BLAKE2b over the bytes of the step's latents [B, K, C, h, w], by channel;
    over its frames' where the model has no latents."""
    latents = taken.step_latents
    return digest_of_latents(latents) if latents.dim() == 5 else _digest(torch.from_numpy(taken.frames))


def digest_of_latents(latents: torch.Tensor) -> str:
    """The same of a step's latents [B, K, C, h, w], as a snapshot holds them."""
    return _digest(latents[0].transpose(0, 1))


def _digest(data: torch.Tensor) -> str:
    return hashlib.blake2b(data.contiguous().view(torch.uint8).numpy().tobytes(), digest_size=16).hexdigest()


class Payloads:
    """Fetching, waiting for, and remaking payloads. Belongs to the task thread."""

    def __init__(self, ledger: Ledger, runtime: Runtime) -> None:
        self._ledger = ledger
        self._runtime = runtime

    def fetch(self, checkpoint_id: str) -> str:
        """Make sure `runtime.session` can load this checkpoint. Returns how: here, stored, waited or replayed."""
        runtime, store = self._runtime, self._runtime.store
        if runtime.manager.is_resident(checkpoint_id):
            return "here"
        node = self._ledger.nodes.get(checkpoint_id)
        if node.durability == "durable":
            return "stored"
        if node.durability in ("deleted", "damaged"):
            raise CheckpointUnavailable(
                f"The payload of {checkpoint_id} is {node.durability}.", checkpoint_id=checkpoint_id
            )
        status = through_store_outages(lambda: store.durability(checkpoint_id))
        if status == "pending":
            return "here"
        if status == "durable":
            self._ledger.nodes.set_durability(checkpoint_id, "durable")
            return "stored"
        return self._from_maker(node) or self._replay(checkpoint_id)

    def _from_maker(self, node: NodeRecord) -> str | None:
        """Wait for the upload of a living maker; None when there is none."""
        deadline = time.monotonic() + _MAKER_TIMEOUT_S
        while self._ledger.workers.is_alive(node.worker, node.boot) and time.monotonic() < deadline:
            if self._ledger.nodes.get(node.id).durability == "durable":
                return "waited"
            time.sleep(_POLL_S)
        # It may have finished just before it died.
        if through_store_outages(lambda: self._runtime.store.durability(node.id)) == "durable":
            self._ledger.nodes.set_durability(node.id, "durable")
            return "stored"
        return None

    def _replay(self, checkpoint_id: str) -> str:
        store, manager = self._runtime.store, self._runtime.manager
        todo: list[NodeRecord] = []
        for ancestor in self._ledger.nodes.path(checkpoint_id):
            stored = through_store_outages(partial(store.durability, ancestor))
            if manager.is_resident(ancestor) or stored != "absent":
                break
            todo.append(self._ledger.nodes.get(ancestor))
        log.warning("replaying %d lost checkpoints up to %s", len(todo), checkpoint_id)
        for node in reversed(todo):
            self._make_again(node)
        return "replayed"

    def _make_again(self, node: NodeRecord) -> None:
        if node.parent is None:
            self.make_root(node)
            return
        runtime = self._runtime
        mode = node.internal.get("_mode", "keep")
        session = Session.from_checkpoint(
            node.session_id,
            runtime.model,
            runtime.manager,
            node.parent,
            prompt=node.prompt,
            seed=node.seed,
            prompt_mode=mode,
            model_settings=node.model_settings,
        )
        action = np.asarray(node.actions, np.float32) if node.action_source == "given" else None
        seen = node.internal.get("_observed")
        result = session.step(
            action, node.state, observed=seen and self.read_observed(seen), checkpoint_id=node.id,
            attachments=lambda frames: {STRIP: pack_strip(frames)},
        )  # fmt: skip
        if digest_of(result) != node.internal.get("_digest"):
            self._ledger.nodes.set_durability(node.id, "damaged")
            raise DamagedSnapshot(
                f"Checkpoint {node.id} was lost with its worker and could not be made again bit for bit.",
                hint="Continue from an earlier checkpoint; replay needs the same device kind and software.",
                checkpoint_id=node.id,
            )

    def make_root(self, node: NodeRecord) -> Session:
        """A world in which nothing has happened yet, checkpointed under the node's id."""
        runtime = self._runtime
        state = None if node.state is None else np.asarray(node.state, np.float32)
        settings = settings_of(node.model_settings, runtime.model.abilities)
        request = StepRequest(node.session_id, node.prompt, present(node.seed), state=state, settings=settings)
        key = node.internal["_input_key"]
        picture = None if key == NO_PICTURE else self.read_input(key)
        root = root_snapshot(runtime.model, request, picture, node.internal.get("_embodiment_id", 0))
        runtime.manager.checkpoint(
            root, checkpoint_id=node.id, attachments={STRIP: lambda: pack_strip(present(root.frames).numpy())}
        )
        return Session.from_checkpoint(node.session_id, runtime.model, runtime.manager, node.id)

    def read_input(self, input_key: str) -> np.ndarray:
        """The initial picture, uint8 [h, w, 3], or of several cameras [V, h, w, 3]: a sample of the package, or an
        upload in the object store."""
        picture: np.ndarray = self.read_observed(input_key)[0]
        return picture

    def read_observed(self, input_key: str) -> np.ndarray:
        """Given frames, uint8 [T, h, w, 3], or of several cameras [T, V, h, w, 3]."""
        views = unpack_views(self._read(input_key))
        return views[:, 0] if views.shape[1] == 1 else views

    def _read(self, input_key: str) -> bytes:
        try:
            if input_key.startswith(SAMPLE):
                name = Path(input_key.removeprefix(SAMPLE)).name
                data = (_SAMPLES / f"{name}.png").read_bytes()
            else:
                data = through_store_outages(lambda: self._runtime.store.backend.get(input_key))
        except (KeyError, OSError) as error:
            raise InvalidImage(f"The given picture {input_key!r} does not exist.", input_key=input_key) from error
        return data
