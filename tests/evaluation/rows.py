"""Rows as evaluations make them, for tests."""

from __future__ import annotations

from typing import Any


def row(variant: int, *, seed: int | None = None, prompt: str = "push", good: bool | None = True, **more: Any) -> Any:
    """One result; `good` None: not judged."""
    score = {"name": "motion", "version": "1", "value": float(variant), "verdict": good, "reason": "so", "error": None}
    return {
        "variant": variant, "checkpoint": "ckp_01jd6xy0m8v9k2q4r6t8w0y2z4", "prompt": prompt,
        "seed": variant if seed is None else seed, "actions": None, "actions_digest": None, "state": "made",
        "verdict": good, "score": float(variant), "scores": [score | {"better": "higher"}], "error": None,
        "head": "ckp_01jd6xy0m8v9k2q4r6t8w0y2z5", "session_id": "ses_1", "job_id": "job_1", "worker": "gpu.0",
        "steps": 2, "wall_s": 0.5, "finished": 1.0,
    } | more  # fmt: skip


def error(variant: int, **more: Any) -> Any:
    """A variant that came to nothing."""
    told = {"type": "ModelError", "message": "it broke"}
    return row(variant, good=None, state="error", error=told, score=None, scores=[], head=None, **more)
