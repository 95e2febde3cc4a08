"""Sample frames: what the web serves is what the simulator draws."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from arc_fabric.models.tabletop import samples


@pytest.mark.parametrize("name", samples.sample_names())
def test_the_shipped_picture_is_the_scene(name: str) -> None:
    """`samples/<name>.png` has the pixels of `samples()[name]`."""
    shipped = np.asarray(Image.open(Path(samples.__file__).with_name("samples") / f"{name}.png"))
    assert np.array_equal(shipped, samples.samples()[name])
