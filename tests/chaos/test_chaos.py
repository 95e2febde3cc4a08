"""A short chaos run as part of the normal tests; `make chaos` does long ones."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.chaos import campaign
from tests.support import nursery

KILLS, JOBS, MINUTES = 5, 40, 0.4


@pytest.mark.timeout(240)
def test_nothing_is_lost_doubled_disordered_or_stuck(tmp_path: Path) -> None:
    """Five kills and forty jobs: every accepted job took effect once, in order, with the right bits, durably."""
    seed = random.SystemRandom().randrange(10**6)
    outcome = campaign.run(tmp_path, nursery.shared(), seed=seed, kills=KILLS, jobs=JOBS, minutes=MINUTES)
    again = f"python -m tests.chaos --seed {seed} --kills {KILLS} --jobs {JOBS}"
    assert outcome.problems == [], f"{again}: {outcome.to_dict()}"
    assert sum(outcome.kills.values()) >= 2
    assert outcome.facts["succeeded"] >= 10
