"""A tree of checkpoints as nested JSON, as d3.hierarchy takes it: the same text from a tree in memory and over HTTP.

>>> below = {"a": ["b", "c"], "b": [], "c": []}
>>> nested_json("a", lambda node: {"id": node}, below.__getitem__)
'{"id":"a","children":[{"id":"b","children":[]},{"id":"c","children":[]}]}'
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any


def step_name(label: str | None, step: int) -> str:
    """What a node is called: its label, else its step."""
    return label or f"step {step}"


def nested_json(root: str, shown: Callable[[str], dict[str, Any]], children: Callable[[str], Sequence[str]]) -> str:
    """`{...what `shown` says of a node, "children": [the same of those below it]}`, from `root` down.

    Written with a stack of its own: a trunk may be deeper than Python recurses.
    """
    parts: list[str] = []
    todo: list[tuple[str, bool]] = [(root, True)]
    while todo:
        item, is_node = todo.pop()
        if not is_node:
            parts.append(item)
            continue
        parts.append(json.dumps(shown(item), separators=(",", ":"))[:-1] + ',"children":[')
        todo.append(("]}", False))
        for place, child in enumerate(reversed(children(item))):
            todo += [(",", False)] * bool(place) + [(child, True)]
    return "".join(parts)
