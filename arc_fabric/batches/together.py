"""Steps of several sessions at once.

>>> from arc_fabric import Session, StateManager
>>> from arc_fabric.batches.together import RowStep, step_together
>>> from arc_fabric.models.registry import load_model
>>> model = load_model("tabletop", "cpu")
>>> manager = StateManager(model)
>>> frame = next(iter(model.samples().values()))
>>> trunk = Session("trunk", model, manager, "pick up the red cup", frame)
>>> forks = [trunk.fork() for _ in range(3)]
>>> for seed, fork in enumerate(forks):
...     fork.seed = seed
>>> taken = step_together([RowStep(fork) for fork in forks])            # with the bits of each step alone
>>> [step.frame_index for step in taken]
[1, 1, 1]
>>> taken = step_together([RowStep(fork) for fork in forks], fast=True)  # one forward pass, equal to rounding
>>> taken[0].rows
3

Rows that stand at the same place of their window and are given the same kinds of input share a forward pass; others get
one of their own. A row that fails is an exception in its place, and its session stays where it was; the others go on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from arc_fabric.advance import Opening, arguments_of, collect, give_settings, open_call, require_finite
from arc_fabric.base.present import present
from arc_fabric.batches.heads import Head, joined
from arc_fabric.errors import InvalidRequest
from arc_fabric.manager import Attachments
from arc_fabric.models.contract import Abilities, WorldModel
from arc_fabric.session import Session
from arc_fabric.state import WorldStateSnapshot
from arc_fabric.steps.request import StepRequest
from arc_fabric.steps.result import StepResult


@dataclass(frozen=True, eq=False)
class RowStep:
    """A session and what its step is given, as of `Session.step`."""

    session: Session
    action: Any = None
    state: Any = None
    observed: np.ndarray | Sequence[np.ndarray] | None = None
    attachments: Callable[[np.ndarray], Attachments] | None = None

    def alone(self) -> StepResult | Exception:
        """The step by itself; what it raised is the answer."""
        try:
            return self.session.step(
                self.action, self.state, observed=self.observed, attachments=self.attachments
            )  # fmt: skip
        except Exception as error:  # noqa: BLE001 - a model may raise anything; it is this row's alone
            return error


def step_together(rows: Sequence[RowStep], *, fast: bool = False) -> list[StepResult | Exception]:
    """One step of each session, all of one manager, each session once; the answers in the order given.

    Exact (the default): the bits of each step are those of the step alone; rows share a forward pass only where the
    model promises that (`abilities.batch_bit_exact`). `fast`: one forward pass wherever the model can, equal to
    rounding; a row that is alone in it has the exact bits. Raises InvalidRequest where the model cannot batch at all
    and `fast` is asked for, and where sessions do not fit together.
    """
    if not rows:
        return []
    manager, abilities = rows[0].session.manager, rows[0].session.model.abilities
    _check(rows, abilities, fast)
    if len(rows) == 1 or not (fast or shares_exactly(abilities)):
        return [row.alone() for row in rows]
    answers: dict[int, StepResult | Exception] = {}
    groups: dict[tuple[object, ...], list[_Opened]] = {}
    for number, row in enumerate(rows):
        try:
            opened = _opened(number, row)
        except Exception as error:  # noqa: BLE001 - the others go on
            answers[number] = error
        else:
            groups.setdefault(opened.form(), []).append(opened)
    manager.set_resident(None)
    for group in groups.values():
        for number, answer in zip((one.number for one in group), _together(group, exact=not fast), strict=True):
            answers[number] = answer
    return [answers[number] for number in range(len(rows))]


def shares_exactly(abilities: Abilities) -> bool:
    """Whether rows of a model share a forward pass in exact mode, too."""
    return abilities.batches and abilities.batch_bit_exact


def _check(rows: Sequence[RowStep], abilities: Abilities, fast: bool) -> None:
    if fast and not abilities.batches:
        raise InvalidRequest("This model cannot step several sessions in one forward pass.", hint="Leave fast out.")
    if len({id(row.session.manager) for row in rows}) > 1:
        raise InvalidRequest("The sessions belong to different managers.", hint="Step those of each by themselves.")
    if len({id(row.session) for row in rows}) < len(rows):
        raise InvalidRequest("A session is there twice.", hint="It steps once per call.")


@dataclass(eq=False)
class _Opened:
    """A row whose call could begin now: the head that it begins from, and the call's arguments."""

    number: int
    row: RowStep
    before: WorldStateSnapshot
    request: StepRequest
    opening: Opening
    head: Head
    inputs: dict[str, Tensor]
    pending: Tensor | None

    def form(self) -> tuple[object, ...]:
        """What is equal in rows that can share a forward pass."""
        inputs = sorted((name, tuple(tensor.shape), str(tensor.dtype)) for name, tensor in self.inputs.items())
        pending = None if self.pending is None else tuple(self.pending.shape)
        return repr(inputs), pending, self.head.form(), tuple(self.request.settings.items())


