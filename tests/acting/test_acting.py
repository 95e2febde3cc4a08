"""Policies act closed loop in the world of a real system, and their variants are judged like any other."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arc_fabric import StateManager
from arc_fabric.acting import Runner, Seen, acting, searching
from arc_fabric.acting.openpi import OpenPi
from arc_fabric.client import ArcFabric, RemoteEvaluation, RemoteSession
from arc_fabric.errors import Conflict, InvalidRequest, ModelError, ServiceError, SessionLimitReached
from arc_fabric.evaluation.scorers import motion
from arc_fabric.openpi.local import LocalBackend
from arc_fabric.search import best_of
from tests.cli.conftest import Cli
from tests.openpi.test_server import serve_on
from tests.support.toy_model import ToyModel


@pytest.fixture
def sizes(fabric: ArcFabric, trunk: RemoteSession) -> dict[str, int]:
    """How many actions a step takes, and how many numbers each has."""
    geometry = fabric.model()["geometry"]
    return {"horizon": geometry["action_horizon"], "dim": geometry["action_dim"]}


def _evaluate(fabric: ArcFabric, trunk: RemoteSession, names: list[str], **more: Any) -> RemoteEvaluation:
    return fabric.evaluate(
        checkpoints=[trunk.head], steps=2, policies=[{"name": name} for name in names],
        scorers=[{"name": "motion", "options": {"least": 0.0}}], **({"seeds": [1, 2]} | more),
    )  # fmt: skip


def test_a_callable_acts_on_what_it_sees(fabric: ArcFabric, trunk: RemoteSession, sizes: dict[str, int]) -> None:
    seen: list[Seen] = []

    def brave(what: Seen) -> np.ndarray:
        seen.append(what)
        return np.full((3, sizes["dim"]), what.frame.mean() / 255, np.float32)

    evaluation = _evaluate(fabric, trunk, ["brave", "model"])
    makers = {"brave": acting(brave, **sizes), "model": acting(lambda what: None, **sizes)}
    assert Runner(fabric, evaluation, makers).run() == 4
    rows = evaluation.rows()
    assert [(row["policy"], row["seed"], row["state"], row["steps"]) for row in rows] == [
        ("brave", 1, "made", 2), ("model", 1, "made", 2), ("brave", 2, "made", 2), ("model", 2, "made", 2),
    ]  # fmt: skip
    nodes = {node.id: node for node in trunk.tree()}
    first = nodes[str(nodes[rows[0]["head"]].parent)]
    assert [nodes[row["head"]].action_source for row in rows] == ["given", "predicted"] * 2
    assert np.allclose(first.actions, np.full((sizes["horizon"], sizes["dim"]), seen[0].frame.mean() / 255))
    assert np.array_equal(seen[1].frames, trunk.strip(first.id)), "it sees what came of its actions"
    assert (seen[0].step, seen[1].step) == (0, 1)
    assert nodes[rows[0]["head"]].score == rows[0]["score"]
    assert {group["policy"] for group in evaluation.summary()["by"]["policy"]} == {"brave", "model"}


def test_a_search_makes_a_variant_and_leaves_all_it_tried(
    fabric: ArcFabric, trunk: RemoteSession, sizes: dict[str, int]
) -> None:
    evaluation = _evaluate(fabric, trunk, ["best of 3"], seeds=[0])
    before = len(trunk.tree())
    search = searching(lambda explorer, steps: best_of(explorer, steps, seeds=range(3)), partial(motion, least=0.0))
    assert Runner(fabric, evaluation, {"best of 3": search}).run() == 1
    tried = [node for node in trunk.tree()[before:] if node.score is not None]
    assert len(tried) == 3
    (row,) = evaluation.rows()
    assert row["score"] == max(node.score for node in tried)


def test_a_policy_that_fails_is_an_error_of_its_variant(
    fabric: ArcFabric, trunk: RemoteSession, sizes: dict[str, int]
) -> None:
    def odd(what: Seen) -> list[list[float]]:
        if what.step == 1:
            raise RuntimeError("lost")
        return [[0.0] * sizes["dim"]]

    evaluation = _evaluate(fabric, trunk, ["odd", "wrong"], seeds=[1])
    makers = {"odd": acting(odd, **sizes), "wrong": acting(lambda what: [[1.0]], **sizes)}
    assert Runner(fabric, evaluation, makers).run() == 2
    info = evaluation.refresh()
    assert (info.state, info.errors, info.good) == ("finished", 2, 0)
    said = [row["error"]["message"] for row in evaluation.rows()]
    assert "RuntimeError: lost" in said[0]
    assert "expected [n," in said[1]
    assert not [one for one in fabric.sessions("open") if one.id != trunk.id], "nothing stays open"


def test_a_runner_waits_for_a_session_slot(fabric: ArcFabric, trunk: RemoteSession, sizes: dict[str, int]) -> None:
    """That none is free says nothing of a variant."""
    evaluation = _evaluate(fabric, trunk, ["model"], seeds=[1])
    taken: list[RemoteSession] = []
    with pytest.raises(SessionLimitReached):
        while True:
            taken.append(fabric.open(str(trunk.head)))
    later = threading.Timer(1.5, taken[0].close)
    later.start()
    try:
        assert Runner(fabric, evaluation, {"model": acting(lambda what: None, **sizes)}).run() == 1
    finally:
        later.join()
        for one in taken[1:]:
            one.close()
    assert [row["state"] for row in evaluation.rows()] == ["made"]


def test_workers_make_what_has_no_policies(fabric: ArcFabric, trunk: RemoteSession) -> None:
    evaluation = fabric.evaluate(checkpoints=[trunk.head], seeds="0-20", steps=3)
    with pytest.raises(Conflict, match="no policies"):
        Runner(fabric, evaluation, {}).run()
    evaluation.cancel()
    with pytest.raises(InvalidRequest, match="given or chosen"):
        fabric.evaluate(checkpoints=[trunk.head], steps=1, policies=[{"name": "a"}],
                        actions=[{"name": "b", "actions": [[[0.0]]]}])  # fmt: skip


@pytest.fixture
def server() -> Iterator[str]:
    """An OpenPI server with a policy: ours, on the toy model."""
    model = ToyModel()
    backend = LocalBackend(model, StateManager(model))
    for port in serve_on(backend):
        yield f"ws://127.0.0.1:{port}"
    backend.close()


def test_an_openpi_server_acts(fabric: ArcFabric, trunk: RemoteSession, sizes: dict[str, int], server: str) -> None:
    evaluation = _evaluate(fabric, trunk, ["pi"], seeds=[1])
    with OpenPi(server, image="observation/exterior_image_0_left") as policy:
        assert policy.metadata["action_horizon"] == sizes["horizon"]
        assert Runner(fabric, evaluation, {"pi": acting(policy, **sizes)}).run() == 1
    (row,) = evaluation.rows()
    assert row["state"] == "made", row
    assert fabric.checkpoint(row["head"]).action_source == "given"
    with OpenPi(server, image="pixels") as policy, pytest.raises(ModelError, match="no picture"):
        policy(Seen(np.zeros((1, 32, 32, 3), np.uint8), "push it", 0))
    with pytest.raises(ServiceError, match="No policy server"):
        OpenPi("ws://127.0.0.1:9")


def test_the_commands(
    fabric: ArcFabric, trunk: RemoteSession, sizes: dict[str, int], monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], tmp_path: Path,
) -> None:  # fmt: skip
    """A policy of a module acts; what it made is judged anew, seen, and taken to other tools."""
    cli = Cli(monkeypatch, capsys)
    cli.url = fabric.transport.url
    id_ = _evaluate(fabric, trunk, ["still"], seeds=[1]).id
    done = cli("act", id_, "--policy", "still=tests.acting.policies:still", "--json").json
    assert (done["evaluation"]["state"], done["evaluation"]["good"]) == ("finished", 1)
    again = cli("eval", "rescore", id_, "--scorer", "smoothness", "--json").json["evaluation"]
    assert (again["rescores"], again["done"], again["steps"]) == (id_, 1, 0)
    assert cli("eval", "power", "0.5", "0.7", "--json").json == {"seeds": 96}
    assert cli("eval", "video", id_, "-o", str(tmp_path / "grid.webp"), "--json").json["bytes"] > 100
    cli("dataset", id_, "-o", str(tmp_path / "set"))
    assert (tmp_path / "set" / "meta" / "info.json").exists()
    cli("dataset", trunk.id, "--tree", "-o", str(tmp_path / "tree.csv"))
    assert "best: variant 0" in cli("eval", "show", id_).out
    cli("act", id_, "--policy", "still=no.such:thing", code=1)
