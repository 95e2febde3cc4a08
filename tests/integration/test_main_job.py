"""The main job over the real path: step, fork, rewind and retry, bit for bit, on both workers."""

from __future__ import annotations

import numpy as np
import pytest

from tests.integration.conftest import Api


def test_fork_with_same_seed_equals_the_trunk_continued(api: Api) -> None:
    """A fork with the same prompt and seed gives the same bits as the source continued; the source is not disturbed."""
    trunk = api.session()
    api.step(trunk["id"], steps=3)
    at = api.ok("GET", f"/api/sessions/{trunk['id']}")
    assert at["frame_index"] == 3
    fork = api.fork(trunk["id"], checkpoint_id=at["head"])
    assert fork["head"] == at["head"]
    api.step(fork["id"], steps=3)
    api.step(trunk["id"], steps=3)
    for n in range(1, 7):
        assert np.array_equal(api.latents(trunk["id"], n), api.latents(fork["id"], n)), f"step {n}"


def test_other_prompt_or_seed_parts_the_branches(api: Api) -> None:
    """Another prompt or another seed changes the first step after the fork, and nothing before it."""
    trunk = api.session()
    api.step(trunk["id"], steps=2)
    head = api.ok("GET", f"/api/sessions/{trunk['id']}")["head"]
    plain = api.fork(trunk["id"], checkpoint_id=head)
    pushed = api.fork(trunk["id"], checkpoint_id=head, new_prompt="push the cup to the left")
    seeded = api.fork(trunk["id"], checkpoint_id=head, new_seed=42)
    for session in (plain, pushed, seeded):
        api.step(session["id"])
    reference = api.latents(plain["id"], 3)
    assert not np.array_equal(reference, api.latents(pushed["id"], 3))
    assert not np.array_equal(reference, api.latents(seeded["id"], 3))
    assert np.array_equal(api.latents(plain["id"], 2), api.latents(seeded["id"], 2))


def test_rewind_then_step_repeats_the_same_bits_and_loses_nothing(api: Api) -> None:
    """After a rewind the same step gives the same latents on a new node; the abandoned nodes stay in the tree."""
    session = api.session()
    api.step(session["id"], steps=4)
    first = [api.latents(session["id"], n) for n in (3, 4)]
    abandoned = api.ok("GET", f"/api/sessions/{session['id']}")["head"]
    job = api.job(api.ok("POST", f"/api/sessions/{session['id']}/rewind", json={"n_steps": 2}))
    assert job["result"]["frame_index"] == 2
    api.step(session["id"], steps=2)
    assert all(np.array_equal(a, api.latents(session["id"], n)) for a, n in zip(first, (3, 4), strict=True))
    nodes = {node["id"]: node for node in api.ok("GET", f"/api/sessions/{session['id']}/tree")["nodes"]}
    assert abandoned in nodes
    assert len(nodes) == 7
    two = next(node for node in nodes.values() if node["frame_index"] == 2)
    assert len(two["children"]) == 2


def test_a_trajectory_crosses_the_window_end_without_a_jump_back(api: Api) -> None:
    """Six steps cross the window of four; frames keep changing smoothly at the seam and never equal the first again."""
    session = api.session()
    api.step(session["id"], steps=6)
    first, before, after = (api.frame(session["id"], n).astype(float) for n in (0, 32, 33))
    assert np.abs(after - before).mean() < max(4.0, np.abs(after - first).mean())
    assert api.ok("GET", f"/api/sessions/{session['id']}")["n_frames"] == 49


def test_given_actions_are_recorded_and_steer(api: Api) -> None:
    """Actions given for a step are kept with the node and change what happens."""
    session = api.session()
    model = api.ok("GET", "/api/model")
    head = session["head"]
    shape = (1, model["geometry"]["action_horizon"], model["geometry"]["action_dim"])
    low, high = np.array(model["geometry"]["action_low"]), np.array(model["geometry"]["action_high"])
    given = np.broadcast_to(low + 0.25 * (high - low), shape)
    other = np.broadcast_to(low + 0.75 * (high - low), shape)
    api.step(session["id"], actions=given.tolist())
    fork = api.fork(session["id"], checkpoint_id=head)
    api.step(fork["id"], actions=other.tolist())
    assert not np.array_equal(api.latents(session["id"], 1), api.latents(fork["id"], 1))
    node = api.ok("GET", f"/api/checkpoints/{api.ok('GET', '/api/sessions/' + session['id'])['head']}")
    assert (node["action_source"], node["steered"]) == ("given", True)
    assert np.allclose(node["actions"], given[0], atol=1e-6)


def test_checkpoint_waits_for_durable(api: Api) -> None:
    """POST checkpoint answers with a checkpoint that is in object storage."""
    session = api.session()
    api.step(session["id"])
    job = api.job(api.ok("POST", f"/api/sessions/{session['id']}/checkpoint", json={"label": "keep"}))
    assert job["result"]["durability"] == "durable"
    node = api.ok("GET", f"/api/checkpoints/{job['result']['checkpoint_id']}")
    assert node["durability"] == "durable"


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz", "/api/model", "/api/workers", "/api/queues", "/api/jobs"])
def test_reading_routes_answer(api: Api, path: str) -> None:
    """Every plain reading route answers 200."""
    assert api.http.get(path).status_code == 200


def test_video_tree_and_d3_tree(api: Api) -> None:
    """The video is an MP4 and the tree comes in both forms."""
    session = api.session()
    api.step(session["id"], steps=2)
    video = api.http.get(f"/api/sessions/{session['id']}/video")
    assert video.status_code == 200
    assert video.headers["content-type"] == "video/mp4"
    assert video.content[4:8] == b"ftyp"
    tree = api.ok("GET", f"/api/sessions/{session['id']}/tree")
    assert [node["frame_index"] for node in sorted(tree["nodes"], key=lambda n: n["frame_index"])] == [0, 1, 2]
    nested = api.ok("GET", f"/api/sessions/{session['id']}/tree", params={"format": "d3"})
    assert nested["children"][0]["children"][0]["frame_index"] == 2


def test_a_queued_job_can_be_cancelled(api: Api) -> None:
    """A cancelled job ends as cancelled and the session stays at its last commit, ready for more."""
    session = api.session()
    answer = api.ok("POST", f"/api/sessions/{session['id']}/step", json={"steps": 500})
    assert api.http.delete(f"/api/jobs/{answer['job']['id']}").status_code in (200, 202)
    job = api.job(answer, state="cancelled")
    after = api.ok("GET", f"/api/sessions/{session['id']}")
    assert after["frame_index"] == job["progress"]["done"] < 500
    api.step(session["id"])
    assert api.ok("GET", f"/api/sessions/{session['id']}")["frame_index"] == after["frame_index"] + 1
