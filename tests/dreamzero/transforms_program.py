"""PolicyTransforms on DreamZero's own DROID transforms and policy methods, with made-up statistics, a tiny tokenizer.

A program of its own, because the toy models replace torchvision, which is needed here. Run by test_transforms.py:
`python -m tests.dreamzero.transforms_program <empty folder>`. Exits 77 where one of NEEDED is missing.
"""

from __future__ import annotations

import importlib
import os
import sys
import types
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import torch

SOURCE = Path(os.environ["ARC_FABRIC_DREAMZERO_SRC"])
sys.path.insert(0, str(SOURCE))
NEEDED = ("torchvision", "cv2", "ftfy")
NAMES = {"joint_position": 7, "gripper_position": 1}
STATE = np.linspace(-1, 1, 8)


def stand_in() -> None:
    """For what these transforms do not use: augmentations, tianshou's trainer, torchvision's compiled operators."""
    sys.modules["torchvision._meta_registrations"] = types.ModuleType("torchvision._meta_registrations")
    try:
        for name in NEEDED:
            importlib.import_module(name)
    except ImportError:
        sys.exit(77)
    policy = types.ModuleType("tianshou.policy")
    policy.BasePolicy = torch.nn.Module
    sys.modules.setdefault("albumentations", MagicMock())
    sys.modules.setdefault("tianshou.policy", policy)


def make_tokenizer(folder: Path) -> None:
    """A word-level tokenizer that AutoTokenizer can load."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = ["<pad>", "<unk>", "a", "robot", "pick", "up", "the", "red", "cup", "push", "to", "left"]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>").save_pretrained(folder)


def make_policy(folder: Path) -> tuple[Any, Any]:
    """A policy without a model: the evaluation transform, GrootSimPolicy's apply and unapply; and Batch."""
    from groot.vla.data.schema import DatasetMetadata
    from groot.vla.model.n1_5.sim_policy import GrootSimPolicy
    from hydra.utils import instantiate
    from omegaconf import OmegaConf
    from tianshou.data import Batch

    configs = SOURCE / "groot/vla/configs"
    files = ["model/dreamzero/transform/base.yaml", "model/dreamzero/transform/dreamzero_cotrain.yaml",
             "data/dreamzero/base_48_wan_fine_aug_relative.yaml"]  # fmt: skip
    shipped = {"image_resolution_width": 320, "image_resolution_height": 176, "max_state_dim": 64, "action_horizon": 24,
               "num_views": 3, "tokenizer_path": str(folder)}  # fmt: skip
    merged = OmegaConf.merge(*(OmegaConf.load(configs / file) for file in files), shipped)
    transform = instantiate(OmegaConf.to_container(merged.transform_oxe_droid, resolve=True))
    transform.set_metadata(DatasetMetadata.model_validate(statistics()))
    transform.eval()

    class Policy:
        eval_transform = transform
        train_cfg = OmegaConf.create({"relative_action": True, "relative_action_keys": ["joint_position"]})
        apply, unapply = GrootSimPolicy.apply, GrootSimPolicy.unapply

    return Policy(), Batch


def statistics() -> dict[str, Any]:
    """Metadata in which 1.5 is the largest value that counts."""
    values = {"max": 2.0, "min": -2.0, "mean": 0.0, "std": 1.0, "q01": -1.5, "q99": 1.5}
    numbers = {name: {key: [value] * width for key, value in values.items()} for name, width in NAMES.items()}
    shapes = {name: {"absolute": True, "rotation_type": None, "shape": [width], "continuous": True}
              for name, width in NAMES.items()}  # fmt: skip
    cameras = ("exterior_image_1_left", "exterior_image_2_left", "wrist_image_left")
    video = {name: {"resolution": [320, 180], "channels": 3, "fps": 15.0} for name in cameras}
    return {
        "statistics": {"state": numbers, "action": numbers},
        "modalities": {"video": video, "state": shapes, "action": shapes},
        "embodiment_tag": "oxe_droid",
    }


def main() -> None:
    """Check pictures, prompts, states and actions."""
    stand_in()
    folder = Path(sys.argv[1])
    make_tokenizer(folder)
    policy, batch = make_policy(folder)
    from arc_fabric.models.dreamzero.loading import _camera_resolution
    from arc_fabric.models.dreamzero.policy import PolicyTransforms

    transforms = PolicyTransforms(policy, batch, _camera_resolution(policy))
    views = np.random.default_rng(0).integers(0, 256, (3, 180, 320, 3), dtype=np.uint8)
    mosaic = transforms.compose(views)
    assert mosaic.shape == (352, 640, 3) and mosaic.dtype == np.uint8
    assert np.array_equal(mosaic, transforms.compose(views))
    assert not transforms.compose(views[:1])[176:, 320:].any(), "cameras not given are black"
    made = transforms.condition("pick up the red cup", STATE)
    assert made["text"].shape == made["text_attention_mask_negative"].shape == (1, 512)
    assert int(made["embodiment_id"]) == 17
    assert np.allclose(made["state"][0, 0, :8], STATE / 1.5) and not made["state"][0, 0, 8:].any()
    assert torch.equal(made["text"], transforms.condition("pick up the red cup", None)["text"])
    assert not torch.equal(made["text"], transforms.condition("push to the left", None)["text"])
    actions = transforms.actions(torch.zeros(1, 24, 32, dtype=torch.bfloat16), STATE)
    assert actions.shape == (1, 24, 8) and actions.dtype == torch.float32
    assert np.allclose(actions[0, 0], [*STATE[:7], 0.0]), "joints are relative to the state, the gripper is not"


if __name__ == "__main__":
    main()
