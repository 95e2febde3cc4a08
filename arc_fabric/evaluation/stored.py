"""Results of evaluations: in Redis while they are new, in object storage for good.

`evaluations/<id>/rows-<n>.jsonl` holds rows as they were moved there, `groups.json` what was said of groups of them. A
part is written before its rows leave Redis; whoever dies between leaves rows in both, which is the same as in one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from arc_fabric.ledger import Ledger
from arc_fabric.store.backends import Backend

_GROUPS = "groups.json"


def folder(evaluation_id: str) -> str:
    """Where an evaluation's objects are."""
    return f"evaluations/{evaluation_id}/"


def read_rows(ledger: Ledger, backend: Backend, evaluation_id: str) -> list[dict[str, Any]]:
    """All results there are, by their variants' numbers."""
    held = ledger.evaluations.rows(evaluation_id)  # first: what moves meanwhile is then found in storage
    found: dict[int, dict[str, Any]] = {}
    for item in backend.list(folder(evaluation_id) + "rows-"):
        for line in backend.get(item.key).splitlines():
            row = json.loads(line)
            found[row["variant"]] = row
    found.update({number: json.loads(text) for number, text in held.items()})
    return [found[number] for number in sorted(found)]


def move_rows(ledger: Ledger, backend: Backend, evaluation_id: str) -> None:
    """Move what Redis holds to object storage."""
    held = ledger.evaluations.rows(evaluation_id)
    if not held:
        return
    part = sum(1 for _ in backend.list(folder(evaluation_id) + "rows-"))
    backend.put(f"{folder(evaluation_id)}rows-{part:06d}.jsonl", "\n".join(held.values()).encode())
    ledger.evaluations.drop_rows(evaluation_id, list(held))


def write_groups(backend: Backend, evaluation_id: str, groups: Sequence[Mapping[str, Any]]) -> None:
    """Store what scorers of groups said, once all rows are there."""
    backend.put(folder(evaluation_id) + _GROUPS, json.dumps(groups, allow_nan=False).encode())


def read_groups(backend: Backend, evaluation_id: str) -> list[dict[str, Any]]:
    """What scorers of groups said; nothing before the evaluation rests."""
    try:
        found: list[dict[str, Any]] = json.loads(backend.get(folder(evaluation_id) + _GROUPS))
    except KeyError:
        return []
    return found


def delete(ledger: Ledger, backend: Backend, evaluation_id: str) -> None:
    """Forget an evaluation: first its record, so that nobody reads half of it."""
    ledger.evaluations.delete(evaluation_id)
    for item in list(backend.list(folder(evaluation_id))):
        backend.delete(item.key)
