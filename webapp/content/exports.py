"""Branches as files of other tools, made while the client waits; one export at a time."""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from arc_fabric.base.terms import ExportForm
from arc_fabric.errors import InvalidRequest
from arc_fabric.export.actions import columns, table_bytes
from arc_fabric.export.episode import Episode, episode_of
from arc_fabric.export.lerobot import write_lerobot
from arc_fabric.export.recording import write_rerun
from arc_fabric.extras import require
from arc_fabric.ledger import Ledger, NodeRecord
from webapp.content.pictures import Pictures
from webapp.http.files import CHUNK
from webapp.http.limits import Turns

SUFFIX = {"lerobot": "tar", "rerun": "rrd", "parquet": "parquet", "csv": "csv"}
MIMETYPE = {"lerobot": "application/x-tar", "rerun": "application/octet-stream",
            "parquet": "application/vnd.apache.parquet", "csv": "text/csv"}  # fmt: skip
_PACKAGES: Mapping[ExportForm, tuple[str, ...]] = {
    "lerobot": ("pyarrow",), "parquet": ("pyarrow",), "rerun": ("rerun",), "csv": ()}  # fmt: skip
MOST_FRAMES = 40_000
"""Of one export with pictures."""
MOST_BRANCHES, MOST_STEPS, MOST_ROWS = 1000, 200_000, 2_000_000
"""Of one export: its branches, their steps together, the actions of a table."""
_exporting = Turns("exports")


def branch(ledger: Ledger, pictures: Pictures, head: str, *, steps: int | None = None, **about: Any) -> Episode:
    """A branch that ends at `head`, from the root or its last `steps` steps. Raises InvalidRequest, NodeNotFound."""
    path = ledger.nodes.lineage(head)
    return episode_of(path, pictures.frames, name=about.pop("name", head), steps=steps, **about)


def check_count(branches: int, steps: int = 0) -> None:
    """Raise InvalidRequest for more than one export takes."""
    if branches > MOST_BRANCHES:
        raise InvalidRequest(
            f"There are {branches} branches; an export takes {MOST_BRANCHES}.", hint="Export single branches."
        )
    if steps > MOST_STEPS:
        raise InvalidRequest(
            f"The branches have {steps} steps together; an export takes {MOST_STEPS}.", hint="Export single branches."
        )


def branches_of_tree(ledger: Ledger, pictures: Pictures, tree_id: str) -> list[Episode]:
    """Every branch of a tree, from its root to each checkpoint that nothing follows. Raises InvalidRequest."""
    view = ledger.nodes.tree(tree_id)
    ends = [node.id for node in view.nodes if not node.children and node.parent is not None]
    if view.next is not None:
        raise InvalidRequest(f"The tree has more than {len(view.nodes)} checkpoints.", hint="Export single branches.")
    known = {node.id: node for node in view.nodes}
    check_count(len(ends), sum(known[end].frame_index for end in ends))
    return [episode_of(_up(known, end), pictures.frames, name=end) for end in ends]


def _up(known: Mapping[str, NodeRecord], end: str) -> list[NodeRecord]:
    """The nodes from the root to `end`."""
    path = [known[end]]
    while path[-1].parent is not None:
        path.append(known[path[-1].parent])
    return path[::-1]


def check(episodes: Sequence[Episode], form: ExportForm) -> None:
    """Raise what `make` would raise before it begins: InvalidRequest for too many frames, MissingExtra."""
    frames = sum(episode.length for episode in episodes)
    if form in ("lerobot", "rerun") and frames > MOST_FRAMES:
        raise InvalidRequest(
            f"These branches have {frames} frames; an export takes {MOST_FRAMES}.", hint="Export fewer at a time."
        )
    rows = sum(len(step.actions or ()) for episode in episodes for step in episode.steps)
    if form in ("csv", "parquet") and rows > MOST_ROWS:
        raise InvalidRequest(f"These branches have {rows} actions; a table takes {MOST_ROWS}.", hint="Export fewer.")
    for package in _PACKAGES[form]:
        require("export", package)


def make(
    episodes: Sequence[Episode], form: ExportForm, *, name: str, fps: float, action_names: Sequence[str], robot: str
) -> IO[bytes]:
    """The file, open at its start; it is gone once it is closed. Raises InvalidRequest, MissingExtra, RateLimited."""
    check(episodes, form)
    target: IO[bytes] = tempfile.TemporaryFile(prefix="arc-export-")  # noqa: SIM115 - who answers closes it
    try:
        with _exporting.turn(), tempfile.TemporaryDirectory(prefix="arc-export-") as place:
            _write(Path(place), target, episodes, form, name, fps, action_names, robot)
    except BaseException:
        target.close()
        raise
    target.seek(0)
    return target


def _write(
    place: Path, target: IO[bytes], episodes: Sequence[Episode], form: ExportForm, name: str, fps: float,
    action_names: Sequence[str], robot: str,
) -> None:  # fmt: skip
    if form == "lerobot":
        write_lerobot(place / name, episodes, fps=fps, action_names=action_names, robot=robot)
        with tarfile.open(fileobj=target, mode="w") as tar:
            tar.add(place / name, arcname=name)
    elif form == "rerun":
        path = write_rerun(place / f"{name}.rrd", episodes, fps=fps, action_names=action_names)
        target.write(path.read_bytes())
    else:
        target.write(table_bytes(columns(episodes, action_names), form))


def chunks(file: IO[bytes]) -> Iterator[bytes]:
    """The file's bytes; closes it."""
    with file:
        while data := file.read(CHUNK):
            yield data
