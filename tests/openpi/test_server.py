"""The real openpi-client drives episodes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import websockets.sync.client
from openpi_client import msgpack_numpy
from openpi_client.websocket_client_policy import WebsocketClientPolicy

from arc_fabric import Session, StateManager, TrajectoryTree
from arc_fabric.errors import Forbidden, InvalidRequest
from arc_fabric.models.registry import load_model
from arc_fabric.openpi.local import LocalBackend
from arc_fabric.openpi.server import make_server
from arc_fabric.services.parts import openpi_service
from arc_fabric.services.ports import free_ports
from arc_fabric.settings import load_settings
from tests.sdk.worlds import OTHER, PROMPT
from tests.support.toy_model import ToyModel
from tests.support.waiting import eventually

Connect = Callable[..., WebsocketClientPolicy]


@pytest.fixture
def backend() -> Iterator[LocalBackend]:
    """The toy model, with a tree."""
    model = ToyModel()
    backend = LocalBackend(model, StateManager(model, tree=TrajectoryTree()))
    yield backend
    backend.close()


@pytest.fixture
def port(backend: LocalBackend) -> Iterator[int]:
    """A server on it."""
    yield from serve_on(backend)


def serve_on(backend: object, **options: str) -> Iterator[int]:
    """Serve in a thread, on a free port."""
    server = make_server(backend, port=0, **options)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.socket.getsockname()[1]
    server.shutdown()
    thread.join(10)


def observation(i: int, **more: object) -> dict:
    """One frame and a prompt."""
    return {"observation/image": ToyModel.sample_frame(i), "prompt": PROMPT} | more


def test_the_server_speaks_first(port: int) -> None:
    """Metadata with RoboArena's fields and the model's sizes."""
    metadata = WebsocketClientPolicy("127.0.0.1", port).get_server_metadata()
    assert metadata["action_horizon"] == 8
    assert metadata["image_resolution"] == [32, 32]
    assert metadata["needs_session_id"] is True
    assert (metadata["model"], metadata["closed_loop"]) == ("toy", True)


def test_an_episode_of_eight_calls(backend: LocalBackend, port: int) -> None:
    """Eight checkpoints under a root, a fork from call 4, and the actions of a plain run."""
    client = WebsocketClientPolicy("127.0.0.1", port)
    answers = [client.infer(observation(i)) for i in range(8)]
    ids = [answer["arc_fabric"]["checkpoint_id"] for answer in answers]
    assert [node.frame_index for node in backend.manager.tree.get_lineage(ids[-1])] == list(range(9))
    for answer, plain in zip(answers, plain_run(ToyModel(), [ToyModel.sample_frame(i) for i in range(8)]), strict=True):
        assert np.array_equal(answer["actions"], plain)
    fork = backend.run(lambda: Session.from_checkpoint("fork", backend.model, backend.manager, ids[3]))
    seen = np.stack([ToyModel.sample_frame(i) for i in (0, 0, 0, 0, 1, 2, 3, 4)])
    again = backend.run(lambda: fork.step(observed=seen))
    assert np.array_equal(again.actions, answers[4]["actions"])
    assert not np.array_equal(backend.run(fork.step).actions, answers[5]["actions"])


def plain_run(model: object, frames: list[np.ndarray]) -> list[np.ndarray]:
    """The same episode without a server: each call sees the last eight frames, padded with the first."""
    session = Session("plain", model, StateManager(model), PROMPT, frames[0])
    actions = [session.step().actions]
    for i in range(1, len(frames)):
        seen = frames[max(0, i - 7) : i + 1]
        seen = [seen[0]] * (8 - len(seen)) + seen
        actions.append(session.step(observed=np.stack(seen)).actions)
    return actions


def test_the_tabletop_model_as_a_policy() -> None:
    """Eight calls of the real client; its actions are those of a plain run."""
    model = load_model("tabletop", "cpu")
    frames = [np.roll(next(iter(model.samples().values())), i, axis=1) for i in range(8)]
    backend = LocalBackend(model)
    serving = serve_on(backend)
    client = WebsocketClientPolicy("127.0.0.1", next(serving))
    answers = [client.infer({"observation/image": frame, "prompt": PROMPT}) for frame in frames]
    next(serving, None)
    backend.close()
    assert len(backend.manager.list_checkpoints()) == 9
    for answer, plain in zip(answers, plain_run(model, frames), strict=True):
        assert np.array_equal(answer["actions"], plain)


def test_the_roboarena_dialect(backend: LocalBackend, port: int) -> None:
    """`endpoint` infer gives the bare array, reset a text; a new session_id is a new episode."""
    with websockets.sync.client.connect(f"ws://127.0.0.1:{port}", compression=None, max_size=None) as socket:
        msgpack_numpy.unpackb(socket.recv())

        def ask(**message: object) -> object:
            socket.send(msgpack_numpy.packb(message))
            answer = socket.recv()
            return answer if isinstance(answer, str) else msgpack_numpy.unpackb(answer)

        views = {
            "observation/exterior_image_0_left": ToyModel.sample_frame(0),
            "observation/wrist_image_left": ToyModel.sample_frame(1),
            "observation/joint_position": np.zeros(7),
            "observation/gripper_position": np.zeros(1),
        }
        first = ask(endpoint="infer", prompt=PROMPT, session_id=np.array(["a"]), **views)
        assert first.shape == (8, 4)
        second = ask(endpoint="infer", prompt=PROMPT, session_id="a", **views)
        assert not np.array_equal(first, second)
        assert np.array_equal(ask(endpoint="infer", prompt=PROMPT, session_id="b", **views), first)
        assert ask(endpoint="reset") == "reset successful"
        assert np.array_equal(ask(endpoint="infer", prompt=PROMPT, session_id="b", **views), first)
    assert len(backend.manager.tree.roots) == 3


def test_state_and_prompt_count(backend: LocalBackend, port: int) -> None:
    """A state of the model's width conditions; another robot's is ignored and the answer says so."""
    client = WebsocketClientPolicy("127.0.0.1", port)
    plain = client.infer(observation(0, session_id="a"))
    stated = client.infer(observation(0, session_id="b", **{"observation/state": np.ones(4)}))
    foreign = client.infer(observation(0, session_id="c", **{"observation/state": np.ones(9)}))
    other = client.infer(observation(0, session_id="d") | {"prompt": OTHER})
    assert [a["arc_fabric"]["state_used"] for a in (plain, stated, foreign)] == [False, True, False]
    assert np.array_equal(plain["actions"], foreign["actions"])
    assert not np.array_equal(plain["actions"], stated["actions"])
    assert not np.array_equal(plain["actions"], other["actions"])


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ({"prompt": "x"}, "no picture"),
        ({"observation/image": np.zeros((4, 4, 3), np.float32)}, "uint8"),
        ({"observation/image": np.zeros((4, 4, 3), np.uint8), "prompt": 7}, "prompt must be a string"),
        ({"observation/image": np.zeros((4, 4, 3), np.uint8), "endpoint": "dance"}, "no endpoint"),
    ],
)
def test_bad_observations_are_answered_and_the_episode_goes_on(port: int, bad: dict, says: str) -> None:
    """The client raises what the server said; its next call works."""
    client = WebsocketClientPolicy("127.0.0.1", port)
    client.infer(observation(0))
    with pytest.raises(RuntimeError, match=says):
        client.infer(bad)
    assert client.infer(observation(1))["arc_fabric"]["frame_index"] == 2


def test_a_model_that_fails_leaves_the_episode_where_it_was(backend: LocalBackend, port: int) -> None:
    """The call can be made again with the same result."""
    client = WebsocketClientPolicy("127.0.0.1", port)
    client.infer(observation(0, session_id="a"))
    expected = client.infer(observation(1, session_id="a"))
    client.infer(observation(0, session_id="b"))
    for _ in range(5):  # a frame that counted twice would move the ones before it out of the toy model's sight
        backend.model.fault = "denoise"
        with pytest.raises(RuntimeError, match="injected fault"):
            client.infer(observation(1, session_id="b"))
    again = client.infer(observation(1, session_id="b"))
    assert again["arc_fabric"]["frame_index"] == 2
    assert np.array_equal(again["actions"], expected["actions"])


def test_two_clients_at_once(port: int) -> None:
    """Each connection is an episode of its own."""
    a, b = (WebsocketClientPolicy("127.0.0.1", port) for _ in range(2))
    for i in range(3):
        left, right = a.infer(observation(i)), b.infer(observation(i))
        assert np.array_equal(left["actions"], right["actions"])
        assert left["arc_fabric"]["session_id"] != right["arc_fabric"]["session_id"]


def test_health_keys_and_loopback(backend: LocalBackend) -> None:
    """Health needs no key; a client does; nothing listens on all addresses without one."""
    serving = serve_on(backend, api_key="secret")
    port = next(serving)
    assert urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5).read() == b"OK\n"
    with pytest.raises(websockets.exceptions.InvalidStatus):
        WebsocketClientPolicy("127.0.0.1", port)
    assert WebsocketClientPolicy("127.0.0.1", port, api_key="secret").infer(observation(0))
    next(serving, None)
    with pytest.raises(Forbidden):
        make_server(backend, "0.0.0.0", 0)


@pytest.mark.parametrize("host", ["elsewhere.example", "127.0.0.1.elsewhere.example", "", "10.0.0.1"])
def test_pages_are_refused(port: int, host: str) -> None:
    """Without a key by their Host, which a name of theirs may lead here; with one or without by their Origin."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as sock:
        sock.sendall(HANDSHAKE.format(host=host, more="").encode())
        assert sock.recv(4096).startswith(b"HTTP/1.1 403")
    with socket.create_connection(("127.0.0.1", port), timeout=30) as sock:
        sock.sendall(HANDSHAKE.format(host=f"127.0.0.1:{port}", more="Origin: http://127.0.0.1\r\n").encode())
        assert sock.recv(4096).startswith(b"HTTP/1.1 403")
    with socket.create_connection(("127.0.0.1", port), timeout=30) as sock:
        sock.sendall(HANDSHAKE.format(host=f"localhost:{port}", more="").encode())
        assert sock.recv(4096).startswith(b"HTTP/1.1 101")


