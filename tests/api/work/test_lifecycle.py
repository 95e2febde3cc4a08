"""A session's life over HTTP: create, step, fork, rewind, checkpoint, close, and what can be seen meanwhile."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from tests.api.conftest import Made
from tests.support.waiting import eventually
from tests.support.web_server import WebServer


def test_create_answers_with_session_job_and_location(web: WebServer, picture: str) -> None:
    """202 with both records and where to poll; the frame's size is said."""
    answer = web.http.post("/api/sessions", json={"prompt": "p", "initial_frame": picture})
    assert answer.status_code == 202
    body = answer.json()
    assert answer.headers["location"] == f"/api/jobs/{body['job']['id']}"
    assert body["initial_frame"]["width"] == 60
    job = web.ok("GET", f"{answer.headers['location']}?wait=30")
    assert job["state"] == "succeeded"
    assert web.ok("GET", f"/api/sessions/{body['session_id']}")["head"] == job["result"]["checkpoint_id"]


def test_multipart_upload_makes_the_same_session(web: WebServer) -> None:
    """A file in a form works like base64 in JSON."""
    out = io.BytesIO()
    Image.new("RGB", (31, 17), (200, 30, 30)).save(out, "JPEG")
    files = {"initial_frame": ("frame.jpg", out.getvalue(), "image/jpeg")}
    answer = web.ok("POST", "/api/sessions?wait=30", data={"prompt": "17", "seed": "3"}, files=files)
    assert answer["job"]["state"] == "succeeded"
    assert answer["session"]["prompt"] == "17"
    assert answer["session"]["seed"] == 3


def test_steps_make_frames_latents_and_nodes(session: Made) -> None:
    """Two steps: 17 video frames, latents of each step, a tree of three nodes."""
    job = session.step(2)
    assert [step["frame_index"] for step in job["result"]["steps"]] == [1, 2]
    assert session.now()["n_frames"] == 17
    tree = session.web.ok("GET", f"{session.path}/tree")
    assert [node["frame_index"] for node in tree["nodes"]] == [0, 1, 2]
    nested = session.web.ok("GET", f"{session.path}/tree?format=d3")
    assert nested["children"][0]["children"][0]["frame_index"] == 2
    frame = session.web.http.get(f"{session.path}/frames/16")
    assert frame.headers["content-type"] == "image/png"
    strip = session.web.http.get(f"/api/checkpoints/{session.now()['head']}/frames")
    assert strip.headers["x-frames"] == "8"
    whole = np.asarray(Image.open(io.BytesIO(strip.content)))
    one = np.asarray(Image.open(io.BytesIO(frame.content)))
    assert np.array_equal(whole[-one.shape[0] :], one)
    latents = np.load(io.BytesIO(session.web.http.get(f"{session.path}/latents/2").content), allow_pickle=False)
    assert latents.ndim == 5


def test_latents_as_safetensors_equal_the_npy(session: Made) -> None:
    """Both formats hold the same numbers; the safetensors file loads with the standard library."""
    from safetensors.numpy import load

    session.step()
    npy = np.load(io.BytesIO(session.web.http.get(f"{session.path}/latents/1").content), allow_pickle=False)
    tensors = load(session.web.http.get(f"{session.path}/latents/1?format=safetensors").content)
    assert np.array_equal(npy, tensors["latents"])


def test_a_checkpoint_is_forked_at_its_own_address(session: Made) -> None:
    """Without steps the fork is done in the answer, and a repeated key brings it back; with steps it is a job;
    what is wrong is refused as on the older route."""
    web, head = session.web, session.step()["result"]["head"]
    path = f"/api/checkpoints/{head}/fork"
    key = {"Idempotency-Key": head}
    answer = web.http.post(path, headers=key)
    made = answer.json()
    assert (answer.status_code, made["job"]["state"], made["session"]["head"]) == (202, "succeeded", head)
    assert web.http.post(path, headers=key).json()["session_id"] == made["session_id"]
    stepped = web.ok("POST", f"{path}?wait=60", json={"new_prompt": "push the cup", "steps": 2, "bulk": True})
    assert len(stepped["job"]["result"]["steps"]) == 2
    assert web.problem(404, "POST", f"/api/checkpoints/{'ckp_' + '0' * 26}/fork")["code"] == "CheckpointNotFound"
    assert web.problem(422, "POST", path, json={"checkpoint_id": head})["code"] == "InvalidRequest"


def test_a_fork_is_given_its_actions_in_one_request(session: Made) -> None:
    """The fork and its steps are one job; a plan that does not fit is refused, and no session is left behind."""
    web, head = session.web, session.step()["result"]["head"]
    path, sizes = f"/api/checkpoints/{head}/fork", web.ok("GET", "/api/model")["geometry"]
    action = [[0.25] * sizes["action_dim"]] * sizes["action_horizon"]
    made = web.ok("POST", f"{path}?wait=60", json={"actions": [action, None]})
    assert [step["action_source"] for step in made["job"]["result"]["steps"]] == ["given", "predicted"]
    before = web.ok("GET", "/api/sessions")["items"]
    for wrong in ({"actions": [action], "steps": 2}, {"actions": [action[:1]]}):
        assert web.problem(422, "POST", path, json=wrong)["code"] == "InvalidRequest"
    assert [one["id"] for one in web.ok("GET", "/api/sessions")["items"]] == [one["id"] for one in before]


