"""Plans over HTTP: nothing starts for one that cannot work; what was accepted can be seen and ended."""

from __future__ import annotations

import json
from typing import Any

import pytest

from arc_fabric.ids import new_id
from arc_fabric.ledger.evaluations import Settled
from arc_fabric.models.contract import ModelIdentity
from tests.api.conftest import Made
from tests.support.web_server import WebServer

URL = "/api/evaluations"


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        ({"seeds": []}, "InvalidRequest", "seeds"),
        ({"seeds": [1, 1]}, "InvalidRequest", "twice"),
        ({"steps": 1001}, "InvalidRequest", "at most 1000 steps"),
        ({"prompts": ["x" * 5000]}, "InvalidRequest", "max_prompt_chars"),
        ({"scorers": [{"name": "nobody"}]}, "InvalidRequest", "no scorer"),
        ({"scorers": [{"name": "os:system"}]}, "InvalidRequest", "not allowed"),
        ({"scorers": [{"name": "motion", "options": {"colour": "red"}}]}, "InvalidRequest", "colour"),
        ({"actions": [{"name": "a", "actions": [[[0.0]]]}]}, "InvalidRequest", "this model takes"),
        ({"checkpoints": ["ckp_01jd6xy0m8v9k2q4r6t8w0y2z4"]}, "CheckpointNotFound", "ckp_01jd"),
        ({"surprise": 1}, "InvalidRequest", "surprise"),
    ],
)
def test_a_plan_that_cannot_work_starts_nothing(
    web: WebServer, session: Made, change: dict[str, Any], code: str, said: str
) -> None:
    plan = {"checkpoints": [session.now()["head"]], "seeds": [0, 1], "steps": 1} | change
    before = web.ok("GET", URL)["items"]
    answer = web.http.request("POST", URL, json=plan)
    problem = answer.json()
    assert answer.status_code in (404, 422), problem
    assert problem["code"] == code
    assert said in str(problem)
    assert web.ok("GET", URL)["items"] == before


def test_a_dry_run_says_what_it_would_cost(web: WebServer, session: Made) -> None:
    session.step()
    plan = {"checkpoints": [session.now()["head"]], "seeds": [0, 1, 2], "prompts": ["a", "b"], "steps": 4}
    facts = web.ok("POST", f"{URL}?dry_run=true", json=plan)
    assert (facts["variants"], facts["steps"]) == (6, 24)
    assert facts["bytes"] > 0
    assert facts["seconds"] > 0


def test_a_plan_is_read_of_a_file(web: WebServer, session: Made) -> None:
    """As the command line reads it; it can be posted as it comes."""
    head = session.now()["head"]
    toml = 'label = "filed"\nsteps = 2\nseeds = "0-3,9"\n[[scorers]]\nname = "motion"\n'
    plan = web.ok("POST", f"{URL}/plan", json={"toml": toml, "checkpoints": [head]})
    assert (plan["seeds"], plan["checkpoints"], plan["label"]) == ([0, 1, 2, 3, 9], [head], "filed")
    assert web.ok("POST", f"{URL}?dry_run=true", json=plan)["steps"] == 10
    for wrong, said in (("steps = ", "no TOML"), ("steps = 1", "checkpoints"), ('steps = 1\nseeds = "5-2"', "none")):
        body = {"toml": wrong, "checkpoints": [] if said == "checkpoints" else [head]}
        assert said in str(web.problem(422, "POST", f"{URL}/plan", json=body))


def test_they_are_found_by_tag_and_say_which_model_ran(web: WebServer, session: Made) -> None:
    plan = {"checkpoints": [session.now()["head"]], "seeds": [0], "steps": 1}
    tagged, _ = (web.ok("POST", URL, json=plan | {"tags": tags})["evaluation"] for tags in (["lab", "arm-7"], ["lab"]))
    assert [one["id"] for one in web.ok("GET", f"{URL}?tag=arm-7")["items"]] == [tagged["id"]]
    assert len(web.ok("GET", f"{URL}?tag=lab")["items"]) == 2
    assert web.ok("GET", f"{URL}?tag=arm-7&state=finished")["items"] == []
    identity = web.ok("GET", "/api/model")["identity"]
    whole = ModelIdentity(**identity)
    assert tagged["model"] == {"name": web.settings.model, "digest": identity["weights_digest"],
                               "identity": whole.digest()}  # fmt: skip
    assert tagged["versions"]["torch"] == identity["software"]["torch"]


