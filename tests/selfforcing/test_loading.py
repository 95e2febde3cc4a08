"""`loading.py` on real files: written at toy size in the form that the checkout's `inference.py` takes.

    ARC_FABRIC_SELFFORCING_SRC=<checkout> pytest tests/selfforcing/test_loading.py

needs transformers and omegaconf beside what tests/selfforcing/test_real_classes.py needs. Elsewhere it is skipped.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from arc_fabric import Session, StateManager
from arc_fabric.errors import ModelUnavailable
from arc_fabric.models.registry import load_model
from arc_fabric.models.selfforcing import loading

if not os.environ.get("ARC_FABRIC_SELFFORCING_SRC") or not find_spec("transformers"):
    pytest.skip(
        "NOT TESTED: LOADING SELF-FORCING'S FILES: set ARC_FABRIC_SELFFORCING_SRC to a checkout of "
        "github.com/guandeh17/Self-Forcing, and install transformers",
        allow_module_level=True,
    )

from tests.selfforcing import weights as files
from tests.selfforcing.models import ToySelfForcing, upstream
from tests.selfforcing.real import LONGLIVE, SIZE

if LONGLIVE:
    pytest.skip("LOADING is tested on Self-Forcing's own checkout", allow_module_level=True)

PROMPT, STEPS = "a red cup", 3


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, files.Weights, Any]]:
    """A folder with all files, the weights in them, the tokenizer; sizes stay small while it is there."""
    with pytest.MonkeyPatch.context() as patch:
        files.small_sizes(patch)
        folder, made, words = tmp_path_factory.mktemp("checkout"), files.draw(), files.tokenizer()
        files.write(folder, made, words)
        yield folder, made, words


@pytest.fixture
def place(written: tuple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands for the checkout's, with the files of `written`; its code is the checkout's own."""
    (tmp_path / "configs").symlink_to(loading.checkout() / "configs")
    base = tmp_path / files.BASE
    base.mkdir(parents=True)
    for file in (written[0] / files.BASE).iterdir():
        (base / file.name).symlink_to(file)
    (tmp_path / "checkpoint.pt").symlink_to(written[0] / "checkpoint.pt")
    (tmp_path / "mine.yaml").write_text(files.CONFIG)
    monkeypatch.setattr(loading, "checkout", lambda: tmp_path)
    monkeypatch.setattr(loading, "import_pipeline", lambda: files.SmallPipeline)
    monkeypatch.setattr(loading, "SIZE", (SIZE, SIZE))
    torch.set_num_threads(1)
    return tmp_path


def test_a_loaded_pipeline_has_the_bits_of_one_built_directly(place: Path, written: tuple) -> None:
    """Configuration, base model, text encoder with its tokenizer, VAE and checkpoint, all from files: latents and video
    of its worlds are those of the upstream loop on a pipeline that read no file; of `generator_ema` where there is one,
    and the weights and the configuration are in the identity."""
    (config, checkpoint), (_, made, words) = _named(place), written
    with contextlib.redirect_stdout(io.StringIO()):
        model = load_model(f"selfforcing:{config}#{checkpoint}", "cpu")
        session = Session("a", model, StateManager(model), PROMPT, seed=3)
        steps = [session.step() for _ in range(STEPS)]
        again = session.fork(steps[1].checkpoint_id).step()
    assert torch.equal(again.step_latents, steps[2].step_latents)
    ours = torch.cat([step.step_latents for step in steps], 1)
    for given, same in ((made.ema, True), (made.plain, False)):
        latents, video = _directly(made, given, words)
        assert torch.equal(ours, latents) is same
        assert np.array_equal(np.concatenate([step.frames for step in steps])[3:], video) is same
    checkpoint.unlink()
    torch.save({"generator": made.plain}, checkpoint)
    plain = _loaded(config, checkpoint)
    assert model.identity().weights_digest != plain.identity().weights_digest
    config.write_text(config.read_text() + "guidance_scale: 3.0\n")
    assert _loaded(config, checkpoint).identity().sampler["files"] != plain.identity().sampler["files"]


def _named(place: Path) -> tuple[Path, Path]:
    return place / "mine.yaml", place / "checkpoint.pt"


def _loaded(config: Path, checkpoint: Path) -> Any:
    with contextlib.redirect_stdout(io.StringIO()):
        return loading.load(f"{config}#{checkpoint}", "cpu")


def _directly(made: files.Weights, given: dict, words: Any) -> tuple[torch.Tensor, np.ndarray]:
    pipeline = files.build(made, given, words)
    model = ToySelfForcing(pipeline, image_size=(SIZE, SIZE), device="cpu", weights_digest="direct")
    return upstream(model, PROMPT, 3, STEPS)


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("base", "config.json"),
        ("checkpoint", "Missing key"),
        ("shapes", "size mismatch"),
        ("no weights", "neither generator_ema nor generator: it has critic"),
    ],
)
def test_what_the_checkouts_loader_refuses_is_said(place: Path, written: tuple, what: str, says: str) -> None:
    """No base model; a checkpoint of something else, of other sizes, without a generator: the cause is told."""
    config, checkpoint = _named(place)
    if what != "base":
        checkpoint.unlink()
    if what == "base":
        (place / files.BASE / "config.json").unlink()
    elif what == "checkpoint":
        torch.save({"generator": {"other": torch.zeros(1)}}, checkpoint)
    elif what == "shapes":
        torch.save({"generator": {name: weight[:1] for name, weight in written[1].plain.items()}}, checkpoint)
    else:
        torch.save({"critic": {"other": torch.zeros(1)}}, checkpoint)
    with pytest.raises(ModelUnavailable, match=says):
        _loaded(config, checkpoint)
