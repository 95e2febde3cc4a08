"""Beam search: of all continuations of the best few, the best few."""

from __future__ import annotations

from collections.abc import Sequence

from arc_fabric.errors import InvalidRequest
from arc_fabric.search.explorer import Explorer, Try


def beam(
    explorer: Explorer,
    steps: int,
    *,
    every: int,
    width: int,
    seeds: Sequence[int],
    prompts: Sequence[str | None] = (None,),
    at: str | None = None,
) -> Try:
    """Go `steps` steps in stretches of `every`; after each the `width` best of all continuations go on.

    A survivor is continued with each seed and each prompt. Judged is always all that lies after the start.
    """
    if min(steps, every, width, len(seeds), len(prompts)) < 1:
        raise InvalidRequest("steps, every and width are 1 or more, and there is at least one seed and prompt.")
    start = explorer.session.checkpoint_at(at)
    alive, done, found = [start], 0, list[Try]()
    while done < steps:
        stretch = min(every, steps - done)
        found = [
            explorer.try_(stretch, at=checkpoint, prompt=prompt, seed=seed, judged_from=start)
            for checkpoint in alive
            for prompt in prompts
            for seed in seeds
        ]
        found.sort(key=lambda one: one.worth, reverse=True)
        alive, done = [one.checkpoint for one in found[:width]], done + stretch
    return found[0]
