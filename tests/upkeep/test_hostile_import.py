"""A bundle that is as `export` writes one, and whose pictures and latents are not what a step makes: it may be taken,
and whoever then looks at it is told so. No answer is a defect of the server, or JSON that no browser reads."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
import torch
from flask.testing import FlaskClient

from arc_fabric.cli.local.import_bundle import import_file
from arc_fabric.ids import new_id
from arc_fabric.ledger import NodeRecord
from arc_fabric.media import png
from arc_fabric.media.frames import pack_strip
from arc_fabric.settings import Settings
from arc_fabric.store import SnapshotStore, TensorEntry
from arc_fabric.store.backends import MemoryBackend
from arc_fabric.store.read import reader
from arc_fabric.store.upkeep.bundle import export_bundle
from webapp.app import create_app

PER_STEP = 4


def strip(count: int, size: int = 8) -> bytes:
    """Grey frames."""
    return pack_strip(np.full((count, size, size, 3), 90, np.uint8))


SOUND, LATENTS = strip(PER_STEP), torch.ones(1, 1, 2, 4, 4)
PICTURES = {
    "sound": SOUND,
    "none": None,
    "no picture": b"garbage",
    "cut off": SOUND[:-40],
    "a bomb": SOUND.replace(SOUND[12:24], b"IHDR\0\0\x7f\0\0\0\x7f\0"),
    "no strip": png.encode(np.zeros((8, 8, 3), np.uint8), {}),
    "a count of 5,000 digits": png.encode(np.zeros((8, 8, 3), np.uint8), {"frames": "9" * 5000}),
    "too few frames": strip(1),
    "frames of another size": strip(PER_STEP, 12),
}
TENSORS = {
    "sound": LATENTS,
    "none": None,
    "not finite": LATENTS * math.nan,
    "of another shape": torch.ones(3),
    "empty": torch.ones(0, 4),
    "whole numbers": torch.ones(1, 1, 2, 4, 4, dtype=torch.int16),
    "eight bits": torch.ones(1, 1, 2, 4, 4).to(torch.float8_e4m3fn),
    "no numbers": torch.ones(1, 1, 2, 4, 4, dtype=torch.bool),
    "large zeros": torch.zeros(1, 1 << 20),
}


@pytest.fixture
def client(settings: Settings) -> Iterator[FlaskClient]:
    """The app in this process."""
    made = create_app(settings).test_client()
    made.environ_base["HTTP_HOST"] = "127.0.0.1"
    yield made


def bundle(folder: Path, pictures: bytes | None, latents: torch.Tensor | None) -> tuple[Path, list[str], str]:
    """A root, a step, and two steps after it of which one is odd."""
    backend, session = MemoryBackend(), new_id("ses")
    store = SnapshotStore(backend)
    root, first, odd, even = (new_id("ckp") for _ in range(4))
    places = ((root, None, 0), (first, root, 1), (odd, first, 2), (even, first, 2))
    for checkpoint, parent, at in places:
        shown = strip(PER_STEP if at else 1) if checkpoint != odd else pictures
        tensor = LATENTS if checkpoint != odd else latents
        entries = [] if tensor is None or not at else [TensorEntry("step_latents", tensor)]
        attached = {} if shown is None else {"frames.png": shown}
        store.put(
            checkpoint, [*entries, TensorEntry("language", torch.ones(2))], {}, parent_id=parent, attachments=attached
        )
    store.flush(60)
    nodes = [
        NodeRecord(
            id=checkpoint, parent=parent, session_id=session, tree_id=root, frame_index=at, prompt="p", seed=1,
            n_frames=PER_STEP if at else 1, created=1e9 + at, actions=[[1.0, 2.0]] if at else None,
        ).to_dict()
        for checkpoint, parent, at in places
    ]  # fmt: skip
    path = folder / "odd.zip"
    export_bundle(backend, [root, first, odd, even], path, extra={"nodes": nodes, "sessions": []})
    store.close(timeout=5)
    return path, [root, first, odd, even], session


def looked_at(client: FlaskClient, checkpoints: list[str], session: str) -> None:
    """Every address that shows a session or a checkpoint, with every number that it may take."""
    rules = [rule for rule in client.application.url_map.iter_rules() if "GET" in (rule.methods or ())]
    known = {"session_id", "checkpoint_id", "tree_id", "n", "i"}
    asked = []
    for rule in rules:
        if not rule.arguments or not rule.arguments <= known or rule.rule.startswith("/ws/"):
            continue
        for checkpoint in checkpoints if "checkpoint_id" in rule.arguments else checkpoints[:1]:
            for number in range(3 * PER_STEP) if rule.arguments & {"n", "i"} else (0,):
                path = rule.rule
                for kind, name, value in (
                    ("string", "session_id", session), ("string", "checkpoint_id", checkpoint),
                    ("string", "tree_id", checkpoints[0]), ("int", "n", number), ("int", "i", number),
                ):  # fmt: skip
                    path = path.replace(f"<{kind}:{name}>", str(value))
                asked.append(path)
    asked += [f"{path}?format=safetensors" for path in asked if path.endswith("/latents")]
    asked += [f"{path}?format=gif" for path in asked if path.endswith("/video")]
    asked += [f"/api/sessions/{session}/tree?format=d3", "/api/sessions", "/api/trees", "/api/usage"]
    pair = ",".join(checkpoints[2:])
    asked += [f"/api/compare?nodes={pair}", f"/api/compare/video?nodes={pair}&format=gif"]
    assert len(asked) > 60
    for path in asked:
        answer = client.get(path)
        if answer.status_code >= 500:
            assert answer.json["code"] == "DamagedSnapshot", f"{path}: {answer.text}"
        if answer.is_json:
            json.loads(answer.text, parse_constant=_refuse)


def _refuse(constant: str) -> NoReturn:
    raise AssertionError(f"{constant} is no JSON")


@pytest.mark.parametrize("what", PICTURES)
def test_pictures(client: FlaskClient, settings: Settings, tmp_path: Path, what: str) -> None:
    """Of one step."""
    path, checkpoints, session = bundle(tmp_path, PICTURES[what], LATENTS)
    import_file(settings, path)
    looked_at(client, checkpoints, session)


@pytest.mark.parametrize("what", [name for name in TENSORS if name != "sound"])
def test_latents(
    client: FlaskClient, settings: Settings, tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one step; large ones are more than a step may add."""
    monkeypatch.setattr(reader, "MOST_BYTES", 1 << 20)
    path, checkpoints, session = bundle(tmp_path, SOUND, TENSORS[what])
    import_file(settings, path)
    looked_at(client, checkpoints, session)
