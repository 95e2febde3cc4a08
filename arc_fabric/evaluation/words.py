"""Results in words, the same in reports and on the command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ALPHA = 0.05
_OF = {
    "checkpoints": "checkpoint", "prompts": "prompt", "seeds": "seed", "actions": "action sequence",
    "policies": "policy", "prompt_modes": "prompt mode",
}  # fmt: skip


def tried(plan: Mapping[str, Any]) -> str:
    """What a plan tries.

    >>> tried({"prompts": ["a", "b"], "seeds": [0, 1, 2], "steps": 8, "scorers": [{"name": "motion"}]})
    '2 prompts x 3 seeds, 8 steps each; judged by motion'
    """
    counts = [(len(plan.get(name) or ()), _plural(word)) for name, word in _OF.items()]
    counts += [
        (len(values), f"values of {name}") for name, values in sorted((plan.get("model_settings") or {}).items())
    ]
    lists = " x ".join(f"{n} {words}" for n, words in counts if n > 1)
    if plan.get("variants"):
        lists = f"{len(plan['variants'])} variants, one by one"
    steps = f"{plan['steps']} step{'s' if plan['steps'] > 1 else ''} each"
    scorers = ", ".join(use["name"] for use in plan.get("scorers", ()))
    return f"{lists or 'one variant'}, {steps}" + (f"; judged by {scorers}" if scorers else "")


def _plural(word: str) -> str:
    return word[:-1] + "ies" if word.endswith("y") else word + "s"


def difference(one: Mapping[str, Any]) -> str:
    """Whether one value is better than another (an entry of a summary's `differences`).

    >>> difference({"best": "a", "than": "b", "pairs": 32, "only_best": 16, "only_than": 1, "p": 0.0003})
    "'a' is better than 'b': good where the other is not in 16 of 32 pairs, the reverse in 1; p = 0.0003"
    """
    best, than = ("the checkpoint's own" if one[end] is None else repr(one[end]) for end in ("best", "than"))
    said = "is better than" if one["p"] < ALPHA else "is not shown to be better than"
    return (
        f"{best} {said} {than}: good where the other is not in {one['only_best']} of {one['pairs']} pairs, "
        f"the reverse in {one['only_than']}; p = {one['p']:.2g}"
    )
