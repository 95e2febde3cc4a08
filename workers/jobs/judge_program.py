"""The process that runs scorers: a request per line on standard input, its scores per line on standard output."""

from __future__ import annotations

import json
import os
import sys
from functools import lru_cache
from typing import Any

import numpy as np

from arc_fabric.evaluation import scorers
from arc_fabric.evaluation.scores import Branch, Moment
from arc_fabric.ledger import Ledger
from arc_fabric.resting import attach
from arc_fabric.settings import get_settings
from arc_fabric.store.backends import backend_from_settings
from arc_fabric.store.format.arrays import to_numpy
from arc_fabric.store.read.reader import SnapshotReader
from workers.jobs.step_frames import StepFrames


class Program:
    """Answers requests."""

    def __init__(self) -> None:
        settings = get_settings()
        backend = backend_from_settings(settings)
        self._ledger = attach(Ledger(settings.redis_url), backend)
        self._reader = SnapshotReader(backend)
        self._steps = StepFrames(self._ledger, self._reader)
        self._frames = lru_cache(64)(self._steps.frames)

    def answer(self, request: dict[str, Any]) -> list[Any]:
        """One entry per scorer; scorers of groups have none for a single branch. Of {which: names} the names of those
        that judge groups."""
        if "which" in request:
            return [name for name in request["which"] if _of_groups(name)]
        if "group" in request:
            branches = [self._branch(one) for one in request["group"]]
            return [self._score(branches, use["name"], use["options"]) for use in request["scorers"]]
        branch, uses = self._branch(request), [use for use in request["scorers"] if not _of_groups(use["name"])]
        return [self._score(branch, use["name"], use["options"]) for use in uses]

    def _branch(self, request: dict[str, Any]) -> Branch:
        nodes = {node.id: node for node in self._ledger.nodes.many([*request["before"], *request["steps"]])}
        before, steps = (
            [Moment(i, nodes[i].frame_index, nodes[i].actions) for i in request[part]] for part in ("before", "steps")
        )
        return Branch(
            request["prompt"], request["seed"], before, steps, self._frames, self._latents, self._observed, self._path
        )

    def _path(self, checkpoint_id: str) -> list[str]:
        return self._ledger.nodes.path(checkpoint_id)[::-1]

    def _observed(self, checkpoint_id: str) -> np.ndarray | None:
        if not self._ledger.nodes.get(checkpoint_id).observed:
            return None
        return to_numpy(*self._steps.when_stored(checkpoint_id, lambda i: self._reader.tensor(i, "observed")))

    def _latents(self, checkpoint_id: str) -> np.ndarray:
        dtype, shape, data = self._steps.when_stored(checkpoint_id, self._reader.latents)
        return to_numpy(dtype, shape, data)

    def _score(self, branch: Branch | list[Branch], name: str, options: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {"name": name, "version": "", "value": None, "verdict": None, "reason": "",
                                 "better": "higher", "error": None}  # fmt: skip
        try:
            found["version"] = scorers.version_of(name)
            return found | scorers.scorer_of(name)(branch, **options).to_dict()
        except Exception as error:  # noqa: BLE001 - somebody's code: its failure is a result
            said = f"The scorer {name}: {type(error).__name__}: {error}"
            return found | {"error": {"type": "ScorerFailed", "message": said[:2000]}}


def _of_groups(name: str) -> bool:
    """Whether a scorer judges groups. What cannot be loaded fails where it is called."""
    try:
        return scorers.of_groups(name)
    except Exception:  # noqa: BLE001 - importing somebody's code may raise anything
        return False


def main() -> None:
    """Answer until standard input ends. What scorers print goes to standard error."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    program = Program()
    out.write(b"up\n")
    out.flush()
    for line in sys.stdin.buffer:
        out.write(json.dumps(program.answer(json.loads(line))).encode() + b"\n")
        out.flush()


if __name__ == "__main__":
    main()
