"""A client that comes back, large pictures, and what is answered to wrong input; on the toy model in this process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest
from openpi_client.websocket_client_policy import WebsocketClientPolicy

from arc_fabric import Session, StateManager
from arc_fabric.errors import InvalidRequest
from arc_fabric.openpi import server
from arc_fabric.openpi.backend import frames_for, scaled
from arc_fabric.openpi.local import LocalBackend
from tests.openpi.test_server import observation, serve_on
from tests.sdk.worlds import PROMPT
from tests.support.toy_model import ToyModel


@pytest.fixture
def backend() -> Iterator[LocalBackend]:
    """The toy model."""
    backend = LocalBackend(ToyModel())
    yield backend
    backend.close()


@pytest.fixture
def port(backend: LocalBackend) -> Iterator[int]:
    """A server on it."""
    yield from serve_on(backend)


def ours(answer: dict) -> tuple[str, int]:
    """Session and step of an answer."""
    return answer["arc_fabric"]["session_id"], answer["arc_fabric"]["frame_index"]


def test_a_client_that_reconnects_goes_on_where_it_was(port: int) -> None:
    """By the name of its episode; the actions are those of a connection that held. `reset` begins anew."""
    held = WebsocketClientPolicy("127.0.0.1", port)
    expected = [held.infer(observation(i, session_id="held")) for i in range(3)]
    first = WebsocketClientPolicy("127.0.0.1", port)
    answers = [first.infer(observation(i, session_id="a")) for i in range(2)]
    first._ws.close()
    second = WebsocketClientPolicy("127.0.0.1", port)
    answers.append(second.infer(observation(2, session_id="a")))
    assert [ours(answer) for answer in answers] == [(ours(answers[0])[0], n) for n in (1, 2, 3)]
    assert all(np.array_equal(x["actions"], y["actions"]) for x, y in zip(answers, expected, strict=True))
    second.infer(observation(0, session_id="b"))
    assert ours(second.infer(observation(3, session_id="a"))) == (ours(answers[0])[0], 4)


def test_a_half_open_connection_is_taken_over(port: int) -> None:
    """The old one has not noticed that it is dead; its end does not end the episode."""
    old, new = (WebsocketClientPolicy("127.0.0.1", port) for _ in range(2))
    session = ours(old.infer(observation(0, session_id="a")))[0]
    assert ours(new.infer(observation(1, session_id="a"))) == (session, 2)
    old._ws.close()
    assert ours(new.infer(observation(2, session_id="a"))) == (session, 3)


@pytest.mark.parametrize("what", ["session_id", "checkpoint_id"])
def test_an_episode_resumes_a_session_or_a_checkpoint(port: int, what: str) -> None:
    """By the ids that every answer has; what is not there is named."""
    client = WebsocketClientPolicy("127.0.0.1", port)
    known = client.infer(observation(0, session_id="a"))["arc_fabric"]
    later = WebsocketClientPolicy("127.0.0.1", port).infer(observation(1, **{"resume": known[what]}))
    assert later["arc_fabric"]["frame_index"] == 2
    with pytest.raises(RuntimeError, match="ses_nobody"):
        client.infer(observation(1, session_id="z", **{"resume": "ses_nobody"}))


@pytest.mark.parametrize("shape", [(720, 1280, 3), (3, 480, 640, 3), (1, 400, 300, 3)])
def test_large_pictures_are_scaled_to_cover_the_models(shape: tuple[int, ...]) -> None:
    """In their proportions; small ones stay as they are."""
    small = scaled(np.full(shape, 9, np.uint8), (64, 64))
    tall, wide = small.shape[-3:-1]
    assert min(tall, wide) == 64 and abs(wide / tall - shape[-2] / shape[-3]) < 0.02 and (small == 9).all()
    tiny = np.zeros((32, 32, 3), np.uint8)
    assert frames_for(tiny, 1, (64, 64)) is tiny


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"prompt": ""}, "needs a prompt"),
        ({"prompt": "x" * 5000}, "5000 characters; at most 2000"),
        ({"observation/state": [1.0, float("nan"), 0.0, 0.0]}, "observation/state has numbers that are not finite"),
        ({"observation/state": [[1.0], [2.0, 3.0]]}, "observation/state is not an array of numbers"),
        ({"observation/image": np.zeros((4, 4), np.uint8)}, "observation/image must be uint8"),
        ({"observation/wrist_image": np.zeros((4, 4, 3), np.uint8)},
         r"one shape, got observation/image \[1, 32, 32, 3\], observation/wrist_image \[1, 4, 4, 3\]"),
    ],
)  # fmt: skip
def test_wrong_input_is_named_by_what_the_client_sent(port: int, more: dict, says: str) -> None:
    """An InvalidRequest, not the traceback of a library."""
    with pytest.raises(RuntimeError, match=f"InvalidRequest: .*{says}"):
        WebsocketClientPolicy("127.0.0.1", port).infer(observation(0, **more))


def test_a_message_that_is_too_large_is_answered(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection and its episode stay."""
    monkeypatch.setattr(server, "MAX_MESSAGE_BYTES", 10_000)
    client = WebsocketClientPolicy("127.0.0.1", port)
    client.infer(observation(0))
    with pytest.raises(RuntimeError, match=r"PayloadTooLarge: .*at most 10000"):
        client.infer(observation(1) | {"observation/image": np.zeros((100, 100, 3), np.uint8)})
    assert client.infer(observation(1))["arc_fabric"]["frame_index"] == 2


@pytest.mark.parametrize("seed", [1 << 63, -(1 << 64), 1.5, "7"])
def test_a_seed_that_no_generator_takes_is_refused(seed: object) -> None:
    """By the SDK, in its words."""
    model = ToyModel()
    with pytest.raises(InvalidRequest, match="seed"):
        Session("ses", model, StateManager(model), PROMPT, ToyModel.sample_frame(), seed=seed)


def test_warming_up_leaves_nothing(backend: LocalBackend) -> None:
    """The first episode is that of a server that was not warmed up."""
    backend.warm_up()
    assert backend.model.calls == 2 and not backend.manager.list_checkpoints()
    cold = LocalBackend(ToyModel())
    runs = []
    for one in (backend, cold):
        serving = serve_on(one)
        client = WebsocketClientPolicy("127.0.0.1", next(serving))
        runs.append([client.infer(observation(i))["actions"] for i in range(2)])
        next(serving, None)
    cold.close()
    assert all(map(np.array_equal, *runs))


def test_a_seed_beyond_64_bits_is_refused_by_the_command() -> None:
    """In one line that says what to do, before a server is promised."""
    command = [sys.executable, "-m", "arc_fabric.openpi", "--seed", str(1 << 70)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.returncode != 0 and "seed" in done.stderr and "Traceback" not in done.stderr + done.stdout
    assert "policy server at" not in done.stdout
