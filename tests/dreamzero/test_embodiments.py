"""Checkpoints of other robots: whose keys and widths they have. Runs everywhere, on stand-ins."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from arc_fabric.errors import ModelUnavailable
from arc_fabric.models.dreamzero.policy import DROID, PolicyTransforms, embodiment_of, tag_of

AGIBOT_STATE = {"left_arm_joint_position": 7, "right_arm_joint_position": 7, "left_effector_position": 1,
                "right_effector_position": 1, "head_position": 2, "waist_position": 2}  # fmt: skip
AGIBOT_CAMERAS = ("top_head", "hand_left", "hand_right")
JOINTS = {"gripper_position": 1, "joint_position": 7}
"""In another order than that of the transforms."""


def metadata() -> dict[str, Any]:
    """As metadata.json has it for two robots."""

    def numbers(widths: dict[str, int]) -> dict[str, Any]:
        return {name: {"shape": [width]} for name, width in widths.items()}

    def robot(widths: dict[str, int]) -> dict[str, Any]:
        return {"modalities": {"video": {}, "state": numbers(widths), "action": numbers(widths)}}

    return {"oxe_droid": robot(JOINTS), "agibot": robot(AGIBOT_STATE)}


def policy(cameras: tuple[str, ...], names: tuple[str, ...]) -> Any:
    """A policy whose transforms end with a ConcatTransform."""
    concat = SimpleNamespace(
        video_concat_order=[f"video.{name}" for name in cameras],
        state_concat_order=[f"state.{name}" for name in names],
        action_concat_order=[f"action.{name}" for name in names],
    )
    return SimpleNamespace(eval_transform=SimpleNamespace(transforms=[SimpleNamespace(), concat]))


def test_droids_keys_are_what_they_were() -> None:
    """Its states and actions keep their places."""
    cameras = ("exterior_image_1_left", "exterior_image_2_left", "wrist_image_left")
    found = embodiment_of("oxe_droid", policy(cameras, ("joint_position", "gripper_position")), metadata())
    assert found == DROID


def test_another_robot_has_its_own_keys() -> None:
    """AgiBot: three cameras of other names, twenty numbers, and the flat state cut into its parts."""
    robot = policy(AGIBOT_CAMERAS, tuple(AGIBOT_STATE))
    found = embodiment_of("agibot", robot, metadata())
    assert found.video_keys == ("video.top_head", "video.hand_left", "video.hand_right")
    transforms = PolicyTransforms(robot, None, (180, 320), found)
    assert (transforms.cameras, transforms.state_dim, transforms.action_dim) == (3, 20, 20)
    assert transforms.action_names[14] == "left_effector_position_0"
    parts = transforms._split(np.arange(20))
    assert {name: part.ravel().tolist() for name, part in parts.items()}["state.waist_position"] == [18, 19]


def test_whose_statistics_are_used() -> None:
    """The one that is named, DROID's, or those of the only robot; another name is refused with those that there are."""
    two = metadata()
    assert tag_of(two) == "oxe_droid" and tag_of(two, "agibot") == "agibot"
    assert tag_of({"agibot": two["agibot"]}) == "agibot"
    with pytest.raises(ModelUnavailable, match="agibot, oxe_droid") as refused:
        tag_of(two, "yam")
    assert "#<robot>" in refused.value.what_to_do
    with pytest.raises(ModelUnavailable, match="oxe_droid"):
        tag_of({"agibot": {}, "yam": {}})
