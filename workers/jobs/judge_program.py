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

    def answer(self, request: dict[str, Any]) -> list[dict[str, Any]]:
        """One entry per scorer."""
        nodes = {node.id: node for node in self._ledger.nodes.many([*request["before"], *request["steps"]])}
        before, steps = (
            [Moment(i, nodes[i].frame_index, nodes[i].actions) for i in request[part]] for part in ("before", "steps")
        )
        branch = Branch(request["prompt"], request["seed"], before, steps, self._frames, self._latents)
        return [self._score(branch, use["name"], use["options"]) for use in request["scorers"]]

    def _latents(self, checkpoint_id: str) -> np.ndarray:
        dtype, shape, data = self._steps.when_stored(checkpoint_id, self._reader.latents)
        return to_numpy(dtype, shape, data)

    def _score(self, branch: Branch, name: str, options: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {"name": name, "version": "", "value": None, "verdict": None, "reason": "",
                                 "better": "higher", "error": None}  # fmt: skip
        try:
            found["version"] = scorers.version_of(name)
            return found | scorers.scorer_of(name)(branch, **options).to_dict()
        except Exception as error:  # noqa: BLE001 - somebody's code: its failure is a result
            said = f"The scorer {name}: {type(error).__name__}: {error}"
            return found | {"error": {"type": "ScorerFailed", "message": said[:2000]}}


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
