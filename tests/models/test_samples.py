"""Sample frames: what the web serves is what the simulator draws."""

import numpy as np
import pytest

from arc_fabric.models.tabletop.samples import sample_names, samples
from arc_fabric.models.tabletop.world.places import sample_scene_named
from arc_fabric.models.tabletop.world.render import render_scene


@pytest.mark.parametrize("name", sample_names())
def test_the_shipped_picture_is_the_scene(name: str) -> None:
    """`samples/<name>.png` has the pixels that the simulator draws of the scene of that name."""
    assert np.array_equal(samples()[name], render_scene(sample_scene_named(name)))