@torch.no_grad()
def _opened(number: int, row: RowStep) -> _Opened:
    session = row.session
    request, before = session.request(row.action, row.state, row.observed), session.snapshot
    opening = open_call(session.manager, before, request)
    model = session.manager.windowed
    inputs, pending = arguments_of(model, before, request, opening)
    return _Opened(number, row, before, request, opening, Head.of(model), inputs, pending)


def _together(group: Sequence[_Opened], *, exact: bool) -> list[StepResult | Exception]:
    """One forward pass. Where it fails as a whole, each row is tried alone: the fault of one is not that of all."""
    started = time.perf_counter()
    if len(group) == 1:
        return [group[0].row.alone()]
    try:
        out, heads = _call(group, exact)
    except Exception:  # noqa: BLE001 - whoever it is meant for raises it again
        group[0].row.session.manager.clear()
        return [one.row.alone() for one in group]
    called = (time.perf_counter() - started) / len(group)
    return [_follow(one, out, heads.row(at), at, called, len(group)) for at, one in enumerate(group)]


@torch.no_grad()
def _call(group: Sequence[_Opened], exact: bool) -> tuple[dict[str, Tensor], Head]:
    manager = group[0].row.session.manager
    model = manager.windowed
    joined([one.head for one in group]).put(model)
    give_settings(model, group[0].request)
    inputs = {name: torch.cat([one.inputs[name] for one in group]) for name in group[0].inputs}
    pending = None if group[0].pending is None else torch.cat([present(one.pending) for one in group])
    with _exactness(model, exact), manager.keeping_seed():
        model.action_head.seed = [one.request.seed for one in group]
        out = model.lazy_joint_video_action_causal(inputs, pending)
    return {name: out[name] for name in ("video_pred", "action_pred")}, Head.of(model)


@torch.no_grad()
def _follow(
    one: _Opened, out: dict[str, Tensor], head: Head, at: int, called_s: float, rows: int
) -> StepResult | Exception:
    """What the pass made of one row, taken up by its session."""
    started, session = time.perf_counter(), one.row.session
    video, action = out["video_pred"][at : at + 1], out["action_pred"][at : at + 1]
    try:
        require_finite(video, action)
        head.put(session.manager.windowed)
        after = collect(session.manager, one.before, one.request, one.opening, video, action)
        session.manager.set_resident(after)
        session.follow(after, attachments=one.row.attachments)
    except Exception as error:  # noqa: BLE001 - the others go on
        session.manager.clear()
        return error
    return session.result(called_s + time.perf_counter() - started, rows)


@contextmanager
def _exactness(model: WorldModel, exact: bool) -> Iterator[None]:
    """Some models compute batches in either way (`exact_batches`, see the contract)."""
    if not hasattr(model, "exact_batches"):
        yield
        return
    before, model.exact_batches = model.exact_batches, exact
    try:
        yield
    finally:
        model.exact_batches = before