def test_fork_with_the_same_seed_equals_the_trunk(session: Made) -> None:
    """A fork that changes nothing repeats the trunk's bits; with another prompt it parts at the first step."""
    session.step()
    same = session.fork(steps=2)
    other = session.fork(new_prompt="push the cup", steps=2)
    session.step(2)
    heads = ",".join((session.now()["head"], same["head"], other["head"]))
    compared = session.web.ok("GET", f"/api/compare?nodes={heads}")
    trunk, twin, third = heads.split(",")
    assert compared["equal"][f"{trunk}|{twin}"] is True
    assert compared["equal"][f"{trunk}|{third}"] is False
    assert compared["common_frame_index"] == 1
    assert compared["fork_step"] == compared["first_differing_frame_index"] == 2
    assert compared["first_differing_video_frame"] >= 9
    assert compared["series"]["latent"][f"{trunk}|{twin}"] == [0.0, 0.0]
    assert len(compared["series"]["pixel"][f"{trunk}|{third}"]) == 16


def test_rewind_moves_the_head_and_keeps_the_nodes(session: Made) -> None:
    """After a rewind the abandoned nodes are still in the tree, and the session goes on from the ancestor."""
    session.step(3)
    answer = session.web.ok("POST", f"{session.path}/rewind?wait=30", json={"n_steps": 2})
    assert answer["job"]["result"]["frame_index"] == 1
    session.step()
    tree = session.web.ok("GET", f"{session.path}/tree")
    assert sorted(node["frame_index"] for node in tree["nodes"]) == [0, 1, 2, 2, 3]


def test_checkpoint_is_durable_and_labelled(session: Made) -> None:
    """The checkpoint job ends when the head is in object storage; the answer lists what is stored."""
    session.step()
    job = session.web.ok("POST", f"{session.path}/checkpoint?wait=30", json={"label": "keep"})["job"]
    node = session.web.ok("GET", f"/api/checkpoints/{job['result']['checkpoint_id']}")
    assert node["durability"] == "durable"
    assert len(node["lineage"]) == 2
    assert {"manifest.json", "frames.png"} <= set(node["storage"]["objects"])
    manifest = session.web.ok("GET", f"/api/checkpoints/{node['id']}/manifest")
    assert manifest["checkpoint_id"] == node["id"]


def test_node_labels_can_be_changed_and_cleared(session: Made) -> None:
    """PATCH changes what was given; null clears a label."""
    head = session.now()["head"]
    node = session.web.ok("PATCH", f"/api/nodes/{head}", json={"label": "start", "bookmarked": True, "score": 0.5})
    assert (node["label"], node["bookmarked"], node["score"], node["failed"]) == ("start", True, 0.5, False)
    assert (node["score_better"], node["note"], node["tags"]) == (None, None, [])
    said = {"score_better": "lower", "note": "slips at frame 12", "tags": ["slip", "cup"]}
    node = session.web.ok("PATCH", f"/api/nodes/{head}", json=said)
    assert {name: node[name] for name in said} == said
    assert node["label"] == "start"
    cleared = {"score": None, "score_better": None, "note": None, "tags": []}
    node = session.web.ok("PATCH", f"/api/nodes/{head}", json=cleared)
    assert {name: node[name] for name in cleared} == cleared
    assert session.web.ok("PATCH", f"/api/nodes/{head}", json={"label": None})["label"] is None
    session.web.problem(422, "PATCH", f"/api/nodes/{head}", json={})


def test_pin_and_unpin(session: Made) -> None:
    """The node and the checkpoint say it; repeating is no error; unknown ids are 404."""
    head = session.now()["head"]
    for _ in range(2):
        assert session.web.ok("POST", f"/api/checkpoints/{head}/pin")["pinned"] is True
    assert session.web.ok("GET", f"/api/checkpoints/{head}")["pinned"] is True
    assert session.web.ok("GET", f"{session.path}/tree")["nodes"][0]["pinned"] is True
    for _ in range(2):
        assert session.web.ok("POST", f"/api/checkpoints/{head}/unpin")["pinned"] is False
    missing = "ckp_" + "0" * 26
    assert session.web.problem(404, "POST", f"/api/checkpoints/{missing}/pin")["code"] == "NodeNotFound"
    assert session.web.problem(404, "POST", f"/api/checkpoints/{missing}/unpin")["code"] == "NodeNotFound"


