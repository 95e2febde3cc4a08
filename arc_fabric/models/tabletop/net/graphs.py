"""Parts of a step recorded once and run from then on without the interpreter.

A step is thousands of small operations; called one by one from Python they take half as long again, and let go of the
interpreter's lock and fetch it back each time, so that the threads beside the model (which store and show the last
step) hold it up. A recorded part (a traced TorchScript function) does the same operations in the same order, so its
bits are those of the plain calls (a test holds them against each other); nothing is fused or reordered. Recording a
whole block takes as long as some thirty calls (4.6 seconds of CPU on a busy machine) and some 200 MB, most of it for
the graph of 22,000 lines that the loops over noise levels unroll to; what it saves makes up for that after some 150
calls. So it is done at the sixtieth: whoever steps a few times does not wait for it. Batches are not recorded: they
spend less of their time in the interpreter, and have a graph for each number of rows.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

GROWING_AXIS = 2
"""The axis on which caches grow."""
PLAIN_CALLS = 60
"""Calls of a combination of shapes before it is recorded."""
KEPT = 8
"""Graphs that are kept per function, those used last: one takes tens of megabytes, each size of a batch has one."""


class Graph:
    """A function of tensors, and of tuples and lists of them, to a tensor or a tuple; its modules are frozen.

    Recorded for every combination of shapes that is called often, but that `caches`, the last input, may grow. Not on
    accelerators, where it would be fused, and not while gradients are asked for.
    """

    def __init__(
        self, function: Callable[..., Any], leaving: Callable[[], None] = lambda: None, *, recorded: bool = True
    ) -> None:
        """`leaving` is called right before the function runs, when the interpreter is not needed any more. Not
        `recorded`: the function is called as it is."""
        self._function = function
        self._leaving = leaving
        self._plain = not recorded
        self._recorded: dict[tuple[object, ...], Callable[..., Any]] = {}
        self._calls: Counter[tuple[object, ...]] = Counter()

    def __call__(self, *inputs: Any, caches: Sequence[Tensor] = ()) -> Any:
        """What the function returns for these inputs and, if there are any, the caches behind them."""
        every = (*inputs, list(caches)) if caches else inputs
        tensors = list(_flat(every))
        if self._plain or torch.is_grad_enabled() or any(tensor.device.type != "cpu" for tensor in tensors):
            self._leaving()
            return self._function(*every)
        fixed = tensors[: len(tensors) - len(caches)]
        key = tuple((tensor.dtype, tensor.shape) for tensor in fixed)
        key += tuple((cache.dtype, cache.shape[:GROWING_AXIS]) for cache in caches)
        run = self._run_for(key, every)
        if run is None:
            self._leaving()
            return self._function(*every)
        with torch.jit.optimized_execution(False):
            self._leaving()
            return run(*every)[0]

    def plain(self, *inputs: Any, caches: Sequence[Tensor] = ()) -> Any:
        """The same by a plain call, whatever is recorded."""
        self._leaving()
        return self._function(*inputs, list(caches)) if caches else self._function(*inputs)

    def _run_for(self, key: tuple[object, ...], inputs: tuple[Any, ...]) -> Callable[..., Any] | None:
        run = self._recorded.pop(key, None)
        if run is None:
            self._calls[key] += 1
            if self._calls[key] <= PLAIN_CALLS:
                return None
            run = _record(self._function, inputs)
        self._recorded[key] = run  # the last in order is the one used last
        for oldest in list(self._recorded)[:-KEPT]:
            self._recorded.pop(oldest, None)
        return run


def _record(function: Callable[..., Any], inputs: tuple[Any, ...]) -> Callable[..., Any]:
    # Not torch.jit.trace: what it records (400 MB for a model) belongs to the process and stays when the model is gone.
    # The inputs are returned as well: where a graph drops the last reference but Python's to a tensor that Python
    # holds, torch fetches the interpreter's lock (`TensorImpl::decref_pyobject`), forty times per block.
    def recorded(*parts: Any) -> tuple[Any, tuple[Tensor, ...]]:
        return function(*parts), tuple(_flat(parts))

    with warnings.catch_warnings():
        # Of constants made from numbers, and of shapes: both belong to what is recorded.
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        names = [f"part_{n}" for n in range(len(inputs))]
        graph, _ = torch._C._create_graph_by_tracing(
            recorded, inputs, torch.jit._trace._create_interpreter_name_lookup_fn(1), True, False, None, names
        )
    return torch._C._create_function_from_graph("recorded", graph)


def _flat(inputs: Iterable[Any]) -> Iterable[Tensor]:
    for value in inputs:
        if isinstance(value, Tensor):
            yield value
        else:
            yield from _flat(value)