def test_a_crowd_that_says_nothing_does_not_end_the_server(
    backend: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond its bound connections are ended as they come; when the crowd has gone it serves as before. Those that were
    there are not touched."""
    monkeypatch.setattr("arc_fabric.openpi.server.MAX_CONNECTIONS", 8)
    for port in serve_on(backend):
        first = WebsocketClientPolicy("127.0.0.1", port)
        crowd = [socket.create_connection(("127.0.0.1", port), timeout=30) for _ in range(40)]
        assert sum(_ended(sock) for sock in crowd) >= 30
        assert first.infer(observation(0))["actions"] is not None
        for sock in crowd:
            sock.close()
        eventually(lambda port=port: _served(port), 60)  # type: ignore[misc]


def _ended(sock: socket.socket) -> bool:
    sock.settimeout(0.3)
    try:
        return sock.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def _served(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as sock:
        sock.sendall(HANDSHAKE.format(host=f"localhost:{port}", more="").encode())
        try:
            return sock.recv(4096).startswith(b"HTTP/1.1 101")
        except OSError:
            return False


HANDSHAKE = (
    "GET / HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n{more}\r\n"
)


def test_a_token_is_not_lent_to_anyone_who_connects() -> None:
    """The endpoint of a system with tokens needs a key of its own, whoever starts it."""
    env = {**os.environ, "ARC_FABRIC_TOKEN": "a-token-of-sixteen", "ARC_FABRIC_OPENPI_KEY": ""}
    command = [sys.executable, "-m", "arc_fabric.openpi", "--url", "http://127.0.0.1:1", "--port", "0"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert "ARC_FABRIC_OPENPI_KEY" in done.stderr
    settings = load_settings(tokens="doer:write:a-token-of-sixteen", openpi_port=free_ports(1)[0])
    with pytest.raises(InvalidRequest, match="token of ours"):
        openpi_service(settings, "http://127.0.0.1:1")
