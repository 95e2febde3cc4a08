"""Tries continuations: forks, steps, judges, marks, and lets the fork go."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from arc_fabric.evaluation.scores import Branch, Moment, Score
from arc_fabric.protocol import Actions, SessionProtocol

Judge = Callable[[Branch], Score]
"""A scorer with its options bound (`functools.partial`)."""


@dataclass(frozen=True)
class Try:
    """A continuation that was made, and what the judge says of it."""

    origin: str
    """The checkpoint it began at."""
    checkpoint: str
    """Its last one."""
    score: Score
    prompt: str
    seed: int | None

    @property
    def worth(self) -> float:
        """Larger is better, whichever way the score counts; what has no value is worth least."""
        value = self.score.value if math.isfinite(self.score.value) else -math.inf
        return -value if self.score.better == "lower" and math.isfinite(value) else value


@dataclass
class Explorer:
    """Over one session, which stays where it is."""

    session: SessionProtocol
    judge: Judge
    tries: list[Try] = field(default_factory=list)
    """All that was tried, in order."""
    _actions: dict[str, list[list[float]]] = field(default_factory=dict)
    """Of the checkpoints that were seen: they never change."""

    def try_(
        self,
        steps: int,
        *,
        at: str | None = None,
        prompt: str | None = None,
        seed: int | None = None,
        actions: Actions | None = None,
        judged_from: str | None = None,
    ) -> Try:
        """Continue from `at` (default: the session's head) by so many steps. Judged is what lies after `judged_from`
        (default: after `at`)."""
        origin = self.session.checkpoint_at(at)
        fork = self.session.fork(origin, prompt=prompt, seed=seed)
        try:
            made = fork.step(steps, actions=actions)
            branch = self._branch(fork, judged_from or origin, made[-1].checkpoint_id)
            found = Try(origin, made[-1].checkpoint_id, self.judge(branch), fork.prompt, fork.seed)
            self.session.mark(found.checkpoint, found.score.value, better=found.score.better,
                              failed=found.score.verdict is False)  # fmt: skip
        finally:
            fork.close()
        self.tries.append(found)
        return found

    def _branch(self, session: SessionProtocol, origin: str, end: str) -> Branch:
        """What a scorer sees of the checkpoints after `origin` up to `end`."""
        path = session.lineage_of(end)
        for checkpoint in path[1:]:
            if checkpoint not in self._actions:
                self._actions[checkpoint] = session.actions(checkpoint).tolist()
        moments = [Moment(checkpoint, number, self._actions.get(checkpoint)) for number, checkpoint in enumerate(path)]
        cut = path.index(origin) + 1
        return Branch(session.prompt, session.seed, moments[:cut], moments[cut:], session.strip, session.latents)