def test_a_plan_sent_twice_is_one_evaluation(web: WebServer, session: Made) -> None:
    """As a client does that lost the answer."""
    plan = {"checkpoints": [session.now()["head"]], "seeds": [0], "steps": 1}
    key = {"Idempotency-Key": session.id}
    first, again = (web.http.request("POST", URL, json=plan, headers=key) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json()["evaluation"]["id"] == again.json()["evaluation"]["id"]
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    other = web.http.request("POST", URL, json=plan | {"steps": 2}, headers=key)
    assert (other.status_code, other.json()["code"]) == (409, "IdempotencyMismatch")
    web.ok("POST", f"{URL}/{first.json()['evaluation']['id']}/cancel")


def test_an_export_takes_a_thousand_branches_at_most(web: WebServer, session: Made) -> None:
    """More are refused before any of them is read."""
    plan = {"checkpoints": [session.now()["head"]], "seeds": list(range(1001)), "steps": 1}
    path = f"{URL}/{web.ok('POST', URL, json=plan)['evaluation']['id']}"
    id_ = path.rpartition("/")[2]
    web.ledger.evaluations.take(id_, 1001)
    rows = [Settled(n, json.dumps({"variant": n, "head": new_id("ckp"), "steps": 1})) for n in range(1001)]
    web.ledger.evaluations.settle(id_, rows)
    assert "1001 branches" in web.problem(422, "GET", f"{path}/export?format=csv")["detail"]
    assert web.http.head(f"{path}/export?format=csv").status_code == 422


def test_an_export_is_named_as_wished_and_head_makes_none(session: Made) -> None:
    """HEAD says whether there would be a file, and its name, also one with other letters; no body comes."""
    session.step()
    path = f"/api/checkpoints/{session.now()['head']}/export?format=csv&name=Tasse-\u00fcber"
    head, got = session.web.http.head(path), session.web.http.get(path)
    assert (head.status_code, head.content, got.content[:4]) == (200, b"", b"bran")
    assert head.headers["Content-Disposition"] == got.headers["Content-Disposition"]
    assert "filename*=UTF-8''Tasse-%C3%BCber.csv" in head.headers["Content-Disposition"]
    assert session.web.http.get(path.replace("Tasse", "..%2F")).status_code == 422


def test_an_accepted_one_is_seen_and_ended(web: WebServer, session: Made) -> None:
    """No media worker runs here, so that it stands still."""
    plan = {"checkpoints": [session.now()["head"]], "seeds": [0, 1], "steps": 1, "label": "mine", "tags": ["ci"]}
    made = web.ok("POST", URL, json=plan)["evaluation"]
    path = f"{URL}/{made['id']}"
    assert (made["state"], made["total"], made["label"]) == ("running", 2, "mine")
    assert web.ok("GET", path) == made
    assert web.ok("GET", f"{path}/plan")["seeds"] == [0, 1]
    assert web.ok("GET", f"{path}/rows") == {"items": [], "next": None}
    assert web.ok("GET", f"{path}/summary")["all"]["n"] == 0
    assert web.http.request("DELETE", path).status_code == 409
    assert web.ok("POST", f"{path}/cancel")["state"] == "cancelled"
    assert web.ok("POST", f"{path}/cancel")["state"] == "cancelled"
    assert web.ok("POST", f"{path}/resume", json={})["state"] == "running"
    web.ok("POST", f"{path}/cancel")
    assert made["id"] in [one["id"] for one in web.ok("GET", f"{URL}?state=cancelled")["items"]]
    unknown = f"{URL}/evl_01jd6xy0m8v9k2q4r6t8w0y2z4"
    for method, rest in (("GET", ""), ("GET", "/rows"), ("GET", "/report"), ("POST", "/cancel"), ("DELETE", "")):
        assert web.http.request(method, unknown + rest).status_code == 404
    assert "motion" in {one["name"] for one in web.ok("GET", "/api/scorers")["items"]}
