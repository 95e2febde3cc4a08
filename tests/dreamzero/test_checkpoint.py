"""Loading says what is missing. Runs everywhere: without DreamZero, without a GPU."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from arc_fabric.errors import ModelUnavailable
from arc_fabric.models.dreamzero import memory
from arc_fabric.models.dreamzero.checkpoint import REQUIRED, holds_lora_only, weight_files
from arc_fabric.models.dreamzero.loading import load_policy
from arc_fabric.models.dreamzero.memory import CONFIG_5B, CONFIG_14B, memory_plan, plan_of, shortage
from arc_fabric.models.dreamzero.source import SOURCE_VARIABLE
from arc_fabric.models.fingerprints import parameters_digest
from arc_fabric.models.registry import load_model


def numbered(directory: Path, count: int) -> list[Path]:
    """The usual names: `model-00001-of-0000N.safetensors`, one weight each, and their index."""
    for old in directory.glob("model*"):
        old.unlink()
    files = [directory / f"model-{n:05}-of-{count:05}.safetensors" for n in range(1, count + 1)]
    for n, file in enumerate(files):
        save_file({f"w{n}": torch.zeros(3)}, file)
    write_index(directory, {f"w{n}": file.name for n, file in enumerate(files)})
    return files


def write_index(directory: Path, places: dict[str, str]) -> None:
    """weight -> file."""
    (directory / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))


def test_a_missing_directory_is_named() -> None:
    """Through the registry, as a user meets it."""
    with pytest.raises(ModelUnavailable, match="/nowhere") as caught:
        load_model("dreamzero:/nowhere", "cuda:0")
    assert "hf download" in caught.value.what_to_do


@pytest.mark.parametrize("name", [*REQUIRED, "model-2.safetensors"])
def test_a_missing_file_is_named(checkpoint: Path, name: str) -> None:
    """Each of those that loading needs."""
    (checkpoint / name).unlink()
    with pytest.raises(ModelUnavailable) as caught:
        weight_files(checkpoint)
    assert caught.value.context["missing"] == [name]


def test_a_broken_index_is_named(checkpoint: Path) -> None:
    """Not a traceback from json."""
    (checkpoint / "model.safetensors.index.json").write_text("[]")
    with pytest.raises(ModelUnavailable, match="not a safetensors index"):
        weight_files(checkpoint)


def refused(directory: Path) -> str:
    """What is said of it."""
    with pytest.raises(ModelUnavailable) as caught:
        weight_files(directory)
    assert "hf download" in caught.value.what_to_do and caught.value.context["problems"]
    return caught.value.message


def test_files_that_do_not_hold_what_the_index_says_are_named(checkpoint: Path) -> None:
    """A weight that is not in its file, one that the index does not know, a file cut off, one that is none at all."""
    save_file({"a": torch.zeros(2), "x": torch.zeros(2)}, checkpoint / "model-1.safetensors")
    said = refused(checkpoint)
    assert "model-1.safetensors lacks 1 weights that the index places there (c)" in said
    assert "model-1.safetensors holds 1 weights that the index does not place there (x)" in said
    save_file({"a": torch.zeros(2), "c": torch.zeros(2)}, checkpoint / "model-1.safetensors")
    whole = (checkpoint / "model-2.safetensors").read_bytes()
    (checkpoint / "model-2.safetensors").write_bytes(whole[:-7])
    assert f"model-2.safetensors has {len(whole) - 7} bytes where its header says {len(whole)}" in refused(checkpoint)
    for junk in (b"", b"x" * 100, whole[:20], (1 << 60).to_bytes(8, "little") + whole[8:], b"\2" + bytes(7) + b"[]"):
        (checkpoint / "model-2.safetensors").write_bytes(junk)
        assert "model-2.safetensors is no safetensors file" in refused(checkpoint)


def test_sets_of_numbered_files_must_be_whole(checkpoint: Path) -> None:
    """An index without some of them, a mix of two sets, and files of another set beside the index's."""
    files = numbered(checkpoint, 3)
    assert weight_files(checkpoint) == files
    write_index(checkpoint, {"w0": files[0].name, "w2": files[2].name})
    said = refused(checkpoint)
    assert "names none of model-00002-of-00003.safetensors" in said and "belong to another set" in said
    files = numbered(checkpoint, 2)
    save_file({"old": torch.zeros(1)}, checkpoint / "model-00001-of-00005.safetensors")
    assert "model-00001-of-00005.safetensors belong to another set" in refused(checkpoint)
    write_index(checkpoint, {"w0": files[0].name, "w1": files[1].name, "old": "model-00001-of-00005.safetensors"})
    assert "mixes files of sets" in refused(checkpoint)


def test_a_single_file_is_looked_at_too(checkpoint: Path) -> None:
    """Without an index."""
    for old in checkpoint.glob("model*"):
        old.unlink()
    save_file({"a": torch.zeros(4)}, checkpoint / "model.safetensors")
    assert [file.name for file in weight_files(checkpoint)] == ["model.safetensors"]
    (checkpoint / "model.safetensors").write_bytes((checkpoint / "model.safetensors").read_bytes() + b"more")
    assert "where its header says" in refused(checkpoint)


