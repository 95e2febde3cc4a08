"""Episodes as sessions of a running Arc Fabric."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from openpi_client.websocket_client_policy import WebsocketClientPolicy

from arc_fabric.client import ArcFabric
from arc_fabric.manager import StateManager
from arc_fabric.models.registry import load_model
from arc_fabric.openpi.remote import RemoteBackend
from arc_fabric.session import Session
from tests.openpi.test_server import plain_run, serve_on
from tests.sdk.worlds import PROMPT


@pytest.mark.parametrize("closed_loop", [True, False])
def test_an_episode_is_a_session_with_a_checkpoint_per_call(stack: Any, closed_loop: bool) -> None:
    """Eight calls of the real client, a fork from call 4, and the actions of a plain run in one process: with the real
    frames of every call in a closed loop, without them where it is open."""
    frames = [np.random.default_rng(i).integers(0, 256, (64, 64, 3), dtype=np.uint8) for i in range(8)]
    with ArcFabric(stack.url) as fabric:
        serving = serve_on(RemoteBackend(fabric, closed_loop=closed_loop, seed=1140))
        client = WebsocketClientPolicy("127.0.0.1", next(serving))
        assert client.get_server_metadata()["closed_loop"] is closed_loop
        answers = [client.infer({"observation/image": frame, "prompt": PROMPT}) for frame in frames]
        ours = [answer["arc_fabric"] for answer in answers]
        assert [answer["closed_loop"] for answer in ours] == [False] + [closed_loop] * 7
        episode = fabric.session(ours[0]["session_id"])
        assert fabric.checkpoint(ours[-1]["checkpoint_id"]).lineage[1:] == [answer["checkpoint_id"] for answer in ours]
        assert [node.observed for node in episode.tree()] == [0, 0] + [8 * closed_loop] * 7
        seen = [[frames[max(0, i)] for i in range(-3, 5)]] if closed_loop else None
        fork = episode.fork(ours[3]["checkpoint_id"])
        fork.step(observed=seen)
        assert np.array_equal(np.float32(fabric.checkpoint(str(fork.head)).actions), answers[4]["actions"])
        if closed_loop:
            again = fork.observed(str(fork.head))
            assert np.array_equal(again[:, 0], np.stack(seen[0]))
        client._ws.close()
        next(serving, None)
        assert episode.refresh().state == "closed"
        fork.close()
    model = load_model("tabletop", "cpu")
    assert model.action_head.seed == 1140
    plain = plain_run(model, frames) if closed_loop else open_run(model, frames[0])
    for answer, actions in zip(answers, plain, strict=True):
        assert np.array_equal(answer["actions"], actions)


def open_run(model: Any, frame: np.ndarray) -> list[np.ndarray]:
    """Eight steps from the first frame on."""
    session = Session("plain", model, StateManager(model), PROMPT, frame)
    return [session.step().actions for _ in range(8)]


def test_a_720p_camera_and_a_client_that_comes_back(stack: Any) -> None:
    """Pictures are scaled before they travel; a reconnect goes on in the same session, a checkpoint is resumed."""
    frames = [np.random.default_rng(i).integers(0, 256, (720, 1280, 3), dtype=np.uint8) for i in range(3)]
    with ArcFabric(stack.url) as fabric:
        serving = serve_on(RemoteBackend(fabric, seed=1140))
        port = next(serving)
        first = WebsocketClientPolicy("127.0.0.1", port)
        known = [first.infer({"observation/image": f, "prompt": PROMPT, "session_id": "a"}) for f in frames[:2]]
        first._ws.close()
        again = WebsocketClientPolicy("127.0.0.1", port)
        known.append(again.infer({"observation/image": frames[2], "prompt": PROMPT, "session_id": "a"}))
        ours = [answer["arc_fabric"] for answer in known]
        assert [(one["session_id"], one["frame_index"]) for one in ours] == [
            (ours[0]["session_id"], n) for n in (1, 2, 3)
        ]
        message = {
            "observation/image": frames[2],
            "prompt": PROMPT,
            "session_id": "b",
            "resume": ours[1]["checkpoint_id"],
        }
        resumed = again.infer(message)["arc_fabric"]
        assert resumed["frame_index"] == 3 and resumed["session_id"] != ours[0]["session_id"]
        again._ws.close()
        next(serving, None)
