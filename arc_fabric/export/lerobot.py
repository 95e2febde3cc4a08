"""A LeRobot dataset v3.0: data and episodes as Parquet, one video for many episodes, statistics.

Where the format is described: https://github.com/huggingface/lerobot, `docs/source/lerobot-dataset-v3.mdx`. A row is a
video frame with the action that leads to the next one; the last frame of a branch has none and is no row.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from arc_fabric.errors import Conflict, InvalidRequest
from arc_fabric.export.episode import Episode
from arc_fabric.export.features import CAMERA, features, hugging_face
from arc_fabric.export.measures import MOST_PICTURES, Stats, combined, of_pictures, of_rows, plain
from arc_fabric.extras import extra
from arc_fabric.media.video import Mp4File

VERSION = "v3.0"
CHUNK = 1000
"""Files in a folder."""
DATA_MB, VIDEO_MB = 100, 200
"""After which the next episode begins a new file."""
EPISODES_PER_FILE = 5000
GOP = 2
"""Readers jump to any frame."""
_DATA = "data/chunk-{chunk:03d}/file-{file:03d}.parquet"
_VIDEO = "videos/" + CAMERA + "/chunk-{chunk:03d}/file-{file:03d}.mp4"
_EPISODES = "meta/episodes/chunk-{chunk:03d}/file-{file:03d}.parquet"


def write_lerobot(
    folder: Path, episodes: Iterable[Episode], *, fps: float, action_names: Sequence[str] = (), robot: str = "unknown"
) -> dict[str, Any]:
    """Write a dataset to a folder that is not there yet; its info.json. All of it, or where something is wrong nothing.

    Raises InvalidRequest (episodes that do not go together, frames per second that are no whole number), Conflict,
    MissingExtra.
    """
    if abs(fps - round(fps)) > 1e-6:
        raise InvalidRequest(f"LeRobot's frames per second are a whole number, not {fps:g}.")
    if folder.exists():
        raise Conflict(f"{folder} is there already.", hint="Name a new folder.")
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        with extra("export"):
            info = _Dataset(part, round(fps), list(action_names), robot).write(episodes)
        part.replace(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return info


class _Dataset:
    """One dataset in the making."""

    def __init__(self, folder: Path, fps: int, action_names: list[str], robot: str) -> None:
        self._folder, self._fps, self._names, self._robot = folder, fps, action_names, robot
        self._tasks: dict[str, int] = {}
        self._rows: list[dict[str, Any]] = []
        """Of meta/episodes."""
        self._stats: list[dict[str, Stats]] = []
        self._facts: list[dict[str, Any]] = []
        self._total = 0
        self._data: list[Any] = []
        """Tables that are not written yet."""
        self._data_file = self._video_file = 0
        self._video: Mp4File | None = None
        self._size: tuple[int, int] | None = None
        self._state_dim: int | None = None

    def write(self, episodes: Iterable[Episode]) -> dict[str, Any]:
        try:
            for episode in episodes:
                self._add(episode)
        finally:
            if self._video is not None:
                self._video.close()
        if not self._rows:
            raise InvalidRequest("There is no episode to export.")
        self._flush_data()
        self._write_meta()
        return self._write_info()

    def _add(self, episode: Episode) -> None:
        columns = self._columns(episode)
        number, length = len(self._rows), episode.length
        start, pictures = self._film(episode)
        stats = {CAMERA: of_pictures(pictures)} | {name: of_rows(values) for name, values in columns.items()}
        at, video = divmod(self._data_file, CHUNK), divmod(self._video_file, CHUNK)
        self._rows.append({
            "episode_index": number, "tasks": [episode.task], "length": length,
            "data/chunk_index": at[0], "data/file_index": at[1],
            "dataset_from_index": self._total, "dataset_to_index": self._total + length,
            f"videos/{CAMERA}/chunk_index": video[0], f"videos/{CAMERA}/file_index": video[1],
            f"videos/{CAMERA}/from_timestamp": start / self._fps,
            f"videos/{CAMERA}/to_timestamp": (start + length) / self._fps,
        })  # fmt: skip
        self._stats.append(stats)
        self._facts.append(episode.facts())
        self._total += length
        self._keep(columns)

    def _columns(self, episode: Episode) -> dict[str, np.ndarray]:
        """What the data files hold of an episode, by name. Raises InvalidRequest where it differs from the others."""
        actions, states, length = episode.actions(), episode.states(), episode.length
        dim = 0 if states is None else states.shape[1]
        if not self._names:
            self._names = [f"action_{n}" for n in range(actions.shape[1])]
        if self._state_dim is None:
            self._state_dim = dim
        if (actions.shape[1], dim) != (len(self._names), self._state_dim):
            raise InvalidRequest(
                f"{episode.name} has actions of {actions.shape[1]} and states of {dim} numbers, the others "
                f"{len(self._names)} and {self._state_dim}.", hint="Export branches of one model and robot.",
            )  # fmt: skip
        steps = np.arange(length, dtype=np.int64)
        task = self._tasks.setdefault(episode.task, len(self._tasks))
        found = {} if states is None else {"observation.state": states}
        return found | {
            "action": actions, "timestamp": (steps / self._fps).astype(np.float32), "frame_index": steps,
            "episode_index": np.full(length, len(self._rows), np.int64), "index": self._total + steps,
            "task_index": np.full(length, task, np.int64),
        }  # fmt: skip

    def _film(self, episode: Episode) -> tuple[int, list[np.ndarray]]:
        """Append an episode's frames to the video; at which frame of it they begin, and those the statistics see."""
        if self._video is not None and self._video.size() > VIDEO_MB << 20:
            self._video.close()
            self._video, self._video_file = None, self._video_file + 1
        every, seen = max(1, -(-episode.length // MOST_PICTURES)), []
        start = 0 if self._video is None else self._video.count
        for number, frame in enumerate(episode.frames()):
            even = np.pad(frame, ((0, frame.shape[0] % 2), (0, frame.shape[1] % 2), (0, 0)), mode="edge")
            size = (even.shape[0], even.shape[1])
            if self._size not in (None, size):
                raise InvalidRequest(f"{episode.name} has frames of {size}, the others of {self._size}.")
            if self._video is None:
                self._size = size
                self._video = Mp4File(self._path(_VIDEO, self._video_file), size, fps=self._fps, gop=GOP)
            self._video.add(even)
            if number % every == 0:
                seen.append(even)
        return start, seen

    def _keep(self, columns: dict[str, np.ndarray]) -> None:
        import pyarrow as pa

        def column(values: np.ndarray) -> Any:
            if values.ndim == 1:
                return pa.array(values)
            return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.shape[1])

        self._data.append(pa.table({name: column(values) for name, values in columns.items()}))
        if sum(table.nbytes for table in self._data) > DATA_MB << 20:
            self._flush_data()
            self._data_file += 1

    def _flush_data(self) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        if self._data:
            known = hugging_face(self._features())
            table = pa.concat_tables(self._data).replace_schema_metadata({"huggingface": known})
            pq.write_table(table, self._path(_DATA, self._data_file))
            self._data.clear()

    def _features(self) -> dict[str, dict[str, Any]]:
        assert self._size is not None
        return features(self._size, self._fps, self._names, [f"state_{n}" for n in range(self._state_dim or 0)])

    def _write_meta(self) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        for file, first in enumerate(range(0, len(self._rows), EPISODES_PER_FILE)):
            chosen = slice(first, first + EPISODES_PER_FILE)
            chunk, place = divmod(file, CHUNK)
            rows = [
                row
                | {f"stats/{n}/{m}": v for n, stats in of.items() for m, v in plain(stats).items()}
                | {"meta/episodes/chunk_index": chunk, "meta/episodes/file_index": place}
                for row, of in zip(self._rows[chosen], self._stats[chosen], strict=True)
            ]
            pq.write_table(pa.Table.from_pylist(rows), self._path(_EPISODES, file))
        tasks = pa.table({
            "task_index": pa.array(range(len(self._tasks)), pa.int64()),
            "__index_level_0__": pa.array(list(self._tasks), pa.large_string()),
        })  # fmt: skip
        pq.write_table(tasks.replace_schema_metadata({"pandas": _pandas()}), self._folder / "meta" / "tasks.parquet")

    def _write_info(self) -> dict[str, Any]:
        meta = self._folder / "meta"
        everything = {name: plain(combined([of[name] for of in self._stats])) for name in self._stats[0]}
        info = {
            "codebase_version": VERSION, "robot_type": self._robot, "total_episodes": len(self._rows),
            "total_frames": self._total, "total_tasks": len(self._tasks), "chunks_size": CHUNK,
            "data_files_size_in_mb": DATA_MB, "video_files_size_in_mb": VIDEO_MB, "fps": self._fps,
            "splits": {"train": f"0:{len(self._rows)}"},
            "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
            "video_path": "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4",
            "features": self._features(),
        }  # fmt: skip
        (meta / "info.json").write_text(json.dumps(info, indent=4))
        (meta / "stats.json").write_text(json.dumps(everything, indent=4))
        (meta / "arc_fabric.json").write_text(json.dumps({"episodes": self._facts}, indent=1))
        return info

    def _path(self, form: str, file: int) -> Path:
        chunk, place = divmod(file, CHUNK)
        path = self._folder / form.format(chunk=chunk, file=place)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


def _pandas() -> str:
    """That the tasks' texts are the index, as pandas writes and reads it."""
    index = "__index_level_0__"
    text = {"pandas_type": "unicode", "numpy_type": "object"}
    number = {"name": "task_index", "field_name": "task_index", "pandas_type": "int64", "numpy_type": "int64"}
    return json.dumps({
        "index_columns": [index],
        "column_indexes": [{"name": None, "field_name": None, **text, "metadata": {"encoding": "UTF-8"}}],
        "columns": [{**number, "metadata": None}, {"name": None, "field_name": index, **text, "metadata": None}],
        "attributes": {}, "creator": {"library": "pyarrow", "version": "22"}, "pandas_version": "2.2.0",
    })  # fmt: skip