def test_a_cpu_is_refused(checkpoint: Path) -> None:
    """DreamZero's code names CUDA throughout."""
    with pytest.raises(ModelUnavailable, match="NVIDIA GPU"):
        load_model(f"dreamzero:{checkpoint}", "cpu")


_IMPORT = """
from arc_fabric.errors import ModelUnavailable
from arc_fabric.models.dreamzero.source import import_groot
try:
    import_groot()
except ModelUnavailable as error:
    print(error.message, "|", error.what_to_do)
"""


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (None, "DreamZero's code is not installed."),
        ("raise RuntimeError('operator torchvision::nms does not exist')", "torchvision::nms"),
        ("import a_module_that_nobody_has", "a_module_that_nobody_has"),
    ],
)
def test_a_missing_or_broken_groot_is_named(tmp_path: Path, code: str | None, says: str) -> None:
    """Not there, or there with a dependency that is missing or does not fit: what, and what to do."""
    if code is None and importlib.util.find_spec("groot") is not None:
        pytest.skip("DreamZero's code is installed here")
    if code is not None:
        (tmp_path / "groot").mkdir()
        (tmp_path / "groot" / "__init__.py").write_text(code)
    environment = {name: value for name, value in os.environ.items() if name != SOURCE_VARIABLE}
    environment |= {SOURCE_VARIABLE: str(tmp_path)} if code else {}
    command = [sys.executable, "-c", _IMPORT]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert says in done.stdout and "github.com/dreamzero0/dreamzero" in done.stdout and SOURCE_VARIABLE in done.stdout


@pytest.mark.parametrize(
    ("raised", "says"),
    [
        (torch.OutOfMemoryError("tried to allocate 33 GiB"), "ran out of memory"),
        (RuntimeError("size mismatch for action_head.model.blocks.0"), "size mismatch"),
        (TypeError("VLAConfig() got an unexpected keyword"), "unexpected keyword"),
        (OSError("models_t5_umt5-xxl-enc-bf16.pth cannot be downloaded"), "umt5"),
    ],
)
def test_whatever_its_loader_raises_is_told_with_what_to_do(tmp_path: Path, raised: Exception, says: str) -> None:
    """The cause stays chained."""

    def refuse(*args: object, **kwargs: object) -> None:
        raise raised

    with pytest.raises(ModelUnavailable, match=says) as caught:
        load_policy({"GrootSimPolicy": refuse, "EmbodimentTag": str}, tmp_path, torch.device("cpu"))
    assert caught.value.what_to_do and caught.value.__cause__ is raised


def test_the_memory_plan_is_that_of_the_documentation() -> None:
    """Bytes of the KV to the byte; the sums of docs/how-to/dreamzero.md within 3 %."""
    large, small = memory_plan(CONFIG_14B), memory_plan(CONFIG_5B)
    assert (large.kv, small.kv) == (7 * 1_441_792_000, 7 * 36_864_000)
    assert large.total - large.activations == pytest.approx(70.1e9, rel=0.03)
    assert small.total - small.activations == pytest.approx(27e9, rel=0.05)
    assert large.call == pytest.approx(13.0e9, rel=0.01)


def test_too_little_memory_is_told_in_parts(checkpoint: Path) -> None:
    """14B fits an empty card of 80 GB and not one of 48; 5B fits there."""
    configuration = {"action_head_cfg": {"config": {"diffusion_model_cfg": CONFIG_14B}}}
    (checkpoint / "config.json").write_text(json.dumps(configuration))
    plan = plan_of(checkpoint, weight_files(checkpoint))
    assert plan == memory_plan(CONFIG_14B)
    assert shortage(plan, 84_500_000_000, 85_000_000_000, "cuda:0") == ""
    short = shortage(plan, 47_000_000_000, 48_000_000_000, "cuda:0")
    assert "cuda:0 has 47.0 GB free of 48.0" in short and "weights 47" in short and "KV 10.1" in short
    assert shortage(memory_plan(CONFIG_5B), 47_000_000_000, 48_000_000_000, "cuda:0") == ""


def test_an_unknown_configuration_is_planned_by_its_files(checkpoint: Path) -> None:
    """As much as the files have, and room for the largest model."""
    files = weight_files(checkpoint)
    assert plan_of(checkpoint, files).total == sum(file.stat().st_size for file in files) + memory.UNKNOWN


@pytest.mark.parametrize(("text", "only"), [("save_lora_only: true\n", True), ("a: 1\nsave_lora_only: false\n", False),
                                            ("x:\n  save_lora_only: true\n", False), ("", False)])  # fmt: skip
def test_a_lora_only_checkpoint_is_known_by_its_configuration(checkpoint: Path, text: str, only: bool) -> None:
    """The base weights of such a one are part of its identity."""
    (checkpoint / "experiment_cfg/conf.yaml").write_text(text)
    assert holds_lora_only(checkpoint) is only


def test_the_digest_of_parameters_knows_every_bit() -> None:
    """Of bf16 weights as well; names count."""
    torch.manual_seed(0)
    module = torch.nn.Linear(4, 3).to(torch.bfloat16)
    before = parameters_digest(module)
    assert parameters_digest(module) == before
    with torch.no_grad():
        module.bias[0] += 1
    assert parameters_digest(module) != before
