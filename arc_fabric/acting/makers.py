"""Who makes a variant: given a session that was forked for it, and how many steps, the checkpoint that came of it."""

from __future__ import annotations

from collections.abc import Callable

from arc_fabric.acting.policy import Policy, Seen, chunk_of
from arc_fabric.client import RemoteSession
from arc_fabric.search import Explorer, Try
from arc_fabric.search.explorer import Judge

Maker = Callable[[RemoteSession, int], str]
"""(session, steps) -> the last checkpoint of what it made, which descends from the session's head."""
Search = Callable[[Explorer, int], Try]


def acting(policy: Policy, *, horizon: int, dim: int) -> Maker:
    """A policy acts, step by step: it sees what the world made of its last actions. `horizon`, `dim`: actions per step,
    and numbers of an action (`fabric.model()["geometry"]`)."""

    def make(session: RemoteSession, steps: int) -> str:
        frames = session.strip(str(session.head))
        for step in range(steps):
            given = policy(Seen(frames, session.prompt, step))
            actions = None if given is None else [chunk_of(given, horizon, dim)]
            (made,) = session.step(1, actions=actions)
            frames = made.frames
        return str(session.head)

    return make


def searching(search: Search, judge: Judge) -> Maker:
    """A search picks among branches that `judge` judges: `lambda explorer, steps: best_of(explorer, steps, seeds=...)`.
    All that it tried stays in the tree, with its score."""

    def make(session: RemoteSession, steps: int) -> str:
        return search(Explorer(session, judge), steps).checkpoint

    return make
