"""What a foreign loader left unfilled, or had no place for, is told. Runs everywhere: without DreamZero and PEFT.

On DreamZero's own classes: test_real_loading.py.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from arc_fabric.errors import ModelUnavailable
from arc_fabric.models.dreamzero.loading import load_policy


class Head(torch.nn.Module):
    """A transformer, a VAE that is loaded from a file of its own, and a buffer that is computed."""

    train_architecture = "full"

    def __init__(self) -> None:
        super().__init__()
        self.model, self.vae = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
        self.model.table = torch.ones(1)
        self.register_buffer("frequencies", torch.ones(2))


class Vla(torch.nn.Module):
    """As DreamZero's, by its names."""

    def __init__(self) -> None:
        super().__init__()
        self.action_head = Head()


def foreign_loader(given: dict[str, torch.Tensor], *, own_vae: bool = False, shards: int = 1) -> Any:
    """A policy class that loads as DreamZero's does: not strictly, shard by shard, and only prints what is missing."""

    def policy(*args: object, **kwargs: object) -> Any:
        vla, names = Vla(), sorted(given)
        if own_vae:
            vla.action_head.vae.load_state_dict({"weight": torch.zeros(2, 2), "bias": torch.zeros(2)})
        for shard in range(shards):
            vla.load_state_dict({name: given[name] for name in names[shard::shards]}, strict=False)
        return SimpleNamespace(trained_model=vla)

    return {"GrootSimPolicy": policy, "EmbodimentTag": str}


WHOLE = {name: tensor for name, tensor in Vla().state_dict().items() if "frequencies" not in name}


def loaded(checkpoint: Path, groot: Any) -> str:
    """What is said of it; empty where it loads."""
    before = torch.nn.Module.load_state_dict
    try:
        load_policy(groot, checkpoint, torch.device("cpu"))
    except ModelUnavailable as error:
        assert "download the whole directory anew" in error.what_to_do
        return error.message
    finally:
        assert torch.nn.Module.load_state_dict is before
    return ""


def test_weights_that_its_loader_only_prints_are_an_error(checkpoint: Path) -> None:
    """Missing ones and ones without a place; a part with a file of its own, and computed buffers, are no matter."""
    assert loaded(checkpoint, foreign_loader(WHOLE)) == loaded(checkpoint, foreign_loader(WHOLE, shards=3)) == ""
    less = {name: tensor for name, tensor in WHOLE.items() if name != "action_head.model.bias"}
    for shards in (1, 2):
        said = loaded(checkpoint, foreign_loader(less, shards=shards))
        assert "1 weights of the model came from none of its files (action_head.model.bias)" in said
    no_vae = {name: tensor for name, tensor in WHOLE.items() if ".vae." not in name}
    assert loaded(checkpoint, foreign_loader(no_vae, own_vae=True)) == ""
    assert "action_head.vae.bias" in loaded(checkpoint, foreign_loader(no_vae))


def test_what_a_file_holds_beside_the_model_is_judged_by_where_it_belongs(
    checkpoint: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A layer more than config.json describes is an error; parts of other releases and tables that the model computes
    itself are logged, or are no matter, as for DreamZero's own loader."""
    more = WHOLE | {"action_head.model.blocks.40.weight": torch.zeros(1)}
    said = loaded(checkpoint, foreign_loader(more))
    assert "1 weights in its files have no place in the model (action_head.model.blocks.40.weight)" in said
    old = {"action_head.value_model.weight": torch.zeros(1), "action_head.image_encoder.text.bias": torch.zeros(1)}
    assert loaded(checkpoint, foreign_loader(WHOLE | old)) == ""
    assert "2 weights of" in caplog.text and "action_head.value_model.weight" in caplog.text
    caplog.clear()
    table = {"action_head.model.table": torch.zeros(1), "action_head.frequencies": torch.ones(2)}
    assert loaded(checkpoint, foreign_loader(WHOLE | table)) == caplog.text == ""


class Transformer(torch.nn.Module):
    """A layer that gets an adapter and one that is trained whole."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.action_encoder = torch.nn.Linear(2, 2, bias=False), torch.nn.Linear(2, 2, bias=False)


class Adapted(torch.nn.Module):
    """A layer in the wrapping of PEFT's LoRA, by its names."""

    def __init__(self, layer: torch.nn.Module) -> None:
        super().__init__()
        self.base_layer = layer
        self.lora_A = torch.nn.ModuleDict({"default": torch.nn.Linear(2, 1, bias=False)})


class Wrapping(torch.nn.Module):
    """`base_model.model`, around the whole transformer."""

    def __init__(self, transformer: Transformer) -> None:
        super().__init__()
        self.base_model = torch.nn.Module()
        self.base_model.model = transformer


WRAPPED = "action_head.model.base_model.model."
LORA = {
    f"{WRAPPED}q.lora_A.default.weight": torch.zeros(1, 2),
    f"{WRAPPED}action_encoder.weight": torch.zeros(2, 2),
}
WITH_BASE = LORA | {f"{WRAPPED}q.weight": torch.zeros(2, 2)}
"""As DreamZero's loader hands it on: `.base_layer` is cut off, so that the weight finds no place."""


def lora_loader(given: dict[str, torch.Tensor], *, base: bool) -> Any:
    """As DreamZero's does with LoRA: the base from Wan's files, adapters around it, the checkpoint, then a merge."""

    def policy(*args: object, **kwargs: object) -> Any:
        vla, transformer = Vla(), Transformer()
        vla.action_head.train_architecture = "lora"
        if base:
            transformer.load_state_dict({"q.weight": torch.zeros(2, 2)}, strict=False)
        plain, transformer.q = transformer.q, Adapted(transformer.q)
        vla.action_head.model = Wrapping(transformer)
        vla.load_state_dict(given, strict=False)
        transformer.q, vla.action_head.model = plain, transformer
        return SimpleNamespace(trained_model=vla)

    return {"GrootSimPolicy": policy, "EmbodimentTag": str}


@pytest.mark.parametrize("lora_only", [False, True])
def test_of_lora_checkpoints_adapters_trained_layers_and_the_base_must_be_there(
    checkpoint: Path, lora_only: bool
) -> None:
    """The base comes from Wan's files, under names without the adapters' wrapping, and is merged afterwards; that it is
    in the checkpoint does not help where DreamZero's loader drops it. Encoders come from files of their own."""
    (checkpoint / "experiment_cfg/conf.yaml").write_text(f"save_lora_only: {str(lora_only).lower()}\n")
    for given in (LORA, WITH_BASE):
        assert loaded(checkpoint, lora_loader(given, base=True)) == ""
        said = loaded(checkpoint, lora_loader(given, base=False))
        assert "1 weights of the model came from none of its files (action_head.model.q.weight)" in said
    for name in LORA:
        said = loaded(checkpoint, lora_loader({n: LORA[n] for n in LORA if n != name}, base=True))
        assert (
            f"1 weights of the model came from none of its files ({name.replace(WRAPPED, 'action_head.model.')})"
            in said
        )
    layer = {f"{WRAPPED}k.lora_A.default.weight": torch.zeros(1, 2)}
    said = loaded(checkpoint, lora_loader(LORA | layer, base=True))
    assert "have no place in the model (action_head.model.k.lora_A.default.weight)" in said
