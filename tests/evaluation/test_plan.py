"""What an evaluation tries: every combination once, and nothing that cannot work."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_fabric.errors import InvalidRequest
from arc_fabric.evaluation.plan import MOST_VARIANTS, Listed, Plan, plan_from_toml, plan_of, seeds_of

AT = ["ckp_01jd6xy0m8v9k2q4r6t8w0y2z4", "ckp_01jd6xy0m8v9k2q4r6t8w0y2z5"]


@given(st.integers(1, 2), st.integers(1, 4), st.integers(1, 5), st.integers(0, 3))
def test_variants_are_every_combination_once(checkpoints: int, prompts: int, seeds: int, actions: int) -> None:
    plan = Plan(
        checkpoints=AT[:checkpoints], prompts=[f"p{n}" for n in range(prompts)], seeds=list(range(seeds)), steps=3,
        actions=[{"name": f"a{n}", "actions": [[[0.0]]]} for n in range(actions)],
    )  # fmt: skip
    found = [plan.variant(number) for number in range(plan.total)]
    keys = {(v.checkpoint, v.prompt, v.seed, v.actions and v.actions.name) for v in found}
    assert len(keys) == plan.total == checkpoints * prompts * seeds * max(1, actions)
    assert [v.seed for v in found] == sorted(v.seed for v in found), "seeds turn slowest"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"seeds": "5-2"}, "5-2 holds none"),
        ({"seeds": []}, "seeds"),
        ({"prompts": []}, "prompts"),
        ({"seeds": [1, 1]}, "twice"),
        ({"seeds": [-1]}, "seeds"),
        ({"checkpoints": []}, "checkpoints"),
        ({"checkpoints": ["ckp_x"]}, "checkpoints"),
        ({"steps": 0}, "steps"),
        ({"seeds": f"0-{MOST_VARIANTS}"}, "more than"),
        ({"seeds": "0-999", "prompts": [f"p{n}" for n in range(101)]}, "101000 variants"),
        ({"actions": [{"name": "a", "actions": [[[0.0]]] * 3}]}, "more actions than"),
        ({"actions": [{"name": "a", "actions": [[[0.0]]]}] * 2}, "one name"),
        ({"tags": ["\x1b[31m"]}, "tags"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_cannot_work_is_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        plan_of({"checkpoints": AT[:1], "steps": 2} | values)


def test_settings_of_the_model_are_a_dimension() -> None:
    """By the order of their names, the last turning fastest; what is listed one by one has its own."""
    plan = Plan(checkpoints=AT[:1], seeds=[0, 1], steps=1, model_settings={"steps": [4, 8], "guidance": [1, 2.5, 4]})
    assert plan.total == 12
    found = [plan.variant(number) for number in range(12)]
    assert [v.model_settings for v in found[:4]] == [
        {"guidance": 1, "steps": 4}, {"guidance": 1, "steps": 8}, {"guidance": 2.5, "steps": 4},
        {"guidance": 2.5, "steps": 8},
    ]  # fmt: skip
    assert [v.seed for v in found] == [0] * 6 + [1] * 6
    listed = [Listed(), Listed(model_settings={}), Listed(model_settings={"steps": 9})]
    plan = Plan(checkpoints=AT[:1], steps=1, model_settings={"steps": [4]}, variants=listed)
    assert [plan.variant(n).model_settings for n in range(3)] == [{"steps": 4}, {}, {"steps": 9}]
    assert Plan(checkpoints=AT[:1], steps=1).variant(0).model_settings is None, "the checkpoint's"


def test_a_plan_without_settings_has_the_digest_it_had() -> None:
    """Of version 0.1; with some it is another one."""
    plain = Plan(checkpoints=AT[:1], prompts=["a"], seeds=[1], steps=2)
    assert plain.digest() == "541cc1dc69770f39a2e1eb6f50450167d495b03d72b5e3ff414f8b2840aaf3cc"
    listed = Plan(checkpoints=AT[:1], variants=[Listed(seed=1), Listed(seed=2)], steps=2)
    assert listed.digest() == "73390c4012f725db731fcdbc326c1fe40803290d00653d2010ad5656ee6c2635"
    digests = {plain.model_copy(update={"model_settings": {"steps": [n]}}).digest() for n in (1.0, 2.0)}
    digests |= {listed.model_copy(update={"variants": [Listed(model_settings={"steps": n})]}).digest() for n in (1, 2)}
    assert len(digests | {plain.digest(), listed.digest()}) == 6


@pytest.mark.parametrize("text", ["", "a", "1-", "-1", "1--2", "1,,2", "１-３", "0x3"])
def test_seeds_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match=r"expected|holds none"):
        seeds_of(text)


def test_a_file_says_the_same_as_python() -> None:
    scorer = '[[scorers]]\nname = "motion"\noptions = {least = 3.0}\n'
    text = f'checkpoints = ["{AT[0]}"]\nseeds = "0-3"\nsteps = 2\n{scorer}'
    made = plan_of({"checkpoints": AT[:1], "seeds": [0, 1, 2, 3], "steps": 2,
                    "scorers": [{"name": "motion", "options": {"least": 3.0}}]})  # fmt: skip
    assert plan_of(plan_from_toml(text)) == made
    with pytest.raises(InvalidRequest, match="no TOML"):
        plan_from_toml("steps = ")


def test_the_digest_is_of_what_decides_results() -> None:
    plan = plan_of({"checkpoints": AT[:1], "steps": 2})
    assert plan.digest() == plan.model_copy(update={"label": "x", "tags": ["y"], "priority": 0}).digest()
    assert plan.digest() != plan.model_copy(update={"steps": 3}).digest()


def test_listed_variants_are_tried_one_by_one() -> None:
    plan = Plan(checkpoints=AT[:1], steps=2, variants=[Listed(prompt="a", seed=1), Listed(seed=2, prompt_mode="reset")])
    assert plan.total == 2
    assert [(v.prompt, v.seed, v.prompt_mode, v.checkpoint) for v in map(plan.variant, range(2))] == [
        ("a", 1, "keep", AT[0]), (None, 2, "reset", AT[0]),
    ]  # fmt: skip
    assert plan.starts == AT[:1]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"seeds": [1, 2], "repeats": 3}, "seeds or repeats"),
        ({"variants": [{"seed": 1}], "seeds": [1, 2]}, "seeds has several values"),
        ({"variants": [{"seed": 1}, {"seed": 1}]}, "there twice"),
        ({"variants": [{"actions": "none"}]}, "names actions 'none'"),
        ({"variants": [{"policy": "none"}]}, "names policy 'none'"),
        ({"policies": [{"name": "a"}, {"name": "a"}]}, "two have one name"),
        ({"prompt_modes": ["keep", "keep"]}, "there twice"),
    ],
)
def test_a_plan_that_says_two_things_is_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        plan_of({"checkpoints": AT[:1], "steps": 2} | values)


def test_repeats_are_seeds_and_modes_are_tried_each() -> None:
    plan = plan_of({"checkpoints": AT[:1], "steps": 1, "repeats": 3, "prompt_modes": ["keep", "reset"]})
    assert (plan.total, plan.seeds) == (6, [0, 1, 2])
    assert [(v.seed, v.prompt_mode) for v in map(plan.variant, range(3))] == [(0, "keep"), (0, "reset"), (1, "keep")]
    assert Plan.model_validate_json(plan.model_dump_json()) == plan
