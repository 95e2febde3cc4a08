"""Episodes as sessions of a running Arc Fabric."""

from __future__ import annotations

from typing import Any

import numpy as np
from openpi_client.websocket_client_policy import WebsocketClientPolicy

from arc_fabric.client import ArcFabric
from arc_fabric.openpi.remote import RemoteBackend
from tests.openpi.test_server import serve_on
from tests.sdk.worlds import PROMPT


def test_an_episode_is_a_session_with_a_checkpoint_per_call(stack: Any) -> None:
    """Eight calls of the real client, a fork from call 4, and the actions of the session stepped plainly."""
    with ArcFabric(stack.url) as fabric:
        picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        serving = serve_on(RemoteBackend(fabric, seed=11))
        client = WebsocketClientPolicy("127.0.0.1", next(serving))
        assert client.get_server_metadata()["closed_loop"] is False
        answers = [client.infer({"observation/image": picture, "prompt": PROMPT}) for _ in range(8)]
        ids = [answer["arc_fabric"]["checkpoint_id"] for answer in answers]
        episode = fabric.session(answers[0]["arc_fabric"]["session_id"])
        assert fabric.checkpoint(ids[-1]).lineage[1:] == ids
        fork = episode.fork(ids[3], steps=1)
        assert np.array_equal(np.float32(fabric.checkpoint(fork.head).actions), answers[4]["actions"])
        plain = fabric.new_session(PROMPT, picture, seed=11)
        for step, answer in zip(plain.step(8), answers, strict=True):
            assert np.array_equal(np.float32(fabric.checkpoint(step.checkpoint_id).actions), answer["actions"])
        client._ws.close()
        next(serving, None)
        assert episode.refresh().state == "closed"
        for session in (fork, plain):
            session.close()
