"""What the columns of a LeRobot dataset are, in its `info.json` and for Hugging Face's readers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

CAMERA = "observation.images.main"
COUNTERS = ("frame_index", "episode_index", "index", "task_index")


def features(
    size: tuple[int, int], fps: int, action_names: Sequence[str], state_names: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """`features` of info.json; `size` is height and width of the video."""
    height, width = size
    video = {
        "video.height": height, "video.width": width, "video.codec": "h264", "video.pix_fmt": "yuv420p",
        "video.is_depth_map": False, "video.fps": fps, "video.channels": 3, "has_audio": False,
    }  # fmt: skip
    found: dict[str, dict[str, Any]] = {
        CAMERA: {"dtype": "video", "shape": [height, width, 3], "names": ["height", "width", "channels"], "info": video}
    }
    for name, names in (("observation.state", state_names), ("action", action_names)):
        if names:
            found[name] = {"dtype": "float32", "shape": [len(names)], "names": list(names)}
    found["timestamp"] = {"dtype": "float32", "shape": [1], "names": None}
    return found | {name: {"dtype": "int64", "shape": [1], "names": None} for name in COUNTERS}


def hugging_face(known: dict[str, dict[str, Any]]) -> str:
    """The same for the schema of the data files, as `datasets` writes it."""

    def one(feature: dict[str, Any]) -> dict[str, Any]:
        value = {"dtype": feature["dtype"], "_type": "Value"}
        if feature["names"] is None:
            return value
        return {"feature": value, "length": feature["shape"][0], "_type": "List"}

    columns = {name: one(feature) for name, feature in known.items() if feature["dtype"] != "video"}
    return json.dumps({"info": {"features": columns}})
