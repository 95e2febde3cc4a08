"""The ranks of one model: orders from rank 0, answers to it, and the process group that the shards compute with."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import torch.distributed as dist
from torch import Tensor

from arc_fabric.errors import ArcFabricError, ModelError, ModelUnavailable
from arc_fabric.ranks.wire import Message, receive, send

log = logging.getLogger(__name__)
_WAITS = timedelta(days=365)
"""A rank waits for orders as long as rank 0 lives; that it is gone shows at once."""
_CLOSED = ("closed by peer", "reset by peer", "broken pipe", "timed out")
Tensors = Mapping[str, Tensor]
Share = tuple[Mapping[str, Any], Tensors]
"""What one rank is told."""
_NOTHING: Share = ({}, {})


class Group:
    """One process's place among the ranks. torch.distributed's default group must be there, of these ranks alone."""

    def __init__(self, backend: str = "gloo", timeout_s: float = 600.0) -> None:
        """`backend` of the group that the shards compute with; `timeout_s`: how long one of its calls may wait."""
        self.rank, self.size = dist.get_rank(), dist.get_world_size()
        self.lost = ""
        """Why the ranks cannot go on; empty: they can."""
        self._backend, self._timeout = backend, timedelta(seconds=timeout_s)
        self._orders: dist.ProcessGroup = dist.new_group(backend="gloo", timeout=_WAITS)
        self._made: dist.ProcessGroup | None = None
        self.renew()

    @property
    def group(self) -> dist.ProcessGroup:
        """What the shards compute with. Another one after a failure: ask for it in every call, keep it nowhere."""
        if self._made is None:
            raise ModelError("The ranks have broken off: a step failed on one of them.")
        return self._made

    @property
    def others(self) -> range:
        """All ranks but 0."""
        return range(1, self.size)

    def break_off(self) -> None:
        """Close the group, so that nobody waits in it for a rank that failed."""
        if self._made is not None:
            dist.destroy_process_group(self._made)
            self._made = None
            gc.collect()  # the connections close with the last reference, which a traceback may hold

    def renew(self) -> None:
        """A fresh group. Every rank calls it at the same time."""
        self.break_off()
        self._made = dist.new_group(backend=self._backend, timeout=self._timeout)

    def ask(self, order: str, own: Callable[[], Any], tell: Sequence[Share] | None = None) -> tuple[Any, list[Message]]:
        """On rank 0: have every rank do something at the same time, rank 0 by `own`; its result, and the answers of the
        others. `tell` has what each of those is told. Raises what `own` raised, ModelError where another rank failed,
        and ModelUnavailable where one is gone; the ranks can go on after the first two."""
        if self.lost:
            raise ModelUnavailable(self.lost, hint="Start the model anew: its checkpoints stand.")
        mine: BaseException | None = None
        result: Any = None
        try:
            for rank, (body, tensors) in zip(self.others, tell or [_NOTHING] * len(self.others), strict=True):
                send(self._orders, rank, {"order": order, **body}, tensors)
            try:
                result = own()
            except BaseException as error:
                log.info("rank 0 failed in %s", order, exc_info=error)
                mine = error.with_traceback(None)  # it may hold the group
                self.break_off()
            answers = [receive(self._orders, rank) for rank in self.others]
            failed = {rank: a[0]["error"] for rank, a in zip(self.others, answers, strict=True) if "error" in a[0]}
            if mine is not None or failed:
                self._agree()
        except BaseException as error:  # an answer may be on its way that nobody will read
            self.lost = f"A rank of the model is gone: {_short(error)}"
            self.break_off()
            if not isinstance(error, RuntimeError):
                raise
            raise ModelUnavailable(self.lost, hint="Start the model anew: its checkpoints stand.") from error
        if mine is not None or failed:
            raise _error_of(order, mine, failed)
        return result, answers

    def _agree(self) -> None:
        for rank in self.others:
            send(self._orders, rank, {"order": "renew"}, {})
        self.renew()

    def end(self) -> None:
        """On rank 0: let the others go."""
        for rank in () if self.lost else self.others:
            try:
                send(self._orders, rank, {"order": "end"}, {})
            except RuntimeError:
                continue
        self.lost = self.lost or "The model was closed."

    def next(self) -> Message:
        """On another rank: the next order. Raises RuntimeError where rank 0 is gone."""
        return receive(self._orders, 0)

    def answer(self, body: Mapping[str, Any], tensors: Tensors) -> None:
        """On another rank: what was done."""
        send(self._orders, 0, body, tensors)


def said_of(error: BaseException) -> str:
    """An error as it is told to rank 0."""
    return error.message if isinstance(error, ArcFabricError) else f"{type(error).__name__}: {_short(error)}"


def _error_of(order: str, mine: BaseException | None, failed: Mapping[int, str]) -> BaseException:
    """The cause, not what followed from it: ranks that waited for the one that failed say that it was gone."""
    causes = {rank: said for rank, said in failed.items() if not _follows(said)}
    if mine is not None and not (causes and _follows(said_of(mine))):
        return mine
    rank, said = next(iter((causes or failed).items()))
    made = ModelError(
        f"Rank {rank} failed in {order!r}: {said}",
        hint="Nothing of it was kept; the state before is restored on all ranks.", rank=rank,
    )  # fmt: skip
    made.__cause__ = mine
    return made


def _follows(said: str) -> bool:
    return any(words in said.lower() for words in _CLOSED) or "have broken off" in said


def _short(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0][:300]
