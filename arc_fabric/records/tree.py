"""What is known of a tree."""

from __future__ import annotations

from dataclasses import dataclass

from arc_fabric.records.record import Record, member
from arc_fabric.records.types import CheckpointId, Epoch, Prompt


@dataclass
class Tree(Record):
    """All that grew from one root."""

    id: CheckpointId = member("The tree, named by its root.")
    nodes: int = member("Checkpoints in it.", 0, example=42)
    sessions: int = member("Sessions that grew in it.", 0, example=3)
    prompt: Prompt = member("The prompt of its root.", "")
    labels: list[str] = member("Labels of its sessions, some of them.", make=list, example=["grasp from the left"])
    tags: list[str] = member(
        "Tags of its checkpoints, some of them; while it does not rest, those of its root.", make=list, example=["slip"]
    )
    created: Epoch = member("Epoch seconds, UTC.", 0.0)
    updated: Epoch = member("When something last changed in it; epoch seconds, UTC.", 0.0)
    resting: bool = member(
        "It lies in object storage since nobody touched it for `rest_after_s`, and comes back when it is needed.", False
    )
