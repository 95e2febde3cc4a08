"""Rewind on failure: judge as one goes; where the verdict is bad, go back and try the next prompt or seed."""

from __future__ import annotations

from collections.abc import Iterable

from arc_fabric.errors import InvalidRequest
from arc_fabric.search.explorer import Explorer, Try


def retry_on_failure(
    explorer: Explorer,
    steps: int,
    *,
    every: int = 1,
    back: int = 1,
    others: Iterable[tuple[str | None, int | None]],
    at: str | None = None,
) -> Try:
    """Go `steps` steps, judging every `every`; after a bad verdict go back and on with the next of `others`.

    Back is by `back` judged stretches, no further than to the start; of a (prompt, seed) None keeps the one before. The
    last try is the answer, bad where `others` ran out. Judged is always all that lies after the start.
    """
    if steps < 1 or every < 1 or back < 1:
        raise InvalidRequest(f"steps, every and back are 1 or more, not {steps}, {every}, {back}.")
    start = explorer.session.checkpoint_at(at)
    path, coming = [start], iter(others)
    prompt: str | None = None
    seed: int | None = None
    while True:
        done = (len(path) - 1) * every
        last = explorer.try_(
            min(every, steps - done), at=path[-1], prompt=prompt, seed=seed, judged_from=start,
        )  # fmt: skip
        if last.score.verdict is False:
            following = next(coming, None)
            if following is None:
                return last
            prompt = following[0] if following[0] is not None else prompt
            seed = following[1] if following[1] is not None else seed
            path = path[: max(1, len(path) - (back - 1))]
            continue
        path.append(last.checkpoint)
        if (len(path) - 1) * every >= steps:
            return last
