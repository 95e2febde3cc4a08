"""Evaluations: which variants are to be made, which are under way, and what came of them.

A variant goes from nowhere (its number is not reached yet) to running to a row. It is taken before its job is asked for
and its job has an idempotency key made of its number, so a conductor that dies between the two asks for the same job
again; a row is written in the script that ends its running, so it counts once, whoever settles it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from arc_fabric.errors import NotFound
from arc_fabric.ledger.core import Core, Page, codec, keys
from arc_fabric.ledger.core.connection import texts
from arc_fabric.ledger.records import EvaluationRecord
from arc_fabric.ledger.requests import digest

MOST_ACTIVE = 100
_PER_SCRIPT = 200
"""Rows that one script looks at: Redis serves nobody else meanwhile."""
LENT, MADE = "lent:", "made:"
"""How notes of variants begin that are made outside."""


class Settled(NamedTuple):
    """What became of a variant."""

    number: int
    row: str
    """JSON; empty: there is no result, the variant is made again later."""
    verdict: str = "none"
    """good, bad, error or none."""
    steps: int = 0


class Evaluations:
    """Evaluations of this ledger."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def create(
        self, record: EvaluationRecord, plan: str, only: Sequence[int] = (), *, idempotency_key: str | None = None
    ) -> EvaluationRecord:
        """Accept an evaluation, once per id; `plan` is JSON. With `only` it consists of the variants of these numbers.
        A repeated key returns the first one. Raises TooManyJobs, IdempotencyMismatch."""
        fields = record.to_dict() | {"_next": record.total if only else 0, "_round": 0}
        answer = self._core.scripts.run(
            "evaluations/create", record.id, codec.pack(fields), plan, MOST_ACTIVE, idempotency_key or "",
            digest(plan, record.rescores) if idempotency_key else "", *only,
        )  # fmt: skip
        if answer[0] == "replayed":
            found = self.get(answer[1])
            found.replayed = True
            return found
        return EvaluationRecord.decoded(answer[1])

    def get(self, evaluation_id: str) -> EvaluationRecord:
        """One evaluation. Raises NotFound."""
        (fields,) = self._core.hashes([keys.evaluation(evaluation_id)])
        if not fields:
            raise NotFound(f"No evaluation {evaluation_id}.", evaluation_id=evaluation_id)
        return EvaluationRecord.from_fields(fields)

    def plan(self, evaluation_id: str) -> str:
        """Its plan, JSON. Raises NotFound."""
        found = self._core.redis.get(keys.evaluation_plan(evaluation_id))
        if found is None:
            raise NotFound(f"No evaluation {evaluation_id}.", evaluation_id=evaluation_id)
        return str(found)

    def page(
        self, cursor: str | None, limit: int, state: str | None = None, tag: str | None = None
    ) -> Page[EvaluationRecord]:
        """Evaluations, newest first; those in this state and with this tag."""
        return self._core.page(
            EvaluationRecord.from_fields, keys.EVALUATIONS, keys.evaluation, cursor, limit, state=state, tags=tag
        )

    def active(self) -> list[str]:
        """Ids of those for which something is left to do, the most urgent first."""
        return texts(self._core.redis.zrange(keys.EVALUATIONS_ACTIVE, 0, -1))

    def take(self, evaluation_id: str, most: int) -> list[int]:
        """Variants to begin now; they are running from here on."""
        return [int(number) for number in self._core.scripts.run("evaluations/take", evaluation_id, most, "")]

    def lend(self, evaluation_id: str, most: int, who: str, seconds: float) -> list[int]:
        """Variants for `who`, outside, to make now. They are given back unless it says something of them in time."""
        note = f"{LENT}{who}:{self._core.now() + seconds:.3f}"
        return [int(number) for number in self._core.scripts.run("evaluations/take", evaluation_id, most, note)]

    def renew(self, evaluation_id: str, who: str, seconds: float, numbers: Sequence[int]) -> list[int]:
        """`who` works on these; the numbers of those that are still lent to it."""
        note = f"{LENT}{who}:{self._core.now() + seconds:.3f}"
        return self._note(evaluation_id, who, note, numbers)

    def made(self, evaluation_id: str, who: str, number: int, what: str) -> bool:
        """`who` has made a variant, `what` came of it (JSON); False where it is not lent to it any more."""
        return bool(self._note(evaluation_id, who, MADE + what, [number]))

    def _note(self, evaluation_id: str, who: str, note: str, numbers: Sequence[int]) -> list[int]:
        answer = self._core.scripts.run("evaluations/note", evaluation_id, f"{LENT}{who}:", note, *numbers)
        return [int(number) for number in answer]

    def running(self, evaluation_id: str) -> dict[int, str]:
        """The variants under way: number -> job id, empty where no job was accepted yet; of those that somebody outside
        makes `lent:<who>:<until when>`, then `made:<what came of it>`."""
        found = self._core.redis.hgetall(keys.evaluation_running(evaluation_id))
        return {int(number): str(job) for number, job in found.items()}

    def began(self, evaluation_id: str, jobs: Mapping[int, str]) -> None:
        """Note the jobs of variants under way."""
        if jobs:
            mapping: dict[str | bytes, str | bytes] = {str(number): job for number, job in jobs.items()}
            self._core.redis.hset(keys.evaluation_running(evaluation_id), mapping=mapping)  # type: ignore[arg-type]

    def settle(self, evaluation_id: str, settled: Sequence[Settled]) -> None:
        """Write what became of variants under way; the last one finishes the evaluation."""
        args = [part for one in settled for part in (one.number, one.row, one.verdict, one.steps)]
        self._core.scripts.run("evaluations/settle", evaluation_id, *args)

    def change(
        self, evaluation_id: str, state: str, why: str | None = None, again: Sequence[int] = ()
    ) -> EvaluationRecord:
        """Cancel ("cancelled"), stop ("stopped") or resume ("running"; variants in `again` have their errors tried once
        more). Raises NotFound."""
        answer = self._core.scripts.run("evaluations/change", evaluation_id, state, codec.dumps(why), *again)
        return EvaluationRecord.decoded(answer[1])

    def rest(self, evaluation_id: str) -> None:
        """Nothing is left to do for it."""
        self._core.scripts.run("evaluations/change", evaluation_id, "rest", "null")

    def rows(self, evaluation_id: str) -> dict[int, str]:
        """The results that Redis holds: number -> row, JSON."""
        found = self._core.redis.hgetall(keys.evaluation_rows(evaluation_id))
        return {int(number): str(row) for number, row in found.items()}

    def row_count(self, evaluation_id: str) -> int:
        """How many results Redis holds."""
        return int(self._core.redis.hlen(keys.evaluation_rows(evaluation_id)))

    def drop_rows(self, evaluation_id: str, stored: Mapping[int, str]) -> None:
        """Forget rows that object storage has by now, as they were stored; one that was written again stays."""
        items = list(stored.items())
        for start in range(0, len(items), _PER_SCRIPT):
            args = [part for item in items[start : start + _PER_SCRIPT] for part in item]
            self._core.scripts.run("evaluations/drop", evaluation_id, *args)

    def delete(self, evaluation_id: str) -> None:
        """Forget an evaluation that does not run; the checkpoints that it made stay."""
        pipe = self._core.redis.pipeline(transaction=True)
        for listing in (keys.EVALUATIONS, keys.EVALUATIONS_ACTIVE):
            pipe.zrem(listing, evaluation_id)
        parts = (keys.evaluation, keys.evaluation_plan, keys.evaluation_running, keys.evaluation_again)
        pipe.delete(*(part(evaluation_id) for part in (*parts, keys.evaluation_rows)))
        pipe.execute()
