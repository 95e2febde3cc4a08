"""DreamZero's own loading of its own classes at toy size, watched by ours: full and LoRA checkpoints, whole or not.

As in test_real_classes.py; elsewhere these tests are skipped.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from arc_fabric.errors import ModelUnavailable
from arc_fabric.models.dreamzero.loading import load_policy

if not os.environ.get("ARC_FABRIC_DREAMZERO_SRC"):
    pytest.skip(
        "NOT TESTED ON DREAMZERO: set ARC_FABRIC_DREAMZERO_SRC to a checkout of github.com/dreamzero0/dreamzero",
        allow_module_level=True,
    )

from tests.dreamzero import real
from tests.dreamzero.models import quiet

TRANSFORMER = "action_head.model."
TRAINED = ("state_encoder.", "action_encoder.", "action_decoder.")
IMAGE = ("img_emb.", ".k_img.", ".v_img.", ".norm_k_img.")
"""What DreamZero adds to Wan 2.2's transformer, whose files do not have it."""
State = dict[str, Tensor]


class Folder:
    """Wan's files and a checkpoint directory with a training that `architecture` and `lora_only` describe."""

    def __init__(self, path: Path, variant: str, architecture: str, lora_only: bool) -> None:
        self.path, self.lora_only = path, lora_only
        (path / "experiment_cfg").mkdir()
        (path / "experiment_cfg/conf.yaml").write_text(f"save_lora_only: {str(lora_only).lower()}\n")
        self.whole = {name: tensor.clone() for name, tensor in real.build_vla(variant).state_dict().items()}
        for part, file in (
            ("text_encoder.", "models_t5_umt5-xxl-enc-bf16.pth"),
            ("image_encoder.model.", "models_clip_open-clip-xlm-roberta-large-vit-huge-14.pth"),
            ("vae.model.", "Wan2.1_VAE.pth" if variant == "14b" else "Wan2.2_VAE.pth"),
        ):
            torch.save(self.part(f"action_head.{part}"), path / file)
        self.put_base({n: t for n, t in self.part(TRANSFORMER).items() if not n.startswith(TRAINED)})
        config = real.toy_config(variant)
        inner = config["action_head_cfg"]["config"]
        inner |= {"train_architecture": architecture, "skip_component_loading": architecture == "full"}
        inner["diffusion_model_cfg"]["diffusion_model_pretrained_path"] = str(path)
        (path / "config.json").write_text(json.dumps(config))

    def part(self, prefix: str) -> State:
        """The state of a part, under its own names."""
        return {n.removeprefix(prefix): t for n, t in self.whole.items() if n.startswith(prefix)}

    def put_base(self, state: State) -> None:
        """Wan's own transformer."""
        save_file(state, self.path / "diffusion_pytorch_model.safetensors")

    def trained(self) -> State:
        """What DreamZero's trainer saves of this training (groot/vla/experiment/base.py)."""
        config = json.loads((self.path / "config.json").read_text())
        with quiet():
            vla = real.VLA(real.VLAConfig(**config))
        wanted = {n for n, weight in vla.named_parameters() if weight.requires_grad or not self.lora_only}
        return {n: t.clone() for n, t in vla.state_dict().items() if n in wanted}

    def load(self, state: State) -> Any:
        """Through `load_policy`, as GrootSimPolicy loads a checkpoint; the VLA."""
        save_file(state, self.path / "model.safetensors")

        def policy(*args: object, **kwargs: object) -> Any:
            with quiet():
                vla = (real.VLA.load_lora if self.lora_only else real.VLA.from_pretrained)(str(self.path))
            if vla.action_head.train_architecture == "lora":
                vla.action_head.model = vla.action_head.model.merge_and_unload()
            return SimpleNamespace(trained_model=vla)

        groot = {"GrootSimPolicy": policy, "EmbodimentTag": str}
        return load_policy(groot, self.path, torch.device("cpu")).trained_model

    def refused(self, state: State) -> list[str]:
        """The weights that are missing, by name."""
        with pytest.raises(ModelUnavailable, match="came from none of its files") as caught:
            self.load(state)
        return caught.value.context["missing"]


@pytest.fixture(autouse=True)
def _files_at_hand(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing is downloaded."""
    monkeypatch.setattr(real.head_module, "ensure_file", lambda path, file, **kwargs: str(tmp_path / file))


@pytest.mark.parametrize("variant", ["14b", "5b"])
def test_full_checkpoints(tmp_path: Path, variant: str) -> None:
    """Whole they load, also with what another release had beside the transformer; one weight less is named."""
    folder = Folder(tmp_path, variant, "full", lora_only=False)
    beside = {"action_head.value_model.weight": torch.zeros(1)}
    vla = folder.load(folder.whole | beside)
    assert all(torch.equal(tensor, folder.whole[name]) for name, tensor in vla.state_dict().items())
    gone = f"{TRANSFORMER}blocks.1.self_attn.q.weight"
    assert folder.refused({n: t for n, t in folder.whole.items() if n != gone}) == [gone]
    with pytest.raises(ModelUnavailable, match=r"no place in the model \(action_head.model.blocks.2.norm3.weight\)"):
        folder.load(folder.whole | {f"{TRANSFORMER}blocks.2.norm3.weight": torch.zeros(64)})


@pytest.mark.parametrize("lora_only", [True, False])
def test_lora_checkpoints(tmp_path: Path, lora_only: bool) -> None:
    """Adapters and trained layers come from the checkpoint, the base from Wan's files; each must be there."""
    folder = Folder(tmp_path, "14b", "lora", lora_only)
    state = folder.trained()
    folder.load(state)
    for part in (".lora_A.", "action_encoder.W1.W"):
        less = {n: t for n, t in state.items() if part not in n}
        names = {n.replace(".base_model.model.", ".") for n in state.keys() - less.keys()}
        assert names and set(folder.refused(less)) == names
    base = {n: t for n, t in folder.part(TRANSFORMER).items() if not n.startswith(TRAINED)}
    gone = "blocks.0.self_attn.q.weight"
    folder.put_base({n: t for n, t in base.items() if n != gone})
    own = next((t for n, t in state.items() if n.endswith(gone)), None)
    if own is None:
        assert folder.refused(state) == [TRANSFORMER + gone]
    else:  # peft 0.5.0 saves the base beside the adapters, by names that DreamZero's loader finds
        assert torch.equal(folder.load(state).state_dict()[TRANSFORMER + gone], own)


def test_lora_only_checkpoints_of_the_5b_backbone(tmp_path: Path) -> None:
    """Wan 2.2's files lack the image projections that DreamZero adds, and such a checkpoint does not hold them: they
    would be random in every process, so it is refused by their names."""
    folder = Folder(tmp_path, "5b", "lora", lora_only=True)
    state = folder.trained()
    folder.load(state)
    base = {n: t for n, t in folder.part(TRANSFORMER).items() if not n.startswith(TRAINED)}
    folder.put_base({n: t for n, t in base.items() if not any(part in n for part in IMAGE)})
    missing = folder.refused(state)
    assert missing and all(any(part in name for part in IMAGE) for name in missing)