def test_closed_sessions_free_their_slot_and_reopen(web: WebServer, picture: str) -> None:
    """Five open sessions; the sixth is a 409 that names the limit; a closed one makes room and can come back."""
    made = [Made(web, picture) for _ in range(5)]
    body = {"prompt": "p", "initial_frame": picture}
    problem = web.problem(409, "POST", "/api/sessions", json=body)
    assert problem["code"] == "SessionLimitReached"
    assert problem["limit"] == 5
    assert web.ok("DELETE", made[0].path)["session"]["state"] == "closed"
    web.problem(409, "POST", f"{made[0].path}/step", json={})
    Made(web, picture)
    web.problem(409, "POST", f"{made[0].path}/reopen")
    web.ok("DELETE", made[1].path)
    assert web.ok("POST", f"{made[0].path}/reopen")["session"]["state"] == "open"


def test_jobs_can_be_listed_waited_for_and_cancelled(session: Made) -> None:
    """Filters and cursors on the list; a cancelled job leaves the session at its last commit, ready for more."""
    web = session.web
    job = web.ok("POST", f"{session.path}/step", json={"steps": 900})["job"]
    assert web.ok("DELETE", f"/api/jobs/{job['id']}")["state"] == "cancelled"
    after = web.ok("GET", f"/api/jobs/{job['id']}?wait=20")
    assert after["progress"]["done"] < 900
    session.step()
    first = web.ok("GET", f"/api/jobs?session={session.id}&limit=1")
    rest = web.ok("GET", f"/api/jobs?session={session.id}&cursor={first['next']}")
    assert [item["kind"] for item in first["items"] + rest["items"]] == ["step", "step", "create"]
    cancelled = web.ok("GET", f"/api/jobs?session={session.id}&state=cancelled")
    assert [item["id"] for item in cancelled["items"]] == [job["id"]]


def test_job_form_takes_any_kind_and_lists(session: Made, picture: str) -> None:
    """One form answers like the kind's own route; a list answers each entry by itself."""
    web = session.web
    one = web.ok("POST", "/api/jobs?wait=30", json={"kind": "step", "session_id": session.id, "params": {"steps": 2}})
    assert one["job"]["state"] == "succeeded"
    forms = [
        {"kind": "rewind", "session_id": session.id, "params": {"n_steps": 1}},
        {"kind": "step", "session_id": "ses_" + "0" * 26},
        {"kind": "step", "session_id": session.id, "params": {"if_head": "ckp_" + "0" * 26}},
        {"kind": "create", "params": {"prompt": "p", "initial_frame": picture}},
    ]
    items = web.ok("POST", "/api/jobs?wait=30", json=forms)["items"]
    assert items[0]["job"]["result"]["frame_index"] == 1
    assert items[1]["problem"]["code"] == "SessionNotFound"
    assert items[2]["problem"]["code"] == "HeadMoved"
    assert items[3]["session"]["state"] == "open"
    head = web.ok("GET", session.path)["head"]
    forks = [{"kind": "fork", "params": {"checkpoint_id": head, "bulk": True, "new_seed": i}} for i in range(60)]
    made = web.ok("POST", "/api/jobs", json=forks)["items"]
    assert len({item["session_id"] for item in made}) == 60
    late = [
        {"kind": "step", "session_id": session.id, "params": {"steps": 3}},
        {"kind": "rewind", "session_id": session.id, "params": {"n_steps": 4}},
    ]
    items = web.ok("POST", "/api/jobs?wait=30", json=late)["items"]
    assert items[1]["job"]["result"]["frame_index"] == 0, "a rewind is checked against what was accepted before it"
    forms[0]["params"] = {"n_steps": "two"}
    problem = web.problem(422, "POST", "/api/jobs", json=forms)
    assert problem["errors"][0]["field"] == "0.params.n_steps"


def test_events_can_be_read_without_a_socket(session: Made) -> None:
    """The events of a step come in order with ids to go on from."""
    before = session.web.ok("GET", f"{session.path}/events?limit=1000")
    session.step()
    after = session.web.ok("GET", f"{session.path}/events?last_id={before['next']}")
    kinds = [event["kind"] for event in after["items"]]
    assert kinds.index("job.queued") < kinds.index("node.committed") < kinds.index("job.finished")


def test_operators_routes_answer(session: Made) -> None:
    """Model, workers, queues, storage, health and metrics say what they should."""
    web = session.web
    session.step()
    model = web.ok("GET", "/api/model")
    assert model["geometry"]["frames_per_step"] == 8
    assert any(
        worker["name"] == "gpu.0" and worker["state"] != "down" for worker in web.ok("GET", "/api/workers")["items"]
    )
    assert web.ok("GET", "/api/queues")["counts"]["sessions_open"] == 1
    kinds = eventually(  # counted at most every 15 s
        lambda: "inputs" in (kinds := web.ok("GET", "/api/storage")["kinds"]) and kinds, what="pictures are counted"
    )
    assert kinds["inputs"]["objects"] >= 1
    assert web.ok("GET", "/healthz")["status"] == "ok"
    assert web.ok("GET", "/readyz")["checks"] == dict.fromkeys(("redis", "object_store", "worker", "threads"), "ok")
    assert "arc_fabric_sessions_open 1" in web.http.get("/metrics").text
