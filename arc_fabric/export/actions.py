"""A table of actions and scores: one row per action of each step."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import Any

from arc_fabric.base.tables import to_csv
from arc_fabric.export.episode import Episode
from arc_fabric.extras import extra

FORMS = ("csv", "parquet")


def columns(episodes: Iterable[Episode], action_names: Sequence[str] = ()) -> dict[str, list[Any]]:
    """Branch, its score and verdict, step, checkpoint, the action's place in the step, and the action's numbers: None
    where an action has fewer than others."""
    episodes = list(episodes)
    actions = (action for episode in episodes for step in episode.steps for action in step.actions or ())
    width = max(map(len, actions), default=0)
    labels = [action_names[n] if n < len(action_names) else f"action_{n}" for n in range(width)]
    names = ("branch", "prompt", "seed", "score", "verdict", "frame_index", "checkpoint", "checkpoint_score", "place")
    found: dict[str, list[Any]] = {name: [] for name in names}
    for episode in episodes:
        for step in episode.steps:
            for place, action in enumerate(step.actions or ()):
                values = (episode.name, step.prompt, step.seed, episode.score, episode.verdict, step.frame_index,
                          step.id, step.score, place)  # fmt: skip
                for name, value in zip(names, values, strict=True):
                    found[name].append(value)
                for label, number in zip_longest(labels, action):
                    found.setdefault(label, []).append(number)
    return found


def table_bytes(columns: dict[str, list[Any]], form: str) -> bytes:
    """As CSV or Parquet. Raises MissingExtra."""
    if form == "parquet":
        with extra("export", instead="take csv"):
            import pyarrow
            import pyarrow.parquet
        sink = io.BytesIO()
        pyarrow.parquet.write_table(pyarrow.table(columns), sink)
        return sink.getvalue()
    return to_csv(columns).encode()
