"""Steps and video frames, on the cases that the page's rule is tested on too."""

from __future__ import annotations

import json
from pathlib import Path

from arc_fabric.base.frames import first_frame_of, frame_count, place_in_step, step_of
from arc_fabric.records import Node

CASES = json.loads((Path(__file__).resolve().parents[1] / "data" / "frame_cases.json").read_text())


def test_worlds_have_as_many_frames_as_the_page_counts() -> None:
    """By steps, and as a node at the end tells it."""
    for case in CASES["worlds"]:
        steps, per_step = case["steps"], case["per_step"]
        assert frame_count(steps, per_step) == case["frames"] == case["last_frame"] + 1
        node = Node("ckp", frame_index=steps, n_frames=per_step if steps else 1)
        assert node.frames_to_end == case["frames"]


def test_a_frame_lies_in_the_step_where_the_page_looks_for_it() -> None:
    """And a step's first frame is the one in place 0."""
    for case in CASES["frames"]:
        frame, per_step = case["frame"], case["per_step"]
        assert (step_of(frame, per_step), place_in_step(frame, per_step)) == (case["step"], case["place"])
        assert first_frame_of(case["step"], per_step) == frame - case["place"]
