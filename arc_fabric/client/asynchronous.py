"""Evaluations from asyncio: many at once in one program, each awaited.

>>> async with AsyncArcFabric() as fabric:                                              # doctest: +SKIP
...     evaluation = await fabric.evaluate(checkpoints=[head], seeds="0-31", steps=8)
...     async for row in evaluation.as_completed():
...         print(row["seed"], row["verdict"])

Requests run in threads: the client below is the same, and an event loop never waits for one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from arc_fabric.client.evaluation import EvaluationInfo, RemoteEvaluation, Row
from arc_fabric.client.fabric import ArcFabric
from arc_fabric.evaluation.plan import Plan

_PAUSE_S = 0.5


class AsyncEvaluation:
    """A `RemoteEvaluation` (`evaluation`) whose waiting is awaited."""

    def __init__(self, evaluation: RemoteEvaluation) -> None:
        self.evaluation = evaluation

    @property
    def id(self) -> str:
        """Its id."""
        return self.evaluation.id

    @property
    def info(self) -> EvaluationInfo:
        """What was last known of it."""
        return self.evaluation.info

    async def as_completed(self) -> AsyncIterator[Row]:
        """Each result as it comes, until the evaluation is over."""
        told: set[int] = set()
        while True:
            over = (await asyncio.to_thread(self.evaluation.refresh)).over  # before the rows: the last is then there
            if self.info.done > len(told):
                for row in await asyncio.to_thread(self.evaluation.rows_beyond, told):
                    yield row
            if over:
                return
            await asyncio.sleep(_PAUSE_S)

    async def wait(self) -> EvaluationInfo:
        """Until it is over."""
        while not (await asyncio.to_thread(self.evaluation.refresh)).over:
            await asyncio.sleep(_PAUSE_S)
        return self.info

    async def rows(self) -> list[Row]:
        """The results so far, by variant number."""
        return await asyncio.to_thread(self.evaluation.rows)

    async def summary(self) -> dict[str, Any]:
        """Counts and rates with their intervals."""
        return await asyncio.to_thread(self.evaluation.summary)

    async def cancel(self) -> EvaluationInfo:
        """Stop it; results stay."""
        return await asyncio.to_thread(self.evaluation.cancel)

    async def save(self, path: str | Path, *, videos: int = 24) -> Path:
        """Write report or results, as `RemoteEvaluation.save`."""
        return await asyncio.to_thread(self.evaluation.save, path, videos=videos)


class AsyncArcFabric:
    """A server, for asyncio. `fabric` is the client below, for everything else."""

    def __init__(self, url: str = "http://127.0.0.1:8321", token: str | None = None) -> None:
        self.fabric = ArcFabric(url, token)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.fabric.close)

    async def evaluate(
        self, plan: Plan | Mapping[str, Any] | str | Path | None = None, **values: Any
    ) -> AsyncEvaluation:
        """Have variants tried and judged, as `ArcFabric.evaluate`."""
        return AsyncEvaluation(await asyncio.to_thread(lambda: self.fabric.evaluate(plan, **values)))

    async def evaluation(self, evaluation_id: str) -> AsyncEvaluation:
        """An evaluation by its id."""
        return AsyncEvaluation(await asyncio.to_thread(self.fabric.evaluation, evaluation_id))
