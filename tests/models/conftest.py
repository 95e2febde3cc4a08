"""One loaded tabletop model for all tests of models; tests reset its state themselves."""

from __future__ import annotations

import pytest

from arc_fabric.models.tabletop.net.model import TabletopModel


@pytest.fixture(scope="session")
def loaded() -> TabletopModel:
    """The shipped model. Its steps are plain calls: recording takes as long as twenty, and has its own tests."""
    return TabletopModel.load(recorded=False)


@pytest.fixture
def model(loaded: TabletopModel) -> TabletopModel:
    """The shipped model with an empty head."""
    loaded.action_head.drop_caches()
    loaded.action_head.seed = 1140
    loaded.exact_batches = True
    return loaded
