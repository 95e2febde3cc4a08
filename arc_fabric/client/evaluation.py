"""Evaluations from Python: accepted by the server, followed from here, whether or not this process lives on."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from arc_fabric import errors, records
from arc_fabric.base.files import write_whole
from arc_fabric.base.terms import CLIP_FORMS
from arc_fabric.client.exports import export
from arc_fabric.client.transport import Transport
from arc_fabric.client.views import View
from arc_fabric.evaluation.results import table
from arc_fabric.extras import extra

_PAUSE_S = 0.5
Row = dict[str, Any]


@dataclass
class EvaluationInfo(records.Evaluation, View):
    """An evaluation as the server last described it."""

    @property
    def over(self) -> bool:
        """Whether nothing more comes by itself."""
        return self.state != "running"


class RemoteEvaluation:
    """An evaluation on the server. `info` is what was last known; `refresh` asks again."""

    def __init__(self, transport: Transport, info: EvaluationInfo) -> None:
        self._transport, self.info = transport, info

    @property
    def id(self) -> str:
        """Its id."""
        return self.info.id

    def __repr__(self) -> str:
        return f"<evaluation {self.id} {self.info.state}, {self.info.done}/{self.info.total}>"

    def refresh(self) -> EvaluationInfo:
        """What is known of it now."""
        self.info = EvaluationInfo.of(self._ask("GET"))
        return self.info

    def wait(
        self, timeout: float | None = None, on_progress: Callable[[EvaluationInfo], None] | None = None
    ) -> EvaluationInfo:
        """Until it is over. Raises DeadlineExceeded after `timeout` seconds; the evaluation goes on."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self.refresh().over:
            if on_progress is not None:
                on_progress(self.info)
            if deadline is not None and time.monotonic() > deadline:
                raise errors.DeadlineExceeded(
                    f"{self.id} has {self.info.done} of {self.info.total} results after {timeout:g} s."
                )
            time.sleep(_PAUSE_S)
        if on_progress is not None:
            on_progress(self.info)
        return self.info

    def rows(self) -> list[Row]:
        """The results so far, by variant number (see docs/how-to/evaluate.md for the members)."""
        return list(self._transport.pages(f"/api/evaluations/{self.id}/rows", limit=1000))

    def as_completed(self) -> Iterator[Row]:
        """Each result as it comes, until the evaluation is over."""
        told: set[int] = set()
        while True:
            over = self.refresh().over  # before the rows: what came last is then among them
            if self.info.done > len(told):
                yield from self.rows_beyond(told)
            if over:
                return
            time.sleep(_PAUSE_S)

    def rows_beyond(self, told: set[int]) -> list[Row]:
        """The results so far of variants that are not in `told`, which has them from here on."""
        first = next(number for number in count() if number not in told)
        pages = self._transport.pages(
            f"/api/evaluations/{self.id}/rows", limit=1000, cursor=str(first - 1) if first else None
        )
        found = [row for row in pages if row["variant"] not in told]
        told |= {row["variant"] for row in found}
        return found

    def summary(self) -> dict[str, Any]:
        """Counts and rates with 95 % Wilson intervals, over all and by what differs; best and worst variant."""
        return self._ask("GET", "/summary")

    def cancel(self) -> EvaluationInfo:
        """Stop it: what is queued at once, what runs at its next step. Results stay."""
        self.info = EvaluationInfo.of(self._ask("POST", "/cancel"))
        return self.info

    def resume(self, *, retry_errors: bool = False) -> EvaluationInfo:
        """Go on with what is missing, and with `retry_errors` also with what ended in an error."""
        self.info = EvaluationInfo.of(self._ask("POST", "/resume", {"retry_errors": retry_errors}))
        return self.info

    def rescore(self, scorers: Sequence[str | Mapping[str, Any]], **more: Any) -> RemoteEvaluation:
        """Judge what it made with other scorers (names, or {name, options}), stepping nothing: a new evaluation with a
        row for each of its own. `more`: label, tags, priority, mark. Raises Conflict while it runs."""
        uses = [{"name": one} if isinstance(one, str) else dict(one) for one in scorers]
        answer = self._ask("POST", "/rescore", {"scorers": uses, **more})
        return RemoteEvaluation(self._transport, EvaluationInfo.of(answer["evaluation"]))

    def delete(self) -> None:
        """Forget it and its results; the checkpoints it made stay. Raises Conflict while it runs."""
        self._transport.send("DELETE", f"/api/evaluations/{self.id}")

    def compare(self, other: RemoteEvaluation | str) -> dict[str, Any]:
        """Paired by variant against another one (exact McNemar test)."""
        return self._ask("GET", f"/compare/{other if isinstance(other, str) else other.id}")

    def save_video(self, variant: int, path: str | Path) -> Path:
        """What one variant made, from where it was forked to its end, as .mp4, .gif or .webp."""
        target = Path(path)
        url = f"/api/evaluations/{self.id}/variants/{variant}/video"
        return write_whole(target, self._transport.bytes(url, format=_form(target), wait=60))

    def save_grid(
        self, path: str | Path, *, most: int = 36, columns: int | None = None, width: int | None = None
    ) -> Path:
        """Its variants side by side in one video, .mp4, .gif or .webp: a line per combination, a column per seed."""
        target = Path(path)
        query = {"most": most, "columns": columns, "width": width, "format": _form(target)}
        return write_whole(target, self._transport.bytes(f"/api/evaluations/{self.id}/grid", **query))

    def save(self, path: str | Path, *, videos: int = 24) -> Path:
        """Write the results where `path` says: .html the report, .jsonl, .csv, .parquet (needs pyarrow) the rows.
        Raises InvalidRequest for another ending."""
        target = Path(path)
        base = f"/api/evaluations/{self.id}"
        if target.suffix == ".html":
            data = self._transport.bytes(f"{base}/report", videos=videos)
        elif target.suffix in (".jsonl", ".csv"):
            data = self._transport.bytes(f"{base}/results", format=target.suffix[1:])
        elif target.suffix == ".parquet":
            data = _parquet(self.rows())
        else:
            raise errors.InvalidRequest(f"{target.name}: expected a name in .html, .jsonl, .csv or .parquet.")
        return write_whole(target, data)

    def export(self, target: str | Path, form: str | None = None) -> Path:
        """What its variants made as a LeRobot dataset (a new folder), a Rerun recording (.rrd), or a table of actions
        and scores (.parquet, .csv)."""
        return export(self._transport, f"evaluations/{self.id}", target, form)

    def _ask(self, method: str, path: str = "", body: Any = None) -> dict[str, Any]:
        url = f"/api/evaluations/{self.id}{path}"
        found: dict[str, Any] = self._transport.json(method, url, body=body)
        return found


def _form(target: Path) -> str:
    form = target.suffix[1:]
    if form not in CLIP_FORMS:
        raise errors.InvalidRequest(f"{target.name}: expected a name in {', '.join('.' + one for one in CLIP_FORMS)}.")
    return form


def _parquet(rows: list[Row]) -> bytes:
    with extra("export", instead="save as .csv"):
        import pyarrow
        import pyarrow.parquet
    out = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(table(rows)), out)
    return out.getvalue()
