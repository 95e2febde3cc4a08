"""Tables as CSV (RFC 4180).

>>> to_csv({"name": ["a", "=1+1"], "score": [0.5, None]})
"name,score\\r\\na,0.5\\r\\n'=1+1,\\r\\n"
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any


def to_csv(columns: Mapping[str, Sequence[Any]]) -> str:
    """Columns by their names, one entry per row. A text that a spreadsheet would take for a formula gets an apostrophe
    in front."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows([_cell(value) for value in line] for line in zip(*columns.values(), strict=True))
    return out.getvalue()


def csv_lines(columns: Sequence[str], lines: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """The same, a line at a time, of rows that have every one of the columns."""
    yield to_csv({name: [] for name in columns})
    for line in lines:
        out = io.StringIO()
        csv.writer(out).writerow([_cell(line[name]) for name in columns])
        yield out.getvalue()


def _cell(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value
