"""Best of N: as many continuations as there are prompts and seeds, the best of them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from arc_fabric.search.explorer import Explorer, Try


def best_of(
    explorer: Explorer,
    steps: int,
    *,
    seeds: Sequence[int],
    prompts: Sequence[str | None] = (None,),
    at: str | None = None,
) -> Try:
    """The best of all continuations; the first of equals. Raises ValueError where there is none to try."""
    tries = [explorer.try_(steps, at=at, prompt=prompt, seed=seed) for prompt, seed in product(prompts, seeds)]
    if not tries:
        raise ValueError("best_of needs at least one seed and one prompt")
    return max(tries, key=lambda one: one.worth)
