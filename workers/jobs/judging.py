"""From what a variant made to its row: who judges, in which thread, and what is handed to the scorers' process."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from arc_fabric.base.lru import Lru
from arc_fabric.errors import InvalidRequest, NotFound
from arc_fabric.evaluation.plan import Plan
from arc_fabric.evaluation.results import GROUPS, Row, row_of, seed_groups, word_of
from arc_fabric.evaluation.stored import StoredPage, StoredRows
from arc_fabric.ledger import EvaluationRecord, JobRecord, Ledger
from arc_fabric.ledger.evaluations import Settled
from arc_fabric.settings import Settings
from arc_fabric.store.backends import Backend
from workers.jobs.judge import Judge, broken
from workers.process.retry import OUTAGES

log = logging.getLogger(__name__)
MOST_IN_GROUP = 64
"""Seeds of a group that its scorers see: the first ones."""


class Judging:
    """Judges in one thread, beside whoever asks. What it has not answered when the process dies is asked again."""

    def __init__(self, ledger: Ledger, backend: Backend, settings: Settings) -> None:
        self._ledger, self._backend, self._settings = ledger, backend, settings
        self._judge = Judge(settings)
        self._pool = ThreadPoolExecutor(1, "judge")
        self._asked: dict[tuple[str, int], Future[Settled]] = {}
        self._grouping: dict[str, tuple[int, Future[list[dict[str, Any]]]]] = {}
        """By evaluation: how often it was resumed when its groups were handed over, and what becomes of them."""
        self._plans: Lru[str, Plan] = Lru(8, lambda plan: 1, least=1)
        self._sources: Lru[str, StoredPage] = Lru(4, lambda page: 1, least=1)
        """By evaluation that is judged anew: the page that was read last; variants come mostly in order."""
        self._lock = threading.Lock()

    def close(self) -> None:
        """Judge nothing more."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._judge.close()

    def knows(self, evaluation_id: str, number: int) -> bool:
        """Whether this variant is being judged."""
        return (evaluation_id, number) in self._asked

    def plan(self, evaluation_id: str) -> Plan:
        """The plan of an evaluation."""
        with self._lock:
            known = self._plans.get(evaluation_id)
            if known is None:
                known = Plan.model_validate_json(self._ledger.evaluations.plan(evaluation_id))
                self._plans.add(evaluation_id, known)
            return known

    def job(self, evaluation_id: str, number: int, job: JobRecord | None) -> None:
        """Judge what a job made; None: nobody knows the job any more, the variant is made again."""
        if job is None:
            self._ask(evaluation_id, number, lambda: None)
        else:
            self._ask(evaluation_id, number, lambda: self._of_job(self.plan(evaluation_id), number, job.to_dict()))

    def head(self, evaluation_id: str, number: int, made: Mapping[str, Any]) -> None:
        """Judge what somebody outside made: {head} or {error}."""
        self._ask(evaluation_id, number, lambda: self._of_head(self.plan(evaluation_id), number, made))

    def stored(self, evaluation_id: str, number: int, source: str) -> None:
        """Judge once more what another evaluation made."""
        self._ask(evaluation_id, number, lambda: self._of_row(self.plan(evaluation_id), number, source), steps=False)

    def answers(self, evaluation_id: str) -> list[Settled]:
        """Those of its variants that are judged by now."""
        done = [key for key, future in self._asked.items() if key[0] == evaluation_id and future.done()]
        return [self._asked.pop(key).result() for key in done]

    def groups(self, record: EvaluationRecord) -> list[dict[str, Any]] | None:
        """What the scorers of groups say of an evaluation whose rows are all there; None: not yet."""
        resumed, future = self._grouping.get(record.id, (-1, None))
        if future is None or resumed != record.resumed:  # what was asked before a resume knows too few rows
            future = self._pool.submit(self._of_groups, self.plan(record.id), record.id)
            self._grouping[record.id] = record.resumed, future
        if not future.done():
            return None
        del self._grouping[record.id]
        return future.result()

    def _ask(self, evaluation_id: str, number: int, make: Callable[[], Row | None], *, steps: bool = True) -> None:
        self._asked[evaluation_id, number] = self._pool.submit(self._settled, evaluation_id, number, make, steps)

    def _settled(self, evaluation_id: str, number: int, make: Callable[[], Row | None], steps: bool) -> Settled:
        """In the judges' thread. An outage is for the next round, any other error is a row."""
        try:
            row = make()
        except OUTAGES:
            raise
        except Exception as error:
            log.exception("%s: variant %d cannot be judged", evaluation_id, number)
            told = {"type": type(error).__name__, "message": str(error)}
            row = row_of(self.plan(evaluation_id).variant(number), {"state": "failed", "error": told}, [])
        if row is None:
            return Settled(number, "")
        return Settled(number, json.dumps(row, allow_nan=False), word_of(row), row["steps"] if steps else 0)

    def _of_job(self, plan: Plan, number: int, job: Mapping[str, Any]) -> Row:
        """The row of a job that has ended, or of what looks like one."""
        variant, nodes = plan.variant(number), self._ledger.nodes
        if job["state"] != "succeeded":
            return row_of(variant, job, [])
        steps = [step["checkpoint_id"] for step in (job.get("result") or {})["steps"]]
        prompt = nodes.get(steps[-1]).prompt
        scores = self._judge.scores(self._request(plan, prompt, variant.seed, variant.checkpoint, steps))
        row = row_of(variant, {**job, "params": {"prompt": prompt}}, scores)
        if plan.mark and row["score"] is not None:
            nodes.update(
                row["head"], score=row["score"], score_better=scores[0]["better"], failed=row["verdict"] is False
            )
        return row

    def _request(self, plan: Plan, prompt: str, seed: int | None, at: str, steps: Sequence[str]) -> dict[str, Any]:
        return {"scorers": [use.model_dump() for use in plan.scorers], "prompt": prompt, "seed": seed,
                "before": self._ledger.nodes.path(at)[::-1], "steps": list(steps)}  # fmt: skip

    def _of_head(self, plan: Plan, number: int, made: Mapping[str, Any]) -> Row:
        variant = plan.variant(number)
        if made.get("error"):
            return row_of(variant, {"state": "failed", "error": made["error"]}, [])
        path = self._ledger.nodes.path(made["head"])
        if variant.checkpoint not in path:
            raise InvalidRequest(f"{made['head']} does not descend from {variant.checkpoint}.")
        nodes = self._ledger.nodes.many(path[: path.index(variant.checkpoint)][::-1])
        if not nodes:
            raise InvalidRequest(f"{made['head']} is where the variant begins: no step was made.")
        return self._of_job(plan, number, {
            "state": "succeeded", "session_id": nodes[-1].session_id, "id": nodes[-1].job_id,
            "worker": nodes[-1].worker, "finished": nodes[-1].created,
            "result": {"head": made["head"],
                       "steps": [{"checkpoint_id": node.id, "wall_s": node.wall_s} for node in nodes]},
        })  # fmt: skip

    def _of_row(self, plan: Plan, number: int, source: str) -> Row:
        row = self._source(source, number)
        if row is None:
            raise NotFound(f"{source}, whose branches are judged anew, has no result of variant {number} any more.")
        if row["head"] is None:
            return row | {"scores": []}
        variant = plan.variant(number)
        steps = self._steps(row)
        job = {"state": "succeeded", "id": row["job_id"], "result": {"head": row["head"], "steps": [
            {"checkpoint_id": step, "wall_s": row["wall_s"] / len(steps)} for step in steps]}}  # fmt: skip
        kept = {name: row[name] for name in ("session_id", "worker", "finished")}
        return self._of_job(plan, variant.number, job | kept)

    def _source(self, evaluation_id: str, number: int) -> Row | None:
        """A row of an evaluation that is judged anew; only this thread asks."""
        page = self._sources.get(evaluation_id)
        if page is None or not page.covers(number):
            page = StoredPage.of(self._ledger, self._backend, evaluation_id, number)
            self._sources.add(evaluation_id, page)
        return page.rows.get(number)

    def _of_groups(self, plan: Plan, evaluation_id: str) -> list[dict[str, Any]]:
        uses = [use.model_dump() for use in plan.scorers]
        names = self._judge.group_scorers([use["name"] for use in uses])
        chosen = [use for use in uses if use["name"] in names]
        found = []
        rows = StoredRows(self._ledger, self._backend, evaluation_id)
        for group in seed_groups(rows, MOST_IN_GROUP) if chosen else ():
            seen = group.rows
            members = {name: seen[0][name] for name in GROUPS if name != "seed"}
            scores = self._of_group(plan, chosen, seen)
            found.append({**members, "n": group.n, "seeds": [row["seed"] for row in seen], "scores": scores})
        return found

    def _of_group(self, plan: Plan, chosen: Sequence[dict[str, Any]], seen: Sequence[Row]) -> list[dict[str, Any]]:
        """What scorers say of rows that differ in the seed alone. Their branches may be gone by now."""
        try:
            branches = [self._request(plan, row["prompt"], row["seed"], row["checkpoint"], self._steps(row))
                        for row in seen]  # fmt: skip
            return self._judge.scores({"scorers": chosen, "group": branches}, seconds=len(seen))
        except OUTAGES:
            raise
        except Exception as error:
            log.exception("a group of %d variants cannot be judged", len(seen))
            return [broken(use["name"], f"{type(error).__name__}: {error}") for use in chosen]

    def _steps(self, row: Row) -> list[str]:
        return self._ledger.nodes.path(row["head"])[: row["steps"]][::-1]
