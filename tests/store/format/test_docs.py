"""docs/reference/snapshots.md is true: its reader reads, and safetensors reads the files."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import safe_open

from arc_fabric.store import SnapshotStore
from arc_fabric.store.backends import DiskBackend
from tests.store.states import State

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "snapshots.md"


def test_the_readme_reader_reads_checkpoints_with_the_standard_library(
    open_store: Callable[..., SnapshotStore], tmp_path: Path
) -> None:
    """The documented example gives the bytes of every tensor, and imports nothing but the standard library."""
    store = open_store(DiskBackend(tmp_path))
    states = [State.root()]
    states.append(states[0].step(1))
    store.put("a", states[0].entries(), {})
    store.put("b", states[1].entries(), {}, parent_id="a")
    store.flush(10)
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len([line for line in example.splitlines() if line]) <= 20
    assert set(re.findall(r"^(?:import|from) (\w+)", example, re.MULTILINE)) == {"json", "math", "pathlib"}
    scope: dict[str, Callable[..., tuple[str, list[int], bytes]]] = {}
    exec(example, scope)
    for name, tensor in states[1].tensors.items():
        dtype, shape, data = scope["read_tensor"](tmp_path, "b", name)
        assert shape == list(tensor.shape) and dtype == store.manifest("b").tensors[name].dtype
        assert data == tensor.contiguous().view(torch.uint8).numpy().tobytes()


def test_safetensors_reads_the_files(open_store: Callable[..., SnapshotStore], tmp_path: Path) -> None:
    """Every piece is found by its key with the safetensors library, also after the KV was dropped."""
    store = open_store(DiskBackend(tmp_path), policy="full")
    state = State.root()
    store.put("a", state.entries(), {})
    store.flush(10)
    for _ in range(2):
        with safe_open(tmp_path / "checkpoints/a/tensors.safetensors", "pt") as file:
            assert set(file.keys()) == {piece.key for _, piece in store.manifest("a").own_parts()}
            for key in file.keys():  # noqa: SIM118  (not a dictionary)
                assert torch.equal(file.get_tensor(key), state.tensors[key.partition("@")[0]])
        store.drop_kv("a")
