"""Evaluations on real workers: every variant once, whatever dies; errors apart from failures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from arc_fabric.evaluation.plan import Plan, ScorerUse
from arc_fabric.evaluation.stored import move_rows, read_groups, read_rows
from arc_fabric.ids import new_id
from arc_fabric.ledger import EvaluationRecord
from arc_fabric.ledger.core import keys
from arc_fabric.ledger.evaluations import Settled
from arc_fabric.services.valkey import ValkeyServer
from arc_fabric.services.weed import WeedServer
from arc_fabric.settings import load_settings
from tests.support.waiting import eventually
from tests.workers.conftest import TOY, Fleet


@pytest.fixture(scope="module")
def stage(
    redis_server: ValkeyServer, s3_server: WeedServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Fleet, str]]:
    """A model worker, a media worker and a checkpoint at step 1, for the tests of this module that kill nobody."""
    settings = load_settings(
        data_dir=tmp_path_factory.mktemp("stage"), redis_url=redis_server.database(62),
        s3_bucket="arc-fabric", devices="cpu", model=TOY, **s3_server.credentials.settings(s3_server.endpoint),
    )  # fmt: skip
    made = Fleet(settings)
    made.ledger.redis.flushdb()
    made.start("gpu.0", wait=False)
    made.start("media", ARC_FABRIC_SCORER_SECONDS="3")
    made.wait_up("gpu.0")
    yield made, _checkpoint(made)
    made.close()


def _checkpoint(fleet: Fleet) -> str:
    return str((fleet.step(fleet.create()).result or {})["head"])


def _evaluate(fleet: Fleet, at: str, **values: Any) -> str:
    plan = Plan(checkpoints=[at], **({"steps": 2, "seeds": list(range(6))} | values))
    record = EvaluationRecord(id=new_id("evl"), total=plan.total)
    return fleet.ledger.evaluations.create(record, plan.model_dump_json()).id


def _over(fleet: Fleet, id_: str, state: str = "finished") -> Any:
    eventually(lambda: fleet.ledger.evaluations.get(id_).state == state, 120)
    eventually(lambda: id_ not in fleet.ledger.evaluations.active(), 30)
    return fleet.ledger.evaluations.get(id_)


def test_every_variant_is_made_and_judged_once(stage: tuple[Fleet, str]) -> None:
    fleet, at = stage
    found = _over(fleet, id_ := _evaluate(fleet, at, scorers=[{"name": "motion", "options": {"least": 0.0}}]))
    assert (found.done, found.good, found.errors, found.steps) == (6, 6, 0, 12)
    rows = read_rows(fleet.ledger, fleet.store, id_)
    assert [row["variant"] for row in rows] == list(range(6))
    assert len({row["head"] for row in rows}) == 6
    assert fleet.ledger.evaluations.rows(id_) == {}, "what rests is in object storage"
    head = fleet.ledger.nodes.get(rows[0]["head"])
    assert (head.score, head.failed, head.frame_index) == (rows[0]["score"], False, 3)


def test_the_conductor_may_die(fleet: Fleet) -> None:
    """kill -9 of the media worker in the middle, twice: no variant is lost or made twice."""
    fleet.start("gpu.0")
    fleet.start("media")
    at = _checkpoint(fleet)
    id_ = _evaluate(fleet, at, seeds=list(range(24)), scorers=[{"name": "smoothness"}])
    for done in (4, 12):
        eventually(lambda done=done: fleet.ledger.evaluations.get(id_).done >= done, 60)
        fleet.kill("media")
        fleet.start("media")
    found = _over(fleet, id_)
    rows = read_rows(fleet.ledger, fleet.store, id_)
    assert found.done == len(rows) == 24
    jobs = fleet.ledger.jobs.page(limit=100, kind="fork").items
    assert sorted(job.id for job in jobs) == sorted(row["job_id"] for row in rows), "one job per variant"


def test_errors_are_apart_and_can_be_tried_again(stage: tuple[Fleet, str]) -> None:
    fleet, at = stage
    id_ = _evaluate(fleet, at, scorers=[{"name": "tests.workers.threads.scorers:raises_on_odd"}])
    found = _over(fleet, id_)
    assert (found.done, found.good, found.bad, found.errors) == (6, 3, 0, 3)
    rows = read_rows(fleet.ledger, fleet.store, id_)
    assert "RuntimeError: odd" in rows[1]["error"]["message"]
    fleet.ledger.evaluations.change(id_, "running", again=[1, 3, 5])
    found = _over(fleet, id_)
    assert (found.done, found.errors) == (6, 3), "tried again: they fail again"


def test_a_scorer_that_hangs_costs_its_time_and_no_more(stage: tuple[Fleet, str]) -> None:
    fleet, at = stage
    id_ = _evaluate(fleet, at, seeds=[0, 1], scorers=[{"name": "tests.workers.threads.scorers:hangs"}])
    assert _over(fleet, id_).errors == 2
    assert "no answer within 3 s" in json.dumps(read_rows(fleet.ledger, fleet.store, id_))
    assert _over(fleet, _evaluate(fleet, at, seeds=[0])).done == 1, "the next evaluation is judged"


def test_cancel_gives_back_and_resume_makes_only_what_is_missing(stage: tuple[Fleet, str]) -> None:
    fleet, at = stage
    id_ = _evaluate(fleet, at, seeds=list(range(20)))
    eventually(lambda: fleet.ledger.evaluations.get(id_).done >= 3, 60)
    fleet.ledger.evaluations.change(id_, "cancelled")
    eventually(lambda: id_ not in fleet.ledger.evaluations.active(), 30)
    kept = {row["variant"]: row["head"] for row in read_rows(fleet.ledger, fleet.store, id_)}
    assert 3 <= len(kept) < 20
    assert fleet.ledger.counts()["jobs_unfinished"] == 0
    fleet.ledger.evaluations.change(id_, "running")
    assert _over(fleet, id_).done == 20
    rows = {row["variant"]: row["head"] for row in read_rows(fleet.ledger, fleet.store, id_)}
    assert {number: rows[number] for number in kept} == kept, "results stay as they were"


def test_limits_stop_it(stage: tuple[Fleet, str]) -> None:
    fleet, at = stage
    id_ = _evaluate(fleet, at, seeds=list(range(50)), max_steps=6)
    found = _over(fleet, id_, "stopped")
    assert found.why is not None
    assert "the plan allows 6" in found.why
    assert 3 <= found.done < 50
    fleet.ledger.evaluations.change(id_, "running")
    again = _over(fleet, id_, "stopped")
    assert again.steps >= found.steps + 6, "a resumed one has its limits anew"


def test_a_variant_that_cannot_fork_is_an_error(stage: tuple[Fleet, str]) -> None:
    fleet, _ = stage
    found = _over(fleet, _evaluate(fleet, new_id("ckp"), seeds=[0, 1]))
    assert (found.done, found.errors) == (2, 2)


def test_rows_move_without_being_lost(stage: tuple[Fleet, str]) -> None:
    """Dying between writing a part and forgetting its rows leaves them in both: they are read once."""
    fleet, _ = stage
    plan = Plan(checkpoints=[new_id("ckp")], steps=1).model_dump_json()
    id_ = fleet.ledger.evaluations.create(EvaluationRecord(id=new_id("evl"), total=2, state="cancelled"), plan).id
    for number in "01":  # as if they were taken before
        fleet.ledger.redis.hset(keys.evaluation_running(id_), number, "job_x")
    rows = [Settled(n, json.dumps({"variant": n, "score": n})) for n in range(2)]
    fleet.ledger.evaluations.settle(id_, rows)
    drop, fleet.ledger.evaluations.drop_rows = fleet.ledger.evaluations.drop_rows, lambda *_: None  # type: ignore[method-assign]
    move_rows(fleet.ledger, fleet.store, id_)
    assert [row["score"] for row in read_rows(fleet.ledger, fleet.store, id_)] == [0, 1]
    fleet.ledger.evaluations.drop_rows = drop  # type: ignore[method-assign]
    move_rows(fleet.ledger, fleet.store, id_)
    assert fleet.ledger.evaluations.rows(id_) == {}
    assert [row["score"] for row in read_rows(fleet.ledger, fleet.store, id_)] == [0, 1]


def _rescore(fleet: Fleet, source: str, **values: Any) -> str:
    plan = Plan.model_validate_json(fleet.ledger.evaluations.plan(source)).model_copy(
        update={"mark": False, **values, "scorers": [ScorerUse(**use) for use in values["scorers"]]}
    )
    numbers = [row["variant"] for row in read_rows(fleet.ledger, fleet.store, source)]
    record = EvaluationRecord(id=new_id("evl"), total=len(numbers), rescores=source)
    return fleet.ledger.evaluations.create(record, plan.model_dump_json(), numbers).id


def test_a_stored_run_is_judged_anew_and_nothing_is_stepped(stage: tuple[Fleet, str]) -> None:
    fleet, at = stage
    source = _evaluate(fleet, at, scorers=[{"name": "motion", "options": {"least": 255.0}}])
    assert _over(fleet, source).bad == 6
    before = fleet.ledger.counts()["jobs"]
    again = _rescore(fleet, source, scorers=[{"name": "motion", "options": {"least": 0.0}}, {"name": "smoothness"}])
    found = _over(fleet, again)
    assert (found.done, found.good, found.steps) == (6, 6, 0)
    assert fleet.ledger.counts()["jobs"] == before, "no job was made"
    old, new = (read_rows(fleet.ledger, fleet.store, id_) for id_ in (source, again))
    assert [row["head"] for row in old] == [row["head"] for row in new]
    assert [row["score"] for row in old] == [row["score"] for row in new], "the same frames"
    assert [score["name"] for score in new[0]["scores"]] == ["motion", "smoothness"]
    assert new[0]["scores"][0]["version"]
    assert fleet.ledger.nodes.get(old[0]["head"]).failed, "the first verdict's mark stays"


def test_groups_of_seeds_are_judged_once_all_are_made(stage: tuple[Fleet, str]) -> None:
    fleet, at = stage
    scorers = [{"name": "smoothness"}, {"name": "seed_spread", "options": {"limit": 1000.0}}]
    id_ = _evaluate(fleet, at, prompts=["a", "b"], seeds=[0, 1, 2], scorers=scorers)
    found = _over(fleet, id_)
    assert (found.done, found.errors) == (6, 0)
    groups = read_groups(fleet.store, id_)
    assert [(group["prompt"], group["seeds"]) for group in groups] == [("a", [0, 1, 2]), ("b", [0, 1, 2])]
    (score,) = groups[0]["scores"]
    assert score["value"] > 0
    assert score["verdict"] is True
    rows = read_rows(fleet.ledger, fleet.store, id_)
    assert [one["name"] for one in rows[0]["scores"]] == ["smoothness"], "of single variants it says nothing"


def test_groups_whose_branches_are_gone_hold_nothing_up(stage: tuple[Fleet, str]) -> None:
    fleet, _ = stage
    at = _checkpoint(fleet)
    id_ = _evaluate(fleet, at, seeds=[0, 1, 2], scorers=[{"name": "seed_spread"}])
    _over(fleet, id_)
    tree = fleet.ledger.nodes.get(at).tree_id
    fleet.ledger.erasing.doom(tree, close=True)
    assert fleet.ledger.erasing.erase(tree, seconds=30)
    fleet.ledger.evaluations.change(id_, "running", again=[0])
    _over(fleet, id_)
    made = [row["state"] for row in read_rows(fleet.ledger, fleet.store, id_)]
    assert made == ["error", "made", "made"], "the first cannot be made again, the others are known from before"
    ((score,),) = [group["scores"] for group in read_groups(fleet.store, id_)]
    assert "NotFound" in score["error"]["message"]


def test_what_is_lent_and_not_made_is_lent_again(stage: tuple[Fleet, str]) -> None:
    """Policies from outside: a variant whose maker is gone goes to the next one; a late result counts for nothing."""
    fleet, at = stage
    id_ = _evaluate(fleet, at, seeds=[3, 4], policies=[{"name": "mine"}], scorers=[{"name": "motion"}])
    evaluations = fleet.ledger.evaluations
    assert evaluations.lend(id_, 5, "gone", 0.5) == [0, 1]
    mine = eventually(lambda: evaluations.lend(id_, 5, "me", 60.0), 30)
    if len(mine) < 2:
        mine += eventually(lambda: evaluations.lend(id_, 5, "me", 60.0), 30)
    assert sorted(mine) == [0, 1]
    assert not evaluations.made(id_, "gone", 0, json.dumps({"head": at, "error": None}))
    assert evaluations.renew(id_, "me", 60.0, [0, 1, 7]) == [0, 1]
    _, job = fleet.fork(at, seed=3, steps=2, bulk=True)
    head = (fleet.done(job).result or {})["head"]
    assert evaluations.made(id_, "me", 0, json.dumps({"head": head, "error": None}))
    assert evaluations.made(id_, "me", 1, json.dumps({"head": None, "error": {"type": "PolicyFailed", "message": "x"}}))
    found = _over(fleet, id_)
    assert (found.done, found.errors, found.steps) == (2, 1, 2)
    rows = read_rows(fleet.ledger, fleet.store, id_)
    assert (rows[0]["head"], rows[0]["policy"], rows[0]["steps"], rows[0]["state"]) == (head, "mine", 2, "made")


def test_it_stops_once_the_rate_is_known_well_enough(stage: tuple[Fleet, str]) -> None:
    fleet, at = stage
    id_ = _evaluate(fleet, at, steps=1, seeds=list(range(40)), stop_when_within=0.5,
                    scorers=[{"name": "motion", "options": {"least": 0.0}}])  # fmt: skip
    found = _over(fleet, id_, "stopped")
    assert 4 <= found.done < 40
    assert "within 0.5" in found.why
