"""Results of evaluations: in Redis while they are new, in object storage for good.

`evaluations/<id>/rows-<n>-<first>-<last>-<token>.jsonl` holds rows as they were moved there, of variants between these
two (an older one has no such bounds in its name), `groups.json` what was said of groups of them. A part is written
before its rows leave Redis; whoever dies between leaves rows in both, which is the same as in one. Two that move rows
at once overwrite nothing of each other: by the token, and because only what was stored leaves Redis.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from arc_fabric.ledger import Ledger
from arc_fabric.store.backends import Backend

PAGE = 1000
"""Results that are read at once."""
_GROUPS = "groups.json"
_PART = re.compile(r"rows-(\d+)(?:-(\d+)-(\d+)(?:-[0-9a-f]{8})?)?\.jsonl$")


class _Part(NamedTuple):
    """Rows that were moved together: of variants `first` to `last`; a row of a greater `number` is the newer one."""

    first: int
    last: float
    number: int
    key: str


def folder(evaluation_id: str) -> str:
    """Where an evaluation's objects are."""
    return f"evaluations/{evaluation_id}/"


def read_rows(
    ledger: Ledger, backend: Backend, evaluation_id: str, *, after: int = -1, most: int | None = None
) -> list[dict[str, Any]]:
    """Results by their variants' numbers, those after number `after`, `most` at most; of storage only what these need
    is read."""
    held = ledger.evaluations.rows(evaluation_id)  # first: what moves meanwhile is then found in storage
    found = {number: (math.inf, json.loads(text)) for number, text in held.items() if number > after}
    for part in sorted(_parts(backend, evaluation_id)):
        if part.last <= after:
            continue
        if most is not None and sum(number < part.first for number in found) >= most:
            break
        for row in map(json.loads, backend.get(part.key).splitlines()):
            number = row["variant"]
            if number > after and (number not in found or found[number][0] < part.number):
                found[number] = part.number, row
    return [found[number][1] for number in sorted(found)[:most]]


class StoredRows:
    """All results of an evaluation by their variants' numbers, read anew and a page at a time whenever one goes over
    them: as many as there are take no more memory than a few pages."""

    def __init__(self, ledger: Ledger, backend: Backend, evaluation_id: str, page: int = PAGE) -> None:
        self._where, self._page = (ledger, backend, evaluation_id), page

    def __iter__(self) -> Iterator[dict[str, Any]]:
        after = -1
        while found := read_rows(*self._where, after=after, most=self._page):
            after = found[-1]["variant"]
            yield from found


@dataclass(frozen=True)
class StoredPage:
    """Results of variants that follow each other, by number."""

    rows: Mapping[int, dict[str, Any]]
    first: int
    last: float
    """Up to here every variant that has a result is in it."""

    @classmethod
    def of(cls, ledger: Ledger, backend: Backend, evaluation_id: str, number: int, most: int = PAGE) -> StoredPage:
        """The one that begins with this variant's."""
        rows = read_rows(ledger, backend, evaluation_id, after=number - 1, most=most)
        last = rows[-1]["variant"] if len(rows) == most else math.inf
        return cls({row["variant"]: row for row in rows}, number, last)

    def covers(self, number: int) -> bool:
        """Whether a result of this variant would be in it."""
        return self.first <= number <= self.last


def _parts(backend: Backend, evaluation_id: str) -> list[_Part]:
    found = []
    for item in backend.list(folder(evaluation_id) + "rows-"):
        name = _PART.search(item.key)
        if name is not None:
            number, first, last = name.groups()
            found.append(_Part(int(first or 0), math.inf if last is None else int(last), int(number), item.key))
    return found


def move_rows(ledger: Ledger, backend: Backend, evaluation_id: str) -> None:
    """Move what Redis holds to object storage."""
    held = ledger.evaluations.rows(evaluation_id)
    if not held:
        return
    name = f"rows-{len(_parts(backend, evaluation_id)):06d}-{min(held)}-{max(held)}-{os.urandom(4).hex()}.jsonl"
    backend.put(folder(evaluation_id) + name, "\n".join(held.values()).encode())
    ledger.evaluations.drop_rows(evaluation_id, held)


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
